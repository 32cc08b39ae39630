"""The root of a mirror and our own directory in it, opened without following links."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from winter_sync.core import (
    STATE_DIR,
    ErrorCode,
    StorageError,
    closing_descriptor,
    is_directory,
    lock_file,
    make_directory,
    open_directory,
    open_own_file,
    open_root_directory,
    refuse_writable_by_others,
    storage_errors_explained,
    sync_directory,
)
from winter_sync.tree.marker import MARKER, read_marker, write_marker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STAGING = "staging"
_SESSIONS_LOCK = "sessions.lock"


class Root:
    """The root of a mirror. Thread-safe.

    Everything of ours is under `<root>/.winter-sync/`.

    Parameters
    ----------
    path
        The top of the tree.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.own_directory = path / STATE_DIR
        self.staging = self.own_directory / _STAGING
        """The directory of all sessions."""
        self._identity: tuple[int, int] | None = None
        """Device and inode of the root that a session works in."""

    # --- descriptors ---------------------------------------------------------------------------

    def open(self) -> int:
        """Open the root, which must stay the same one as long as a session works in it."""
        descriptor = open_root_directory(self.path)
        if self._identity not in {None, _identity(descriptor)}:
            os.close(descriptor)
            said = "this is no longer the directory that it was when work began"
            raise OSError(errno.ESTALE, said, str(self.path))
        return descriptor

    def pin(self) -> None:
        """Refuse, from now on, another directory in the place of the root."""
        with closing_descriptor(self.open()) as root:
            self._identity = _identity(root)

    def unpin(self) -> None:
        """Accept any directory as the root again."""
        self._identity = None

    def open_own(self) -> int:
        """Open our own directory, unless others could change what is in it."""
        with closing_descriptor(self.open()) as root:
            descriptor = self._enter_own(root)
            try:
                refuse_writable_by_others(descriptor, self.own_directory, os.fstat(root).st_gid)
            except BaseException:
                os.close(descriptor)
                raise
            return descriptor

    def open_staging(self, own: int) -> int:
        """Open the directory of all sessions, in our own directory of this descriptor."""
        return open_directory(_STAGING, own, self.staging, ours=True)

    def open_session(self, name: str, staging: int) -> int:
        """Open the directory of a session, in the directory of all sessions."""
        return open_directory(name, staging, self.staging / name, ours=True)

    @contextmanager
    def sessions_locked(self) -> Iterator[int]:
        """Keep others from starting, ending or judging sessions, in this process or another.

        Yields the descriptor of the directory of all sessions.
        """
        path = self.own_directory / _SESSIONS_LOCK
        with (
            closing_descriptor(self.open_own()) as own,
            closing_descriptor(open_own_file(path, os.O_RDWR | os.O_CREAT, own)) as file,
        ):
            lock_file(file, path)
            with closing_descriptor(self.open_staging(own)) as staging:
                yield staging

    def _enter_own(self, root: int) -> int:
        return open_directory(STATE_DIR, root, self.own_directory, ours=True)

    # --- the mirror ----------------------------------------------------------------------------

    def mirror_name(self) -> str | None:
        """Return the name of the mirror that is here, from its marker; None if there is none."""
        path = self.own_directory / MARKER
        with storage_errors_explained(path):
            try:
                with (
                    closing_descriptor(open_root_directory(self.path)) as root,
                    closing_descriptor(self._enter_own(root)) as own,
                ):
                    return read_marker(path, own)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def prepare(self, proposed: str) -> tuple[str, bool]:
        """Make the root ours, creating it if its parent exists.

        Returns
        -------
        tuple
            The name of the mirror, which is the proposed one if there was none, and whether the
            file system can sync directories.
        """
        with storage_errors_explained(self.path):
            _make_root(self.path)
            with closing_descriptor(self.open()) as root:
                os.close(make_directory(STATE_DIR, root, self.own_directory, ours=True))
                with closing_descriptor(self.open_own()) as own:
                    os.close(make_directory(_STAGING, own, self.staging, ours=True))
                    name = self._name_or_mark(proposed, own)
                    return name, sync_directory(own) and sync_directory(root)

    def _name_or_mark(self, proposed: str, own: int) -> str:
        with self.sessions_locked():
            name = self.mirror_name()
            if name is None:
                write_marker(self.own_directory / MARKER, proposed, own)
            return name or proposed

    def refuse_other_writers(self) -> None:
        """Make sure that only we can change what is recorded below `.winter-sync`.

        Raises
        ------
        StorageError
            If it is a link, belongs to another user, or may be written by others.
        """
        with (
            storage_errors_explained(self.own_directory),
            suppress(FileNotFoundError, NotADirectoryError),
        ):
            os.close(self.open_own())


def _identity(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _make_root(root: Path) -> None:
    """Make the root, but nothing above it: a parent that is not there may not be mounted yet."""
    if is_directory(root):
        return
    try:
        root.mkdir()
    except FileExistsError:
        if not is_directory(root):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(root)) from None
    except (FileNotFoundError, NotADirectoryError) as missing:
        fault = "does not exist" if missing.errno == errno.ENOENT else "is not a directory"
        raise StorageError(
            f"{root.parent} {fault}, so the mirror root {root} cannot be created",
            remedy="Create that directory, or mount its file system, or set another mirror.root.",
            errno=missing.errno,
            code=ErrorCode.MIRROR_ROOT,
        ) from None
    sync_directory(root.parent)
