"""A mirror as a whole: its parts, and the runs that end.

Polls turn into wanted products, and wanted products into files of the tree, both at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winter_sync.catalog import CatalogThread, Scope
from winter_sync.sync.listing_recorder import EVERYTHING
from winter_sync.sync.recovery import recover
from winter_sync.sync.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from datetime import timedelta

    from winter_sync.archive import ArchiveClient
    from winter_sync.core import Part, Selection, Sink
    from winter_sync.sync.downloader import Downloader
    from winter_sync.sync.poller import Poller
    from winter_sync.sync.quick_check import QuickCheck
    from winter_sync.sync.report import Report
    from winter_sync.sync.retention import Retention
    from winter_sync.sync.windows import Nights
    from winter_sync.sync.withdrawn_files import FilesOfWithdrawn
    from winter_sync.tree import Session


@dataclass(frozen=True, slots=True)
class Mirror:
    """One mirror and its parts; made by the factory."""

    api: ArchiveClient
    catalog: CatalogThread
    session: Session
    poller: Poller
    downloader: Downloader
    quick_check: QuickCheck
    """Checks the files of the nights that are polled."""
    retention: Retention
    """Removes older revisions that exceed the limits."""
    threads: Executor
    selections: Sequence[Selection]
    """What is mirrored."""
    connections: int
    """How many downloads run at once."""
    emit: Sink
    """Receives every event, always on the event loop."""
    files: FilesOfWithdrawn | None = None
    """Sets the files of withdrawn products aside."""

    @property
    def scope(self) -> Scope:
        """What the selections cover: what was listed for others is left alone."""
        return Scope(
            programs=tuple(selection.program for selection in self.selections),
            subjects=tuple(
                subject for selection in self.selections for subject in selection.subjects
            ),
        )

    async def sync(self) -> Report:
        """Poll everything once and download all that may be downloaded now."""
        return await Run(self, self.scope).sync()

    async def backfill(
        self, nights: Nights, *, recheck: timedelta | None = None, part: Part = EVERYTHING
    ) -> Report:
        """Poll the given nights, or a part of them, and download what they have.

        With a part the selections have to be those that it narrows. With `recheck` what is here,
        and the archive did not send within that time, is fetched again and compared.
        """
        scope = replace(self.scope, first_night=nights.first, last_night=nights.last)
        return await Run(self, scope, nights, by_hand=True, recheck=recheck, part=part).sync()

    async def fetch(self, scope: Scope) -> Report:
        """Download what a scope wants, without asking what the archive lists."""
        return await Run(self, scope, by_hand=True).download()

    async def list_all(self) -> Report:
        """Record all that the archive lists of what is mirrored, and download nothing."""
        return await Run(self, self.scope, sweep=True).poll()

    async def recover(self) -> None:
        """Adopt what killed processes published, and free the rest of what they had on lease.

        What they began with the files of withdrawn products is finished.
        """
        await recover(self.catalog, self.session.tree, self.threads, self.emit)
        await self.settle_files()

    async def settle_files(self) -> None:
        """Set the files of withdrawn products aside that are not being downloaded."""
        if self.files is not None:
            await self.files.settle()
