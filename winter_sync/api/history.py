"""The history of one product, found by any of its names, and older revisions brought back."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.api.cutouts import refuse_tree
from winter_sync.core import (
    SUFFIXES,
    ErrorCode,
    StorageError,
    TreeFiles,
    UsageError,
    closing_descriptor,
    storage_errors_explained,
)
from winter_sync.science import creating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from winter_sync.catalog import History, ProductHistory, Revision

_PIECE = 1024 * 1024
_NAMED = 5


def find_history(catalog: History, root: Path, file: str | os.PathLike[str]) -> ProductHistory:
    """Return the history of the product that a path, a file name or a savepath means.

    Raises
    ------
    UsageError
        If no product has this name, or several have.
    """
    name = os.fspath(file)
    for candidate in _names(root, name):
        found = catalog.find(candidate)
        if len(found) == 1:
            return catalog.of(found[0])
        if found:
            several = [f"{product.instrument} {product.savepath}" for product in found]
            more = f" and {len(several) - _NAMED} more" if len(several) > _NAMED else ""
            raise UsageError(
                f"{name} means several products: {', '.join(several[:_NAMED])}{more}",
                remedy="Write the path in the tree, or the savepath, of the one that you mean.",
                code=ErrorCode.USE_PRODUCT,
            )
    raise UsageError(
        f"no product of the mirror {root} is named {name}",
        remedy="Write its path in the tree, its file name or its savepath; `winter-sync list "
        "--paths` prints paths.",
        code=ErrorCode.USE_PRODUCT,
    )


def _names(root: Path, name: str) -> Iterator[str]:
    """Yield what a name may mean in the catalog: as it is written, and seen from here."""
    yield name.removeprefix("./")
    here = Path(os.path.abspath(name))  # noqa: PTH100 - links in the tree keep their names
    for top in dict.fromkeys((root, root.resolve())):
        for path in dict.fromkeys((here, here.parent.resolve() / here.name)):
            if path.is_relative_to(top) and path != top:
                yield str(path.relative_to(top))


def restore_revision(
    root: Path, history: ProductHistory, revision: int, output: Path | None
) -> Path:
    """Copy a kept older revision to a new file, checked; return its path.

    Raises
    ------
    UsageError
        If that revision is not kept, or the new file cannot be there.
    StorageError
        If it cannot be read or written, or is not what was downloaded.
    """
    chosen, kept = _kept(history, revision)
    place = _place(PurePosixPath(history.path).name, revision, output)
    refuse_tree(root, place)
    path = root / kept
    with storage_errors_explained(path), TreeFiles(root) as files:
        opened = files.open(kept)
    try:
        with closing_descriptor(opened) as source, creating(place) as target:
            _copy(source, target, chosen, path)
    except FileExistsError:
        raise UsageError(
            f"{place} exists already, and was not touched",
            remedy="Name another: --output FILE.",
            code=ErrorCode.USE_OUTPUT,
        ) from None
    return place


def _kept(history: ProductHistory, number: int) -> tuple[Revision, str]:
    """Return a revision that is kept, and where; raise UsageError otherwise."""
    chosen = next((one for one in history.revisions if one.revision == number), None)
    kept = [str(one.revision) for one in history.revisions if one.kept]
    remedy = f"Kept are: {', '.join(reversed(kept))}." if kept else "No older revision is kept."
    if chosen is None:
        newest = history.revisions[0].revision if history.revisions else 0
        raise UsageError(
            f"there is no revision {number}: the newest is {newest}",
            remedy=remedy,
            code=ErrorCode.USE_REVISION,
        )
    if chosen.kept is not None:
        return chosen, chosen.kept
    if chosen.replaced_at is None and history.is_set_aside:
        if history.set_aside is not None:
            return chosen, history.set_aside
        why = "was deleted when it was withdrawn, as mirror.on_withdrawn asked"
    elif chosen.replaced_at is None:
        why, remedy = "is the current one", f"It is in the tree: {history.path}"
    elif chosen.removed_at is not None:
        why = f"was removed on {chosen.removed_at[:10]}, as mirror.keep_revisions... asked"
    else:
        why = "was not kept when it was replaced"
    raise UsageError(f"revision {number} {why}", remedy=remedy, code=ErrorCode.USE_REVISION)


def _place(filename: str, revision: int, output: Path | None) -> Path:
    suffix = next((end for end in SUFFIXES if filename.endswith(end)), Path(filename).suffix)
    name = f"{filename.removesuffix(suffix)}.rev{revision}{suffix}"
    if output is None:
        return Path(name)
    return output / name if output.is_dir() else output


def _copy(source: int, target: BinaryIO, revision: Revision, path: Path) -> None:
    digest, size = hashlib.sha256(), 0
    while piece := _read(source, path):
        digest.update(piece)
        size += len(piece)
        target.write(piece)
    if (size, digest.hexdigest()) != (revision.size, revision.sha256):
        raise StorageError(
            f"{path} is not what was downloaded as revision {revision.revision}: it was changed",
            remedy="Nothing was written. That revision is lost unless a backup has it.",
            code=ErrorCode.FILE_CHANGED,
        )


def _read(source: int, path: Path) -> bytes:
    with storage_errors_explained(path):
        return os.read(source, _PIECE)
