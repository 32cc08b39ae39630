"""The marker of a mirror: the small file that distinguishes a root from a bare mount point."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

from winter_sync.core import (
    ErrorCode,
    StorageError,
    closing_descriptor,
    open_own_file,
    read_own_file,
    write_all,
)

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "mirror.json"
_FORMAT = 1
_LONGEST = 64 * 1024


def read_marker(path: Path, directory: int) -> str:
    """Return the name of a mirror.

    Parameters
    ----------
    path
        The path of the marker, for messages.
    directory
        The descriptor of the directory that it is in.

    Raises
    ------
    StorageError
        If it cannot be understood, or a newer version wrote it.
    FileNotFoundError
        If there is none.
    """
    content = read_own_file(path, _LONGEST, directory)
    try:
        edition, name = _fields_of(json.loads(content))
    except (ValueError, KeyError, TypeError, RecursionError) as broken:
        quoted = shlex.quote(str(path))
        raise StorageError(
            f"the marker {path} cannot be read: {_fault(broken)}",
            remedy=f"Restore it from a backup. Or `mv {quoted} {quoted}.aside`, then "
            "`winter-sync sync --new-root`: what is there is kept.",
            code=ErrorCode.MIRROR_MARKER,
        ) from None
    if edition > _FORMAT:
        raise StorageError(
            f"the mirror of {path} was made by a newer winter-sync than this one",
            remedy="Use the newer one, or set another mirror.root.",
            code=ErrorCode.CATALOG_VERSION,
        )
    return name


def write_marker(path: Path, name: str, directory: int) -> None:
    """Write the marker of a mirror; it is there complete or not at all.

    `directory` is the descriptor of the directory that it goes to.
    """
    temporary = path.with_suffix(".new")
    with suppress(FileNotFoundError):
        os.unlink(temporary.name, dir_fd=directory)
    with closing_descriptor(
        open_own_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, directory)
    ) as file:
        write_all(file, f"{json.dumps({'format': _FORMAT, 'id': name})}\n".encode())
        os.fsync(file)
    os.rename(temporary.name, path.name, src_dir_fd=directory, dst_dir_fd=directory)


def _fields_of(marker: dict[str, object]) -> tuple[int, str]:
    edition, name = marker["format"], marker["id"]
    if not isinstance(edition, int) or not isinstance(name, str) or not name:
        raise TypeError("its fields are not those that are written there")
    return edition, name


def _fault(broken: Exception) -> str:
    """Return what is wrong with a JSON text."""
    if isinstance(broken, KeyError):
        return f"it has no {broken.args[0]}"
    return "it is nested too deep" if isinstance(broken, RecursionError) else str(broken)
