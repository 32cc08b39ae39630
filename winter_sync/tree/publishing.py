"""Publishing: a checked part is journalled, renamed to its final name and made durable."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.core import (
    NO_HARD_LINKS,
    closing_descriptor,
    storage_errors_explained,
    sync_directory,
)
from winter_sync.tree import journal
from winter_sync.tree.directories import mode_of
from winter_sync.tree.staging import Part

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.core import Evidence
    from winter_sync.tree.tree import Tree


class Session:
    """What one process stages and publishes; made by `Tree.session`.

    Parameters
    ----------
    tree
        The tree.
    directory
        Its own directory.
    descriptor
        The descriptor of that.
    """

    def __init__(self, tree: Tree, directory: Path, descriptor: int) -> None:
        self.tree = tree
        self.name = directory.name
        self._directory = directory
        self._descriptor = descriptor
        self._numbers = count(1)

    def stage(self) -> Part:
        """Open an empty part."""
        path = self._directory / f"{next(self._numbers)}.part"
        with storage_errors_explained(path):
            return Part(path, self._descriptor)

    def stage_link(self, source: Path) -> Part | None:
        """Open a part that is a second name of a file; None where the file system has none for it.

        The file is a regular one, no link, and keeps its own name.

        Raises
        ------
        KindError
            If it is anything else by now.
        StorageError
            If it cannot be linked.
        """
        path = self._directory / f"{next(self._numbers)}.part"
        with storage_errors_explained(path):
            try:
                os.link(source, path.name, dst_dir_fd=self._descriptor, follow_symlinks=False)
            except OSError as refused:
                if refused.errno in NO_HARD_LINKS:
                    return None
                raise
        try:
            return Part(path, self._descriptor, linked=True)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=self._descriptor)
            raise

    def publish(self, part: Part, evidence: Evidence, *, batch: str, keep: bool) -> Evidence:
        """Put a part into the tree under its final name, durably.

        Parameters
        ----------
        part
            A part that was checked.
        evidence
            What it is and where it goes; journalled before the rename.
        batch
            The batch under whose name it is journalled, until `forget_journal`.
        keep
            Whether a file that is there already is kept as an older revision. One that the
            catalog does not know of is a person's: always keep it.

        Returns
        -------
        Evidence
            With `kept` and `mtime_ns` filled in.
        """
        target = self.tree.directories.place(evidence.path)
        parent = PurePosixPath(evidence.path).parent
        with (
            storage_errors_explained(target),
            closing_descriptor(self.tree.directories.make(parent)) as directory,
        ):
            self.tree.share_with_group(part, directory, target.parent)
            part.sync()
            if keep and mode_of(target.name, directory):
                kept = self.tree.revisions.keep(evidence.path, directory, self.stage)
                evidence = replace(evidence, kept=kept)
            journal.append(evidence, self._journal(batch), self._descriptor)
            part.rename(target.name, directory)
            sync_directory(directory)
            # Looked up under the final name: a file system may round times when it writes them.
            return replace(evidence, mtime_ns=mtime_ns(target.name, directory))

    def recover_evidence(self, batch: str) -> list[Evidence]:
        """Return what a batch has put into the tree so far, made durable."""
        path = self._journal(batch)
        with storage_errors_explained(path):
            journalled = journal.read(path, self._descriptor)
        return self.tree.make_durable(journalled)

    def forget_journal(self, batch: str) -> None:
        """Remove the journal of a batch; call it once the catalog holds all its publications."""
        with storage_errors_explained(self._directory), suppress(FileNotFoundError):
            os.unlink(self._journal(batch).name, dir_fd=self._descriptor)

    def _journal(self, batch: str) -> Path:
        return journal.journal_of(self._directory, batch)


def mtime_ns(name: str, directory: int) -> int | None:
    """Return the modification time of a file, nanoseconds since 1970; None if it is gone again."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns
    except OSError:
        return None
