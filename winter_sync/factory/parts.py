"""The parts of a mirror, and how they are put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from winter_sync import sync
from winter_sync.catalog import (
    Catalog,
    CatalogThread,
)
from winter_sync.core import (
    CATALOG,
    Time,
    WithdrawalRule,
)
from winter_sync.sync import (
    CheckedMirror,
    ClientLimits,
    Downloader,
    FilesOfWithdrawn,
    KeepLimits,
    ListingRecorder,
    Mirror,
    Poller,
    QuickCheck,
    RefetchLimits,
    Retention,
    TransferRecord,
)
from winter_sync.tree import (
    MANIFESTS,
    RecordedSums,
    Tree,
    refuse_other_root,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from winter_sync.archive import ArchiveClient
    from winter_sync.config import Settings
    from winter_sync.core import Selection, Sink, Subject
    from winter_sync.sync import Fetcher
    from winter_sync.tree import Session


async def checked_mirror(settings: Settings, catalog: CatalogThread, time: Time) -> CheckedMirror:
    """Return what checks of the files of the settings' mirror need."""
    name = await catalog(Catalog.mirror_name) or ""
    tree = Tree(settings.root)
    return CheckedMirror(
        catalog=catalog,
        root=settings.root,
        check_root=partial(refuse_other_root, tree, name, settings.state / CATALOG),
        time=time,
        follow_links=settings.mirror.follow_links,
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """What is opened for a mirror."""

    settings: Settings
    api: ArchiveClient
    catalog: CatalogThread
    session: Session
    checked: CheckedMirror
    threads: Executor
    listings: Executor
    emit: Sink
    accept_withdrawals: bool = False

    def mirror(self, selections: Sequence[Selection], time: Time) -> Mirror:
        """Put the mirror together."""
        files = self._files_of_withdrawn()
        return Mirror(
            api=self.api,
            catalog=self.catalog,
            session=self.session,
            poller=self._poller(time, files),
            files=files,
            downloader=self._downloader(time),
            quick_check=self._quick_check(),
            retention=self._retention(time),
            threads=self.threads,
            selections=selections,
            connections=self.settings.api.connections,
            emit=self.emit,
        )

    def _files_of_withdrawn(self) -> FilesOfWithdrawn:
        return FilesOfWithdrawn(
            catalog=self.catalog,
            tree=self.session.tree,
            mirror=self.checked,
            threads=self.threads,
            on_withdrawn=self.settings.mirror.on_withdrawn,
            emit=self.emit,
        )

    def _poller(self, time: Time, files: FilesOfWithdrawn) -> Poller:
        recorder = ListingRecorder(
            api=self.api,
            catalog=self.catalog,
            threads=self.listings,
            layout=self.settings.layout,
            emit=self.emit,
            time=time,
            withdrawal_rule=WithdrawalRule(
                self.settings.mirror.max_withdrawn, accepted=self.accept_withdrawals
            ),
        )
        return Poller(
            api=self.api,
            catalog=self.catalog,
            recorder=recorder,
            poll_schedule=self.settings.poll_schedule,
            emit=self.emit,
            time=time,
            elsewhere=self._other_programs,
            always_sweep=self.accept_withdrawals,
            files=files,
        )

    def _other_programs(self, subject: Subject) -> tuple[Subject, ...]:
        """Return the whole of each other program of which the same type is mirrored."""
        return tuple(
            replace(subject, program=selection.program, region=None)
            for selection in self.settings.selections
            if selection.program != subject.program
            and subject.instrument in selection.instruments
            and subject.image_type in selection.image_types
        )

    def _quick_check(self) -> QuickCheck:
        return QuickCheck(
            self.checked,
            threads=self.threads,
            poll_schedule=self.settings.poll_schedule,
            emit=self.emit,
        )

    def _downloader(self, time: Time) -> Downloader:
        return Downloader(
            api=self.api,
            catalog=self.catalog,
            session=self.session,
            make_fetcher=self._fetcher,
            threads=self.threads,
            emit=self.emit,
            time=time,
            limits=self._refetch_limits(),
            client_limits=ClientLimits(
                interval=self.settings.api.request_interval.total_seconds(),
                first_byte=self.settings.api.first_byte_timeout.total_seconds(),
            ),
            record=TransferRecord(self.settings.state, self.settings.base_url),
        )

    def _fetcher(self) -> Fetcher:
        """Return what downloads; only now are the parts loaded that unpack and check files."""
        return sync.Fetcher(
            api=self.api,
            session=self.session,
            threads=self.threads,
            keep=self.settings.mirror.on_change == "keep",
            recorded=RecordedSums(self.settings.state / MANIFESTS).sha256,
            emit=self.emit,
        )

    def _retention(self, time: Time) -> Retention:
        mirror = self.settings.mirror
        return Retention(
            catalog=self.catalog,
            tree=self.session.tree,
            limits=KeepLimits(
                mirror.keep_revisions, mirror.keep_revisions_for, mirror.keep_revisions_space
            ),
            threads=self.threads,
            clock=time.clock,
            emit=self.emit,
        )

    def _refetch_limits(self) -> RefetchLimits:
        return RefetchLimits(
            marks=self.settings.mirror.refetch_per_day,
            spare=self.settings.daemon.recheck_per_day,
            at_once=max(1, self.settings.api.connections - 1),
        )
