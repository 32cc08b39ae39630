"""Files that a command writes for its user: complete, or not there at all."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from winter_sync.core import (
    NO_HARD_LINKS,
    ErrorCode,
    StorageError,
    UsageError,
    has_name,
    sync_directory,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

_FOR_ALL = 0o666
"""Less what the umask of the user takes away."""
_NAME = 50
"""Characters of a name, of up to 4 bytes each, for which there is room beside what is added."""
_USERS_OWN = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that takes its name only when it is complete and durable.

    A file that has the name stays until then, and for good if anything fails. A link is followed.
    What is no regular file, such as a pipe or `/dev/null`, is written to as it is.

    Raises
    ------
    UsageError
        If there cannot be a file of that name.
    StorageError
        If it cannot be written.
    """
    try:
        with _in_place(path) if _is_special(path) else _beside(path.resolve()) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as failed:
        raise _failure(path, failed) from failed


@contextmanager
def creating(path: Path) -> Iterator[BinaryIO]:
    """Write a new file that takes its name only when it is complete and durable.

    Raises
    ------
    FileExistsError
        If something has that name, at the beginning or by then; it stays as it is.
    UsageError
        If there cannot be a file of that name.
    StorageError
        If it cannot be written.
    """
    try:
        _refuse_name(path)
        with _beside(path, put=_give_new_name) as file:
            yield file
    except FileExistsError:
        raise
    except OSError as failed:
        raise _failure(path, failed) from failed


def _give_new_name(temporary: Path, path: Path) -> None:
    """Rename a file, unless something has the name; nothing can come between, if links are had."""
    try:
        os.link(temporary, path)
    except OSError as refused:
        if refused.errno not in NO_HARD_LINKS:
            raise
        _refuse_name(path)
        temporary.rename(path)
    else:
        temporary.unlink()


def _refuse_name(path: Path) -> None:
    if has_name(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def _is_special(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(mode)


@contextmanager
def _in_place(path: Path) -> Iterator[BinaryIO]:
    with path.open("wb") as file:
        yield file


@contextmanager
def _beside(path: Path, put: Callable[[Path, Path], object] = Path.replace) -> Iterator[BinaryIO]:
    """Write another file in the same directory, then put it in its place."""
    # Not the number of the process: in a container the next one may well have the same.
    temporary = path.with_name(f".{path.name[:_NAME]}.{token_hex(8)}.tmp")
    mode = _mode_of(path)
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode or _FOR_ALL)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        put(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def _mode_of(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def _failure(path: Path, failed: OSError) -> UsageError | StorageError:
    if failed.errno in _USERS_OWN:
        parent = path.absolute().parent
        remedy = (
            "Name a file in a directory that exists."
            if parent.is_dir()
            else f"Create its directory: mkdir -p {shlex.quote(str(parent))}"
        )
        return UsageError(
            f"{path} cannot be written: {failed.strerror}", remedy=remedy, code=ErrorCode.USE_OUTPUT
        )
    return StorageError(
        f"{path} could not be written: {failed.strerror}",
        remedy="Nothing of that name was changed. Make room or take another directory.",
        code=ErrorCode.DISK_ERROR,
    )
