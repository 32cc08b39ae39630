"""Files and directories: what is done to them durably, and what the system says, with a remedy."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winter_sync.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WRITABLE = "Give the user who runs winter-sync write permission there."
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
    errno.ENOLCK: "The file system has no locks: mount it with them, or set another mirror.root.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n), or lower api.connections.",
}


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


def space_of(path: Path) -> int:
    """Give how many bytes an ordinary user may still write on the file system of a path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def digest(path: Path) -> str:
    """Give the SHA-256 of a file, hexadecimal, reading it in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_lock(path: Path) -> int:
    """Give the descriptor of a locked file, making it if need be.

    Raises
    ------
    BlockingIOError
        If another descriptor holds its lock, of this process or another.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


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


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
