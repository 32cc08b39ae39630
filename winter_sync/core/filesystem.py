"""Files and directories: what is there, and what is written there durably."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from winter_sync.core.error_codes import ErrorCode
from winter_sync.core.errors import StorageError
from winter_sync.core.nofollow import open_directory, open_regular, read_regular
from winter_sync.core.permissions import REACHABLE, share_with_group
from winter_sync.core.storage_errors import NO_LOCKS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES}
)
"""What a file system says that has none, or none more for this file, or not for us."""
_BEGIN_WRITING = 2
"""SYNC_FILE_RANGE_WRITE of Linux."""
_NO_DIRECTORY_SYNC = frozenset({errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.ENOSYS})
"""What file systems say that cannot sync a directory: FUSE, CIFS and NFS differ (fsync(2))."""


def is_directory(path: Path) -> bool:
    """Return whether a path leads to a directory; see `is_there`."""
    return stat.S_ISDIR(_mode(path))


def is_file(path: Path) -> bool:
    """Return whether a path leads to a regular file; see `is_there`."""
    return stat.S_ISREG(_mode(path))


def is_there(path: Path) -> bool:
    """Return whether a path leads to anything.

    `Path.exists` and its like say since Python 3.14 that nothing is there where it only may not be
    looked at, or the disk fails: a mirror would be taken for absent.

    Raises
    ------
    OSError
        If that cannot be known.
    """
    return _mode(path) != 0


def has_name(path: Path) -> bool:
    """Return whether anything has a name, if only a link to nowhere; see `is_there`."""
    return is_there(path) or path.is_symlink()


def was_removed(path: str | os.PathLike[str]) -> bool:
    """Return whether there is nothing of a name; False where that may not be known."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _mode(path: Path) -> int:
    """Return the mode of what a path leads to; 0 if there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as failed:
        if failed.errno == errno.ELOOP:
            return 0
        raise


def free_space(path: Path) -> int:
    """Return how many bytes an ordinary user may still write on the file system of a path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal, reading it in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_descriptor(descriptor: int) -> str:
    """Return the SHA-256 of an open file, hexadecimal.

    Raises
    ------
    OSError
        If it cannot be read, or is not a regular file: reading a pipe could wait forever.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    with open(descriptor, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_lock(path: Path, within: int | None = None) -> int:
    """Return the descriptor of a locked file, creating it if necessary.

    It is looked for in the directory `within`, where that is given, whatever its path leads to.

    Raises
    ------
    BlockingIOError
        If another descriptor holds its lock, of this process or another.
    StorageError
        If the file system has no locks.
    """
    descriptor = open_own_file(path, os.O_RDWR | os.O_CREAT, within)
    try:
        lock_file(descriptor, path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_own_file(path: Path, flags: int, within: int | None = None) -> int:
    """Open a file of ours, which is a regular one; see `nofollow.open_regular`.

    Raises
    ------
    OSError
        With the path in it.
    """
    try:
        return open_regular(path if within is None else path.name, flags, within=within)
    except OSError as failed:
        failed.filename = str(path)
        raise


def read_own_file(path: Path, limit: int, within: int) -> bytes:
    """Return the content of a file of ours of at most `limit` bytes; see `open_own_file`."""
    try:
        return read_regular(path.name, limit, within=within)
    except OSError as failed:
        failed.filename = str(path)
        raise


def lock_file(descriptor: int, path: Path, operation: int = fcntl.LOCK_EX) -> None:
    """Lock an open file, as flock(2) does.

    Raises
    ------
    BlockingIOError
        If the operation has `LOCK_NB` and another descriptor holds the lock.
    StorageError
        If the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError as refused:
        raise StorageError(
            f"{path} cannot be locked: {refused.strerror}",
            remedy=NO_LOCKS,
            errno=refused.errno,
            code=ErrorCode.DISK_ERROR,
        ) from refused


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it, however little the system takes at a time."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def begin_writing(descriptor: int) -> None:
    """Have the system begin to write a file to the disk, and do not wait for it.

    When many files are begun before the first of them is synced, a file system commits them
    together, instead of once for each. Does nothing where the system has no call for it, or the
    file system none: what matters is the sync.
    """
    call = _sync_file_range()
    if call is not None:
        call(descriptor, 0, 0, _BEGIN_WRITING)


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Return sync_file_range(2), which Python does not have; None where the C library has none."""
    import ctypes  # noqa: PLC0415 - only where something is published

    try:
        call = ctypes.CDLL(None).sync_file_range
    except (AttributeError, OSError):
        return None
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call


def sync_directory(directory: Path | int) -> bool:
    """Make the names in a directory durable; return False if its file system never can.

    It is given by its path or its descriptor.
    """
    if isinstance(directory, int):
        return _sync(directory)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _sync(descriptor)
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> bool:
    try:
        os.fsync(descriptor)
    except OSError as refused:
        if refused.errno not in _NO_DIRECTORY_SYNC:
            raise
        return False
    return True


def make_directory(
    name: str, within: int, where: Path, *, follow: bool = False, ours: bool = False
) -> int:
    """Make a directory in another one, unless it is there; return its descriptor.

    It is open to the group if the one above it is a group's.

    Parameters
    ----------
    name
        Its name.
    within
        The descriptor of the one above it.
    where
        Its path, for messages.
    follow
        Whether it may be a link.
    ours
        Whether it is one of our own, for messages.

    Raises
    ------
    LinkError
        If a link has its name, and may not be followed.
    OSError
        If it cannot be made or opened.
    """
    try:
        os.mkdir(name, dir_fd=within)
    except FileExistsError:
        return open_directory(name, within, where, follow=follow, ours=ours)
    except OSError as failed:
        failed.filename = str(where)
        raise
    made = open_directory(name, within, where, ours=ours)
    with suppress(OSError):  # some file systems have no modes to change
        share_with_group(made, within, REACHABLE)
    return made
