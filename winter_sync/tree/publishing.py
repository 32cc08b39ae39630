"""Publishing: a checked part is journalled, renamed to its final name and made durable."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from winter_sync.core import NO_HARD_LINKS, StorageError, storage_errors_explained
from winter_sync.tree import journal
from winter_sync.tree.directories import mode_of
from winter_sync.tree.staging import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from winter_sync.core import Evidence
    from winter_sync.tree.directories import OpenDirectories
    from winter_sync.tree.tree import Tree

    _Placed = tuple[Evidence, Part, int, str]
    """What is journalled, the part, the descriptor of its directory to be, and its name there."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Publication:
    """A part that was checked, and what it is and where it goes.

    `keep` says whether a file that is there already is kept as an older revision. One that the
    catalog does not know of is a person's: always keep it.
    """

    part: Part
    evidence: Evidence
    keep: bool


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
        path = f"{self._directory}/{next(self._numbers)}.part"
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
        """Put one part into the tree; see `publish_all`."""
        (published,) = self.publish_all([Publication(part, evidence, keep)], batch=batch)
        return published

    def publish_all(
        self, publications: Sequence[Publication], *, batch: str
    ) -> tuple[Evidence, ...]:
        """Put parts into the tree under their final names, durably.

        They share what makes them durable: all contents are synced, then one record of all, then
        each gets its name, and at last each directory is synced once. Where one fails, those before
        it are published and the error is raised: `recover_evidence` returns them.

        Parameters
        ----------
        publications
            Parts that were checked, of different paths.
        batch
            The batch under whose name they are journalled, until `forget_journal`.

        Returns
        -------
        tuple of Evidence
            In their order, with `kept` and `mtime_ns` filled in.
        """
        failures = list[StorageError]()
        with self.tree.directories.opened() as directories:
            begun = _until_one_fails(
                (self._begin(each, directories, len(publications)) for each in publications),
                failures,
            )
            whole = _until_one_fails((self._finish(*each) for each in begun), failures)
            if whole:
                records = [record for record, *_ in whole]
                journal.append(records, self._journal(batch), self._descriptor)
            for record, part, directory, name in whole:
                with storage_errors_explained(f"{self.tree.root}/{record.path}"):
                    part.rename(name, directory)
            directories.sync()
            if failures:
                raise failures[0]
            # Looked up under the final name: a file system may round times when it writes them.
            return tuple(
                replace(record, mtime_ns=mtime_ns(name, directory))
                for record, _, directory, name in whole
            )

    def _begin(
        self, each: Publication, directories: OpenDirectories, count: int
    ) -> tuple[Publication, int, str]:
        """Begin to write the content of one of several parts to the disk; return where it goes."""
        directory, name = directories.of(each.evidence.path)
        with storage_errors_explained(f"{self.tree.root}/{each.evidence.path}"):
            self.tree.share_with_group(each.part, directory, each.evidence.path)
            if count > 1:
                each.part.begin_writing()
        return each, directory, name

    def _finish(self, each: Publication, directory: int, name: str) -> _Placed:
        """Make the content of a part durable, and keep a file that has its name already."""
        each.part.sync()
        if not each.keep:
            return each.evidence, each.part, directory, name
        with storage_errors_explained(f"{self.tree.root}/{each.evidence.path}"):
            if not mode_of(name, directory):
                return each.evidence, each.part, directory, name
            kept = self.tree.revisions.keep(each.evidence.path, directory, self.stage)
        return replace(each.evidence, kept=kept), each.part, directory, name

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


def _until_one_fails(steps: Iterator[T], failures: list[StorageError]) -> list[T]:
    """Return what was done until one failed, whose error is added: those before it can go on."""
    done = list[T]()
    try:
        done.extend(steps)
    except StorageError as failed:
        failures.append(failed)
    return done


def mtime_ns(name: str, directory: int) -> int | None:
    """Return the modification time of a file, nanoseconds since 1970; None if it is gone again."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns
    except OSError:
        return None
