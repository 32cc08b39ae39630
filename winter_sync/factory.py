"""Where the parts are put together: the only module that builds and closes them."""

from __future__ import annotations

import asyncio
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.archive import ArchiveClient, Timeouts
from winter_sync.catalog import (
    Catalog,
    CatalogThread,
    Checks,
    EventSinks,
    Files,
    Scope,
    may_write,
)
from winter_sync.config import read_credentials
from winter_sync.core import (
    CATALOG,
    REAL_TIME,
    Damage,
    Time,
    UsageError,
    WinterSyncError,
    WithdrawalRule,
    fan_out,
    has_name,
    storage_errors_explained,
    utc_now,
)
from winter_sync.delivery import (
    Batching,
    Command,
    Deliverer,
    EventSink,
    StateRecorder,
    Webhook,
)
from winter_sync.sync import (
    CheckedMirror,
    Downloader,
    Fetcher,
    FilesOfWithdrawn,
    KeepLimits,
    ListingRecorder,
    Mirror,
    Poller,
    QuickCheck,
    RefetchLimits,
    Retention,
    stat_files,
)
from winter_sync.tree import (
    MANIFESTS,
    KnownRoots,
    RecordedSums,
    Tree,
    known_roots_path,
    lost_mirror,
    refuse_other_root,
    refuse_other_writers,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from concurrent.futures import Executor
    from datetime import datetime
    from pathlib import Path

    from winter_sync.config import Settings, SinkSettings
    from winter_sync.core import Credentials, Selection, Sink, Subject
    from winter_sync.tree import Session

PATIENCE = 120.0
"""How many seconds a run that ends waits for a server that is not responding."""


@asynccontextmanager
async def open_api(
    settings: Settings,
    credentials: Credentials,
    emit: Sink = lambda _: None,
    *,
    patience: float = PATIENCE,
    time: Time = REAL_TIME,
) -> AsyncIterator[ArchiveClient]:
    """Open a client of the archive that the settings name."""
    api = settings.api
    async with ArchiveClient(
        settings.base_url,
        credentials,
        proxy=settings.proxy,
        interval=api.request_interval.total_seconds(),
        connections=api.connections,
        timeouts=Timeouts(
            query=api.query_timeout.total_seconds(),
            first_byte=api.first_byte_timeout.total_seconds(),
            silence=api.silence_timeout.total_seconds(),
        ),
        time=time,
        patience=patience,
        emit=emit,
    ) as opened:
        yield opened


@asynccontextmanager
async def open_mirror(  # noqa: PLR0913 - all by name
    settings: Settings,
    emit: Sink,
    *,
    selections: Sequence[Selection] | None = None,
    credentials: Credentials | None = None,
    patience: float = PATIENCE,
    time: Time = REAL_TIME,
    new_root: bool = False,
    accept_withdrawals: bool = False,
) -> AsyncIterator[Mirror]:
    """Open the mirror that the settings describe, and close all of it at the end.

    Parameters
    ----------
    settings
        Checked settings.
    emit
        Receives events.
    selections
        What to mirror, if not everything that the settings name.
    credentials
        The secrets, where they were found before.
    patience
        How many seconds a request may be held while the server is not responding.
    time
        Clocks, how to wait, and chance.
    new_root
        Start afresh in a root that lost its mirror because somebody emptied it on purpose.
    accept_withdrawals
        Poll the whole span of everything, and believe all that is withdrawn, however much it is.

    Raises
    ------
    UsageError
        If a secret is missing or there is nothing to mirror.
    StorageError
        If the root or the catalog cannot be used, or they are not each other's.
    """
    secrets = credentials or read_credentials(settings)
    chosen = settings.selections if selections is None else tuple(selections)
    tree = Tree(
        settings.root,
        min_free=settings.mirror.min_free,
        follow_links=settings.mirror.follow_links,
    )
    recorder = StateRecorder()
    emit_all = fan_out(emit, recorder.handle)
    async with (
        _open_catalog(settings, tree, time.clock, new_root=new_root) as catalog,
        recorder.recording(catalog, settings.root, settings.mirror.min_free, emit_all),
        open_api(
            settings,
            secrets,
            emit_all,
            patience=patience,
            time=time,
        ) as api,
    ):
        with (
            tree.session(uuid.uuid4().hex) as session,
            ThreadPoolExecutor(settings.api.connections, "intake") as threads,
            ThreadPoolExecutor(1, "comparison") as listings,
        ):
            for noticed in tree.take_events():
                emit(noticed)
            checked = await checked_mirror(settings, catalog, time)
            await catalog.sinks(EventSinks.register, tuple(settings.sink_filters))
            parts = _Parts(
                *(settings, api, catalog, session, checked, threads, listings, emit_all),
                accept_withdrawals=accept_withdrawals,
            )
            yield parts.mirror(chosen, time)


def make_deliverer(
    settings: Settings, credentials: Credentials, mirror: Mirror, time: Time
) -> Deliverer:
    """Return what delivers the events of an open mirror to the sinks of the settings."""
    return Deliverer(
        [_event_sink(sink, credentials) for sink in settings.sinks],
        catalog=mirror.catalog,
        root=settings.root,
        locks=settings.state,
        keep=settings.events.keep,
        most=settings.events.most,
        emit=mirror.emit,
        time=time,
    )


def _event_sink(sink: SinkSettings, credentials: Credentials) -> EventSink:
    to: Command | Webhook
    if sink.url is not None:
        to = Webhook(sink.url.get_secret_value(), credentials.sinks.get(sink.name))
    else:
        to = Command(sink.command or ())
    return EventSink(
        sink.name,
        to,
        wanted=sink.wanted,
        batching=Batching(sink.batch),
        at_most=sink.at_most,
        quiet=sink.quiet,
        timeout=sink.timeout,
    )


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
class _Parts:
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
            fetcher=Fetcher(
                api=self.api,
                session=self.session,
                threads=self.threads,
                keep=self.settings.mirror.on_change == "keep",
                recorded=RecordedSums(self.settings.state / MANIFESTS).sha256,
                emit=self.emit,
            ),
            threads=self.threads,
            emit=self.emit,
            time=time,
            limits=self._refetch_limits(),
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


@asynccontextmanager
async def open_existing_catalog(
    settings: Settings, *, beside_writer: bool = False
) -> AsyncIterator[CatalogThread]:
    """Open the catalog of a mirror that has run before, for reading.

    Users without permission to write can read it, too. `beside_writer` says that it is open
    already: then reading writes nothing, and neither side waits for the other.

    Raises
    ------
    UsageError
        If there is none.
    StorageError
        If it cannot be read.
    """
    path = settings.state / CATALOG
    if not has_name(path):
        raise _nothing_yet(settings.root)
    reading = beside_writer or not may_write(path)
    async with CatalogThread(path, utc_now, reading=reading) as catalog:
        name = await catalog(Catalog.mirror_name)
        if name is not None:
            refuse_other_root(Tree(settings.root), name, path)
        yield catalog


def _nothing_yet(root: Path) -> WinterSyncError:
    """Distinguish a root that held a mirror from one in which none has begun."""
    if (
        KnownRoots(known_roots_path(os.environ)).mirror_in(root) is not None
        and Tree(root).name is None
    ):
        return lost_mirror(root)
    return UsageError(
        f"there is no mirror in {root} yet",
        remedy="Run `winter-sync sync` first, or check mirror.root and mirror.state.",
    )


@asynccontextmanager
async def _open_catalog(
    settings: Settings, tree: Tree, clock: Callable[[], datetime], *, new_root: bool
) -> AsyncIterator[CatalogThread]:
    path = settings.state / CATALOG
    roots = KnownRoots(known_roots_path(os.environ))
    refuse_other_writers(tree, settings.state)
    if has_name(path):
        async with CatalogThread(path, clock) as catalog:
            yield await _reopened(catalog, path, tree, roots, new_root=new_root)
        return
    name = _beginning(tree, roots, new_root=new_root)
    _make_state(settings.state)
    roots.remember(tree.root, name)
    async with CatalogThread(path, clock) as catalog:
        await catalog(Catalog.take_mirror_name, name)
        known = await catalog(Catalog.mirror_name)
        refuse_other_root(tree, known or name, path)
        yield catalog


async def _reopened(
    catalog: CatalogThread, path: Path, tree: Tree, roots: KnownRoots, *, new_root: bool
) -> CatalogThread:
    """Return an existing catalog, once it is certain that it belongs to the root."""
    known = await catalog(Catalog.mirror_name)
    if known is not None and new_root and tree.name is None:
        await _want_missing_files(catalog, tree)
    elif known is not None:
        refuse_other_root(tree, known, path)
    name = tree.prepare(known or uuid.uuid4().hex)
    await catalog(Catalog.take_mirror_name, name)
    roots.remember(tree.root, name)
    return catalog


async def _want_missing_files(catalog: CatalogThread, tree: Tree) -> None:
    """Want all products again whose files are not in a root that was emptied.

    Before the root gets its marker: whatever interrupts this, it is done again.
    """
    everything = Scope(programs=())
    for night in await catalog.files(Files.held_nights, everything):
        held = await catalog.files(Files.held, everything, night)
        findings = await asyncio.to_thread(
            stat_files, tree.root, held, follow_links=tree.follow_links
        )
        gone = [finding.check for finding in findings if finding.check.damage is Damage.MISSING]
        await catalog.checks(Checks.want_lost, gone)


def _beginning(tree: Tree, roots: KnownRoots, *, new_root: bool) -> str:
    """Return the name of a mirror that may begin here, unless one was here and is gone."""
    roots.forget_removed()
    if tree.name is None and roots.mirror_in(tree.root) is not None and not new_root:
        raise lost_mirror(tree.root)
    return tree.prepare(uuid.uuid4().hex)


def _make_state(directory: Path) -> None:
    with storage_errors_explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
