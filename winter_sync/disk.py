"""Files and directories: what is done to them durably, and what the system says, with a remedy."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from winter_sync.errors import StorageError

__all__ = [
    "NO_HARD_LINKS",
    "NO_SPACE",
    "digest",
    "explained",
    "lock",
    "make_directory",
    "share",
    "space_of",
    "sync_directory",
    "sync_file",
    "take_lock",
    "write_all",
]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WRITABLE = "Give the user who runs winter-sync write permission there."
_INCAPABLE = "`winter-sync check` tries what the file system can do. Or set another mirror.root."
_NO_LOCKS = "Mount the file system with file locks, or set another mirror.root and mirror.state."
_IN_THE_WAY = "Something that is not ours has that name: move it away."
NO_SPACE = "Free some space, or mirror less; everything published is safe."
"""What to do about a file system that is full, or nearly."""
_REMEDIES = {
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: "Your quota is used up: free some space, or mirror less.",
    errno.EROFS: "The file system is read-only: remount it, or set another mirror.root.",
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOENT: "Is its file system mounted?",
    errno.ELOOP: _IN_THE_WAY,
    errno.ENAMETOOLONG: "Set a shorter mirror.layout, or another mirror.root.",
    errno.EXDEV: "The mirror must lie on one file system: no mounts or links out of it.",
    errno.EIO: "The disk is failing: see the kernel's log, and check the disk.",
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOSYS: _INCAPABLE,
    errno.EOPNOTSUPP: _INCAPABLE,
    errno.EINVAL: _INCAPABLE,
    errno.EMFILE: "Raise the limit of open files (ulimit -n), or lower api.connections.",
}

NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES}
)
"""What a file system says that has none, or none more for this file, or not for us."""
_NO_DIRECTORY_SYNC = frozenset({errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP, errno.ENOSYS})
"""What file systems say that cannot sync a directory: FUSE, CIFS and NFS differ (fsync(2))."""
_READABLE, _REACHABLE = stat.S_IRGRP, stat.S_IRGRP | stat.S_IXGRP


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says of a path into a `StorageError` with a remedy."""
    try:
        yield
    except OSError as failed:
        where = failed.filename or path
        raise StorageError(
            f"{where}: {failed.strerror or failed}",
            remedy=_REMEDIES.get(
                failed.errno or 0, "Check that path; everything published is safe."
            ),
            errno=failed.errno,
        ) from failed


def is_directory(path: Path) -> bool:
    """Return whether a path leads to a directory; see `is_there`."""
    return stat.S_ISDIR(_mode(path))


def is_file(path: Path) -> bool:
    """Return whether a path leads to a regular file; see `is_there`."""
    return stat.S_ISREG(_mode(path))


def is_there(path: Path) -> bool:
    """Return whether a path leads to anything.

    `Path.exists` and its like say since Python 3.14 that nothing is there where it only may not be
    looked at, or the disk fails: so a mirror would be taken for none.

    Raises
    ------
    OSError
        If that cannot be known.
    """
    return _mode(path) != 0


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


def space_of(path: Path) -> int:
    """Give how many bytes an ordinary user may still write on the file system of a path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def digest(path: Path) -> str:
    """Give the SHA-256 of a file, hexadecimal, reading it in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_regular(path: Path) -> str:
    """Return the SHA-256 of a regular file, hexadecimal.

    Nothing else is read: a link would lead elsewhere, and a pipe could be waited for in vain.

    Raises
    ------
    OSError
        If it cannot be read, or is not a regular file.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - a descriptor has no path
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_lock(path: Path) -> int:
    """Give the descriptor of a locked file, making it if need be.

    Raises
    ------
    BlockingIOError
        If another descriptor holds its lock, of this process or another.
    StorageError
        If the file system has no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        lock(descriptor, path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def lock(descriptor: int, path: Path, operation: int = fcntl.LOCK_EX) -> None:
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
            f"{path} cannot be locked: {refused.strerror}", remedy=_NO_LOCKS, errno=refused.errno
        ) from refused


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it, however little the system takes at a time."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> bool:
    """Make the names in a directory durable; return False if its file system never can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as refused:
        if refused.errno not in _NO_DIRECTORY_SYNC:
            raise
        return False
    finally:
        os.close(descriptor)
    return True


def make_directory(path: Path) -> None:
    """Make a directory if there is none, open to the group if the one above it is a group's."""
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        with suppress(OSError):  # some file systems have no modes to change
            share(path, path.parent, _REACHABLE)


def share(path: Path, directory: Path, access: int = _READABLE) -> bool:
    """Give a new file what a set-group-ID directory gives to files that are made in it.

    That is its group, and leave for the group to read the file if it may read the directory,
    whatever the umask. In any other directory nothing is changed.

    Returns
    -------
    bool
        Whether anything was changed.

    Raises
    ------
    OSError
        If we are not in that group, or the file system has no groups or modes.
    """
    above, found = directory.stat(), path.lstat()
    if not above.st_mode & stat.S_ISGID:
        return False
    mode = stat.S_IMODE(found.st_mode)
    wanted = mode | (above.st_mode & access)
    if found.st_gid != above.st_gid:
        os.chown(path, -1, above.st_gid, follow_symlinks=False)
    if wanted != mode:
        path.chmod(wanted)
    return found.st_gid != above.st_gid or wanted != mode
