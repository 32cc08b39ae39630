"""Sessions of work: leases that a process holds by a lock, and what a killed one left behind.

Each session has its own directory below `staging/`, locked as long as its process lives. A session
whose lock can be taken is dead, and what it left is evidence or rubbish.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from winter_sync.core import (
    Evidence,
    StorageError,
    closing_descriptor,
    storage_errors_explained,
    sync_directory,
    take_lock,
)
from winter_sync.tree import journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from winter_sync.tree.root import Root

_LOCK = "lock"


class Sessions:
    """The sessions of one mirror, of this process and of others. Thread-safe.

    Parameters
    ----------
    root
        The root of the mirror.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._taken_over: dict[str, int] = {}
        """The locks of dead sessions, until they are removed."""

    def directory(self, name: str) -> Path:
        """Return the path of a session's directory."""
        return self._root.staging / name

    @contextmanager
    def start(self, name: str) -> Iterator[int]:
        """Hold a session; its directory is removed at the end unless evidence is in it.

        Yields the descriptor of its directory.
        """
        directory = self.directory(name)
        with ExitStack() as stack:
            with storage_errors_explained(directory), self._root.sessions_locked() as staging:
                os.mkdir(name, dir_fd=staging)
                descriptor = self._root.open_session(name, staging)
                stack.callback(os.close, descriptor)
                stack.callback(os.close, take_lock(directory / _LOCK, descriptor))
                sync_directory(staging)
                self._root.pin()
            stack.callback(self._end, name, descriptor)
            yield descriptor

    def _end(self, name: str, descriptor: int) -> None:
        """Remove the directory of a session, or leave it to the next start for its evidence."""
        with (
            storage_errors_explained(self.directory(name)),
            self._root.sessions_locked() as staging,
        ):
            if not journal.journals_in(descriptor):
                _remove(name, staging)
        self._root.unpin()

    def take_over_dead(self) -> dict[str, bool]:
        """Lock every session whose process is dead; return all, and whether each still lives.

        A dead one stays locked until `remove`: other processes take it for alive meanwhile, so
        that no two recover it at once.
        """
        with storage_errors_explained(self._root.staging), self._root.sessions_locked() as staging:
            return {name: not self._take_over(name, staging) for name in _directories_in(staging)}

    def abandoned(self) -> list[Path]:
        """Return the directories of sessions whose processes are dead, and leave them alone.

        None where this user may not look.
        """
        found = []
        with suppress(OSError, StorageError), self._root.sessions_locked() as staging:
            for name in _directories_in(staging):
                with (
                    suppress(OSError),
                    closing_descriptor(self._root.open_session(name, staging)) as directory,
                ):
                    os.close(take_lock(self.directory(name) / _LOCK, directory))
                    found.append(self.directory(name))
        return found

    def _take_over(self, name: str, staging: int) -> bool:
        """Lock the directory of a dead session; False if its process lives."""
        if name not in self._taken_over:
            with closing_descriptor(self._root.open_session(name, staging)) as directory:
                try:
                    self._taken_over[name] = take_lock(self.directory(name) / _LOCK, directory)
                except BlockingIOError:
                    return False
        return True

    def journalled(self, name: str) -> list[Evidence]:
        """Return what a session wrote down, whether or not it happened."""
        path, found = self.directory(name), list[Evidence]()
        with storage_errors_explained(path), suppress(FileNotFoundError), ExitStack() as stack:
            own = stack.enter_context(closing_descriptor(self._root.open_own()))
            staging = stack.enter_context(closing_descriptor(self._root.open_staging(own)))
            directory = stack.enter_context(
                closing_descriptor(self._root.open_session(name, staging))
            )
            for file in journal.journals_in(directory):
                found += journal.read(path / file, directory)
        return found

    def remove(self, name: str) -> None:
        """Remove what a dead session left, once its evidence was read."""
        with (
            storage_errors_explained(self.directory(name)),
            self._root.sessions_locked() as staging,
        ):
            if name in _directories_in(staging) and self._take_over(name, staging):
                _remove(name, staging)
            if name in self._taken_over:
                os.close(self._taken_over.pop(name))


def _directories_in(descriptor: int) -> list[str]:
    """Return the names of the directories in a directory, links left out."""
    with os.scandir(descriptor) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _remove(session: str, staging: int) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(session, dir_fd=staging)
