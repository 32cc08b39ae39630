"""Groups and modes of our files: shared with the mirror's group, closed to everybody else."""

from __future__ import annotations

import os
import shlex
import stat
from typing import TYPE_CHECKING

from winter_sync.core.error_codes import ErrorCode
from winter_sync.core.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

READABLE = stat.S_IRGRP
REACHABLE = stat.S_IRGRP | stat.S_IXGRP
"""What a group may do with a file, and with a directory."""


def share_with_group(new: int, directory: int, access: int = READABLE) -> bool:
    """Apply to a new file what a set-group-ID directory applies to files created in it.

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
    above = os.fstat(directory)
    if not above.st_mode & stat.S_ISGID:
        return False
    found = os.fstat(new)
    mode = stat.S_IMODE(found.st_mode)
    wanted = mode | (above.st_mode & access)
    if found.st_gid != above.st_gid:
        os.fchown(new, -1, above.st_gid)
    if wanted != mode:
        os.fchmod(new, wanted)
    return found.st_gid != above.st_gid or wanted != mode


def refuse_writable_by_others(directory: int, path: Path, group: int) -> None:
    """Make sure that only we and root can change what is in a directory of ours.

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
        If it belongs to another user, or others may write in it.
    """
    found, quoted = os.fstat(directory), shlex.quote(str(path))
    if found.st_uid not in {0, os.geteuid()} and found.st_uid != _owner_given(directory):
        raise StorageError(
            f"{path} belongs to another user (number {found.st_uid}), who could change what is "
            "recorded there",
            remedy=f"Run winter-sync as that user. To make it yours: "
            f"`sudo chown -R {os.geteuid()} {quoted}`.",
            code=ErrorCode.MIRROR_UNSAFE,
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
        code=ErrorCode.MIRROR_UNSAFE,
    )
