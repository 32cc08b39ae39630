"""What the system says of a path, as a `StorageError` with a remedy."""

from __future__ import annotations

import errno
import os
import shlex
from typing import TYPE_CHECKING

from winter_sync.core.error_codes import ErrorCode
from winter_sync.core.errors import StorageError
from winter_sync.core.nofollow import NotRegularFileError, SymbolicLinkError, TooLargeError

if TYPE_CHECKING:
    from pathlib import Path

_WRITABLE = "Give the user who runs winter-sync write permission there."
_INCAPABLE = "`winter-sync check` tries what the file system can do. Or set another mirror.root."
NO_LOCKS = "Mount the file system with file locks, or set another mirror.root and mirror.state."
"""What to do about a file system without locks."""
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
    errno.ENOLCK: NO_LOCKS,
    errno.ENOSYS: _INCAPABLE,
    errno.EOPNOTSUPP: _INCAPABLE,
    errno.EINVAL: _INCAPABLE,
    errno.EMFILE: "Raise the limit of open files (ulimit -n), or lower api.connections.",
}


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_ODD = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP})


class storage_errors_explained:  # noqa: N801 - used as the function that it stands for
    """Turn what the system says of a path into a `StorageError` with a remedy.

    A class, because a generator costs five times as much, and every file passes some.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path | str) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, failed: BaseException | None, trace: object) -> None:
        if isinstance(failed, OSError):
            raise storage_error_of(self._path, failed) from failed


def storage_error_of(path: Path | str, failed: OSError) -> StorageError:
    """Return what the system says of a path as a `StorageError` with a remedy."""
    named = failed.filename
    where = named if isinstance(named, str) and os.path.isabs(named) else path  # noqa: PTH117
    return StorageError(
        f"{where}: {failed.strerror or failed}",
        remedy=_remedy(failed),
        errno=failed.errno,
        code=_code(failed),
    )


def _code(failed: OSError) -> ErrorCode:
    number = failed.errno or 0
    if number in _ODD or isinstance(failed, NotRegularFileError | TooLargeError):
        return ErrorCode.DISK_IN_THE_WAY
    if number in _FULL:
        return ErrorCode.DISK_FULL
    return ErrorCode.DISK_PERMISSION if number in _FORBIDDEN else ErrorCode.DISK_ERROR


def _remedy(failed: OSError) -> str:
    if isinstance(failed, SymbolicLinkError) and not failed.ours:
        return _FOLLOW_LINKS
    if isinstance(failed, SymbolicLinkError | NotRegularFileError | TooLargeError):
        odd = shlex.quote(str(failed.filename))
        return (
            f"Nothing of ours is like that: `mv {odd} {odd}.aside`; everything published is safe."
        )
    return _REMEDIES.get(failed.errno or 0, "Check that path; everything published is safe.")
