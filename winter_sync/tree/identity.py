"""Whether a root holds the mirror that a catalog describes, and not a bare mount point."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from winter_sync.core import (
    ErrorCode,
    StorageError,
    closing_descriptor,
    is_directory,
    open_root_directory,
    refuse_writable_by_others,
    storage_errors_explained,
)

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.tree.tree import Tree

EMPTIED = (
    "Is its file system mounted? Nothing was changed. If you emptied it on purpose, run "
    "`winter-sync sync --new-root` once: it starts a new mirror there and downloads everything "
    "again."
)
"""The remedy for a root that lost its mirror."""


def refuse_other_root(tree: Tree, name: str, catalog: Path) -> None:
    """Make sure that a root holds the mirror of this name.

    Raises
    ------
    StorageError
        If it holds none, or another one. The message says which.
    """
    found = tree.name
    if found is None:
        raise lost_mirror(tree.root, catalog)
    if found != name:
        raise StorageError(
            f"{catalog} is the catalog of another mirror than the one in {tree.root}",
            remedy="Set mirror.state and mirror.root to the two that belong together.",
            code=ErrorCode.MIRROR_OTHER,
        )


def refuse_other_writers(tree: Tree, state: Path) -> None:
    """Make sure that only we can have written the records of a mirror.

    Parameters
    ----------
    tree
        The tree, with our own directory in it.
    state
        The directory of the catalog, that one or another.

    Raises
    ------
    StorageError
        If one of them belongs to another user, or may be written by others.
    """
    tree.refuse_other_writers()
    if state == tree.own_directory:
        return
    with (
        storage_errors_explained(state),
        suppress(FileNotFoundError, NotADirectoryError),
        closing_descriptor(open_root_directory(state)) as directory,
    ):
        group = tree.root.stat().st_gid if is_directory(tree.root) else os.getegid()
        refuse_writable_by_others(directory, state, group)


def lost_mirror(root: Path, catalog: Path | None = None) -> StorageError:
    """Return the error for a root that is known to have held a mirror, and holds none.

    Parameters
    ----------
    root
        The root.
    catalog
        Its catalog, where that is still there.
    """
    described = f" (catalog: {catalog})" if catalog is not None else ""
    return StorageError(
        f"{root} used to contain a mirror{described}, {_now(root)}",
        remedy=EMPTIED,
        code=ErrorCode.MIRROR_EMPTIED,
    )


def _now(root: Path) -> str:
    try:
        if not is_directory(root):
            return "but does not exist now"
        is_empty = not any(root.iterdir())
    except OSError as failed:
        return f"and cannot be read now: {failed.strerror}"
    return "but is now empty" if is_empty else "but the file that identifies it is missing"
