"""The mirror on disk: parts are staged, synced and renamed, and a crash leaves nothing half done.

Parts are written below `<root>/.winter-sync/`, on the file system of the tree, so that publishing
is a rename: programs that watch a night directory see a file appear complete (winter-api.md,
"Conventions around it").
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.core import (
    DirectoriesNotSynced,
    Evidence,
    GroupNotGiven,
    TreeFiles,
    closing_descriptor,
    free_space,
    open_own_file,
    sha256_of_descriptor,
    share_with_group,
    storage_errors_explained,
    sync_directory,
)
from winter_sync.tree.directories import Directories
from winter_sync.tree.publishing import Session, mtime_ns
from winter_sync.tree.revisions import Revisions
from winter_sync.tree.root import Root
from winter_sync.tree.sessions import Sessions
from winter_sync.tree.space import Space
from winter_sync.tree.withdrawn import WithdrawnFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from winter_sync.core import Event
    from winter_sync.tree.staging import Part


class Tree:
    """The directory of a mirror.

    Thread-safe: downloads write and publish from several threads at once.

    Parameters
    ----------
    root
        The top of the tree.
    min_free
        Bytes that must stay free on its file system.
    free_space
        Returns how many bytes are free on the file system of a path.
    follow_links
        Whether directories of products may be symbolic links. Our own never are.

    Raises
    ------
    StorageError
        From every method, when the disk cannot do its part. The message names the path.
    """

    def __init__(
        self,
        root: Path,
        *,
        min_free: int = 0,
        free_space: Callable[[Path], int] = free_space,
        follow_links: bool = False,
    ) -> None:
        self._root = Root(root)
        self.root = root
        self.own_directory = self._root.own_directory
        self.follow_links = follow_links
        self.space = Space(root, self._root.staging, min_free=min_free, free_space=free_space)
        self.directories = Directories(self._root, follow_links=follow_links)
        self.revisions = Revisions(self.directories, self.space)
        self.withdrawn = WithdrawnFiles(self.directories)
        self.sessions = Sessions(self._root)
        self._events: deque[Event] = deque()
        self._groups_refused: set[int] = set()

    @property
    def name(self) -> str | None:
        """The name of the mirror that lives here, from its marker; None where there is none."""
        return self._root.mirror_name()

    def prepare(self, proposed: str) -> str:
        """Make the root ours, creating it if its parent exists; return the mirror's name.

        The marker later distinguishes an empty mirror from a file system that is not mounted.
        """
        name, is_durable = self._root.prepare(proposed)
        if not is_durable:
            self._events.append(DirectoriesNotSynced(str(self.root)))
        return name

    def refuse_other_writers(self) -> None:
        """Make sure that only we can change what is recorded below `.winter-sync`.

        Raises
        ------
        StorageError
            If it is a link, belongs to another user, or may be written by others.
        """
        self._root.refuse_other_writers()

    def take_events(self) -> Iterator[Event]:
        """Yield what was found out about the file system and not yet reported; each fault once."""
        while self._events:
            yield self._events.popleft()

    @contextmanager
    def session(self, name: str) -> Iterator[Session]:
        """Start a session of work; its directory vanishes at the end unless evidence is in it."""
        directory = self.sessions.directory(name)
        with (
            self.sessions.start(name) as descriptor,
            self.space.announced(directory, descriptor),
        ):
            yield Session(self, directory, descriptor)

    def recover_evidence(self, session: str) -> list[Evidence]:
        """Return the evidence of a dead session that still holds, made durable.

        A file is read once to make sure; there are at most as many as a few batches have.
        """
        return self.make_durable(self.sessions.journalled(session))

    def holds(self, evidence: Evidence) -> bool:
        """Return whether the tree has what the evidence says, byte for byte.

        It does not have what cannot be read.
        """
        with TreeFiles(self.root, follow_links=self.follow_links) as files:
            return _holds(files, evidence)

    def has_content(self, path: str, sha256: str) -> bool:
        """Return whether a regular file is there, no link, and has this digest."""
        with TreeFiles(self.root, follow_links=self.follow_links) as files:
            return _has_content(files, path, sha256)

    def make_durable(self, evidence: Iterable[Evidence]) -> list[Evidence]:
        """Return the evidence that holds, once the files that it is of are durable.

        Its `mtime_ns` is that of the file as it is now.
        """
        with TreeFiles(self.root, follow_links=self.follow_links) as files:
            held = [found for found in evidence if _holds(files, found)]
        return [self.make_file_durable(found) for found in held]

    def make_file_durable(self, evidence: Evidence) -> Evidence:
        """Make a file durable whose content was read just now; return as `make_durable` does."""
        path = self.directories.place(evidence.path)
        parent = PurePosixPath(evidence.path).parent
        with (
            storage_errors_explained(path),
            closing_descriptor(self.directories.make(parent)) as directory,
        ):
            with closing_descriptor(open_own_file(path, os.O_RDONLY, directory)) as file:
                os.fsync(file)
            sync_directory(directory)
            return replace(evidence, mtime_ns=mtime_ns(path.name, directory))

    def share_with_group(self, part: Part, directory: int, path: str) -> None:
        """Set the group of a part to that of its directory, if that one passes on its group.

        Staged elsewhere, it did not get that when it was made. Where that is refused it stays ours.
        `path` is its path of the catalog.
        """
        try:
            if share_with_group(part.descriptor, directory):
                part.mark_changed()
        except OSError:
            group = os.fstat(directory).st_gid
            if group not in self._groups_refused:
                self._groups_refused.add(group)
                self._events.append(GroupNotGiven(str((self.root / path).parent), group))


def _holds(files: TreeFiles, evidence: Evidence) -> bool:
    try:
        has_size = files.lstat(evidence.path).st_size == evidence.size
    except (OSError, ValueError):
        return False
    return has_size and _has_content(files, evidence.path, evidence.sha256)


def _has_content(files: TreeFiles, path: str, sha256: str) -> bool:
    try:
        with closing_descriptor(files.open(path)) as file:
            return sha256_of_descriptor(file) == sha256
    except (OSError, ValueError):
        return False
