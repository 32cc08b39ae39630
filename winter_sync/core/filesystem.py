"""Files and directories: what is done to them durably, and what the system says, with a remedy."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shlex
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from winter_sync.core.errors import StorageError
from winter_sync.core.nofollow import (
    NotRegularFileError,
    SymbolicLinkError,
    TooLargeError,
    open_directory,
    open_regular,
    read_regular,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WRITABLE = "Give the user who runs winter-sync write permission there."
_INCAPABLE = "`winter-sync check` tries what the file system can do. Or set another mirror.root."
_NO_LOCKS = "Mount the file system with file locks, or set another mirror.root and mirror.state."
_IN_THE_WAY = "Something that is not ours has that name: move it away."
_FOLLOW_LINKS = (
    "Move it away. If it is yours, and leads to a directory on the same file system, set "
    "`follow_links = true` under [mirror]."
)
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
    errno.ESTALE: "Is its file system mounted?",
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
def storage_errors_explained(path: Path) -> Iterator[None]:
    """Turn what the system says of a path into a `StorageError` with a remedy."""
    try:
        yield
    except OSError as failed:
        named = failed.filename
        where = named if isinstance(named, str) and os.path.isabs(named) else path  # noqa: PTH117
        raise StorageError(
            f"{where}: {failed.strerror or failed}",
            remedy=_remedy(failed),
            errno=failed.errno,
        ) from failed


def _remedy(failed: OSError) -> str:
    if isinstance(failed, SymbolicLinkError) and not failed.ours:
        return _FOLLOW_LINKS
    if isinstance(failed, SymbolicLinkError | NotRegularFileError | TooLargeError):
        odd = shlex.quote(str(failed.filename))
        return (
            f"Nothing of ours is like that: `mv {odd} {odd}.aside`; everything published is safe."
        )
    return _REMEDIES.get(failed.errno or 0, "Check that path; everything published is safe.")


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


def has_name(path: Path) -> bool:
    """Return whether anything has a name, if only a link to nowhere; see `is_there`."""
    return is_there(path) or path.is_symlink()


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
    """Give how many bytes an ordinary user may still write on the file system of a path."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def sha256_of_file(path: Path) -> str:
    """Give the SHA-256 of a file, hexadecimal, reading it in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_descriptor(descriptor: int) -> str:
    """Return the SHA-256 of an open file, hexadecimal.

    Raises
    ------
    OSError
        If it cannot be read, or is not a regular file: a pipe could be waited for in vain.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    with open(descriptor, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_lock(path: Path, within: int | None = None) -> int:
    """Give the descriptor of a locked file, making it if need be.

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
            f"{path} cannot be locked: {refused.strerror}", remedy=_NO_LOCKS, errno=refused.errno
        ) from refused


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it, however little the system takes at a time."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


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
        share_with_group(made, within, _REACHABLE)
    return made


def share_with_group(new: int, directory: int, access: int = _READABLE) -> bool:
    """Give a new file what a set-group-ID directory gives to files that are made in it.

    That is its group, and leave for the group to read the file if it may read the directory,
    whatever the umask. In any other directory nothing is changed.

    Parameters
    ----------
    new
        The descriptor of the file, or of a directory.
    directory
        That of the directory it goes to.
    access
        The permissions of the group that it may get.

    Returns
    -------
    bool
        Whether anything was changed.

    Raises
    ------
    OSError
        If we are not in that group, or the file system has no groups or modes.
    """
    above, found = os.fstat(directory), os.fstat(new)
    if not above.st_mode & stat.S_ISGID:
        return False
    mode = stat.S_IMODE(found.st_mode)
    wanted = mode | (above.st_mode & access)
    if found.st_gid != above.st_gid:
        os.fchown(new, -1, above.st_gid)
    if wanted != mode:
        os.fchmod(new, wanted)
    return found.st_gid != above.st_gid or wanted != mode


def refuse_writable_by_others(directory: int, path: Path, group: int) -> None:
    """Make sure that nobody but us and root can change what is in a directory of ours.

    Parameters
    ----------
    directory
        Its descriptor.
    path
        Its path, for messages.
    group
        The group of the mirror, which may write there.

    Raises
    ------
    StorageError
        If it belongs to somebody else, or others may write in it.
    """
    found, quoted = os.fstat(directory), shlex.quote(str(path))
    if found.st_uid not in {0, os.geteuid()} and found.st_uid != _owner_given(directory):
        raise StorageError(
            f"{path} belongs to another user (number {found.st_uid}), who could change what is "
            "recorded there",
            remedy=f"Run winter-sync as that user. If it is to be yours: "
            f"`sudo chown -R {os.geteuid()} {quoted}`.",
        )
    if found.st_mode & stat.S_IWOTH:
        raise _writable(path, "every user", f"chmod o-w {quoted}")
    if found.st_mode & stat.S_IWGRP and found.st_gid not in {group, os.getegid()}:
        who = f"another group (number {found.st_gid}) than the mirror's"
        raise _writable(path, who, f"chmod g-w {quoted}")


def _owner_given(directory: int) -> int:
    """Return whom new files of ours belong to there: some network file systems rename users."""
    name = f".winter-sync-{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    except OSError:
        return os.geteuid()
    try:
        return os.fstat(descriptor).st_uid
    finally:
        os.close(descriptor)
        os.unlink(name, dir_fd=directory)


def _writable(path: Path, who: str, command: str) -> StorageError:
    return StorageError(
        f"{path} may be written by {who}, who could change what is recorded there",
        remedy=f"`{command}`. Where that changes nothing, mount the file system with other modes "
        "(umask=022), or set another mirror.root and mirror.state.",
    )
