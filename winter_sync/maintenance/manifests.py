"""Manifests of settled nights: written when a night settles, and whenever it changes later.

A manifest is durable before the event of it is recorded. Whatever ends this loses nothing: the
catalog counts the changes that no manifest shows yet, and knows which manifests were begun.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from winter_sync.catalog import NightOf, Nights, Settling
from winter_sync.core import (
    FAILED_MANIFESTS,
    ManifestsPaused,
    ManifestWritten,
    StorageError,
    run_in_thread,
)
from winter_sync.tree import MANIFESTS, ManifestFiles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from winter_sync.catalog import CatalogThread, NightFile, NightRecord
    from winter_sync.core import EventValue, Night, Selection, Sink, Subject, Time

_EVERY = timedelta(minutes=5)


class Manifests:
    """Finds out which nights are settled, and writes their manifests. An async context manager.

    Parameters
    ----------
    catalog
        The database.
    state
        The directory of the manifests' directory.
    selections
        All that is mirrored: a night is settled only when all of its program was listed.
    settle_after
        How long nothing may have changed.
    emit
        Receives events.
    time
        Clocks, and how to wait.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        catalog: CatalogThread,
        state: Path,
        selections: Sequence[Selection],
        settle_after: timedelta,
        emit: Sink,
        time: Time,
    ) -> None:
        self._catalog = catalog
        self._files = ManifestFiles(state)
        self._selections = selections
        self._settle_after = settle_after
        self._emit = emit
        self._time = time
        self._threads = ThreadPoolExecutor(1, "manifests")
        self._checked = False
        self._failures = 0

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the thread."""
        self._threads.shutdown()

    async def run(self) -> None:
        """Keep the manifests up to date until cancelled; after a failure try again later."""
        while True:
            await self._time.sleep(_EVERY.total_seconds())
            try:
                await self.update()
            except StorageError as failed:
                self._failures += 1
                wait = FAILED_MANIFESTS.delay(self._failures).total_seconds()
                self._emit(ManifestsPaused(failed.message, failed.remedy, wait))
                await self._time.sleep(wait)
            else:
                self._failures = 0

    async def update_once(self) -> None:
        """Bring the manifests up to date; a failure is reported, and the next run tries again."""
        try:
            await self.update()
        except StorageError as failed:
            self._emit(ManifestsPaused(failed.message, failed.remedy, None))

    async def update(self) -> None:
        """Bring the manifests up to date, of nights in which anything changed or that were listed.

        While another process does so, it is left to that one.

        Raises
        ------
        StorageError
            If the catalog or the disk fails.
        """
        newest, due = await self._catalog.settling(Settling.due, self._settle_after)
        if not due and self._checked:
            await self._catalog.settling(Settling.consider_polls, newest)
            return
        if not await run_in_thread(self._threads, self._files.acquire):
            return
        try:
            await self._restore_removed()
            for which in due:
                await self._update(which)
            await self._catalog.settling(Settling.consider_polls, newest)
        finally:
            self._files.release()

    async def _restore_removed(self) -> None:
        """Write again, once, what somebody removed."""
        if self._checked:
            return
        for which in await self._catalog.nights(Nights.with_manifest):
            name = _table_name(which.night)
            if not await run_in_thread(self._threads, self._files.has, which.program, name):
                record = await self._catalog.nights(Nights.record_of, which, self._subjects(which))
                await self._write(record, record.settled_at)
        self._checked = True

    async def _update(self, which: NightOf) -> None:
        record = await self._catalog.nights(Nights.record_of, which, self._subjects(which))
        now = self._time.clock()
        is_settled = record.history.is_settled(self._settle_after, now)
        if record.was_settled:
            is_shown = record.shown == record.changes
            if not is_shown or (is_settled and record.settled_at is None):
                await self._write(record, now if is_settled else None)
        elif is_settled:
            await self._catalog.settling(Settling.expect_manifest, which)
            await self._write(record, now)
        elif record.is_expected:
            await self._remove(which)

    async def _write(self, record: NightRecord, settled_at: datetime | None) -> None:
        """Write a manifest, then record it and the event."""
        files = await self._catalog.nights(Nights.files, record.which)
        content = await run_in_thread(self._threads, self._put, record, files, settled_at)
        is_news = content != record.content or (settled_at and not record.recorded_as_settled)
        event = _event(record, files, settled_at) if is_news else None
        is_recorded = await self._catalog.settling(
            Settling.record_manifest, record, settled_at=settled_at, content=content, event=event
        )
        if is_recorded and event is not None:
            which, numbers = record.which, record.history.numbers
            self._emit(
                ManifestWritten(
                    program=which.program,
                    night=which.night,
                    settled=settled_at is not None,
                    again=record.was_settled,
                    downloaded=numbers.here,
                    listed=numbers.listed,
                    missing=numbers.missing,
                )
            )

    def _put(
        self, record: NightRecord, files: Sequence[NightFile], settled_at: datetime | None
    ) -> str:
        from winter_sync.maintenance.manifest_text import (  # noqa: PLC0415 - mostly none is written
            checksums,
            content_digest,
            manifest_table,
        )

        night = record.which.night
        self._files.write(
            record.which.program,
            {
                _sums_name(night): checksums(files),
                _table_name(night): manifest_table(record, files, settled_at),
            },
        )
        return content_digest(files)

    async def _remove(self, which: NightOf) -> None:
        """Remove what a crash left of the manifest of a night that is not settled after all."""
        names = (_sums_name(which.night), _table_name(which.night))
        nothing = dict.fromkeys(names)
        await run_in_thread(self._threads, self._files.write, which.program, nothing)
        await self._catalog.settling(Settling.forget_manifest, which)

    def _subjects(self, which: NightOf) -> list[Subject]:
        return [
            subject
            for selection in self._selections
            if selection.program == which.program
            for subject in selection.subjects
        ]


def _table_name(night: Night) -> str:
    return f"{night}.ecsv"


def _sums_name(night: Night) -> str:
    return f"{night}.SHA256SUMS"


def _event(
    record: NightRecord, files: Sequence[NightFile], settled_at: datetime | None
) -> dict[str, EventValue]:
    """Return the fields of the event of a manifest; its paths are relative to the state."""
    numbers, which = record.history.numbers, record.which
    directory = f"{MANIFESTS}/{which.program}"
    has_sums = any(file.is_here for file in files)
    return {
        "manifest": f"{directory}/{_table_name(which.night)}",
        "sums": f"{directory}/{_sums_name(which.night)}" if has_sums else None,
        "settled": settled_at is not None,
        "listed": numbers.listed,
        "downloaded": numbers.here,
        "pending": numbers.pending,
        "missing": numbers.missing,
        "not_kept": numbers.not_kept,
        "damaged": numbers.damaged,
        "size": numbers.size,
    }
