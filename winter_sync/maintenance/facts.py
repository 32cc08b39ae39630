"""Facts of images and alerts, after publication: what is due is read, and recorded in batches.

Files are read by a process of their own, which ends when there is nothing to do. Whatever ends
this loses nothing: what was not recorded is still due.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from winter_sync.catalog import Alerts, CatalogThread, Facts
from winter_sync.core import (
    FAILED_FACTS,
    AlertFile,
    FactsPaused,
    FactsRead,
    FactsUpToDate,
    FileFormat,
    StorageError,
    TreeFiles,
    run_in_thread,
)
from winter_sync.maintenance.facts_process import HeaderProcess, HeadersNotReadError
from winter_sync.sync import stat_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from winter_sync.catalog import Held
    from winter_sync.core import Facts as ImageFacts
    from winter_sync.core import Sink, Time
    from winter_sync.maintenance.facts_messages import Read
    from winter_sync.sync import Mirror

_AT_ONCE = 50
"""Products read and recorded together: half a second of work."""
_AFTER_SOME = timedelta(minutes=1)
_AFTER_NONE = timedelta(minutes=10)
"""What stays due, because the files are not there, is looked at more rarely."""
_LOOK_AT_DOWNLOADS_EVERY = timedelta(seconds=2)
_REST = 49.0
"""While anything is downloaded, the rest after each batch, in units of the time that it took: so
at most 2 % of the time goes into facts then."""


class FactsCatchUp:
    """Takes the facts of what was downloaded and has none. An async context manager.

    Parameters
    ----------
    catalog, root
        The database, and the top of the tree.
    emit
        Receives events.
    time
        Clocks, and how to wait.
    follow_links
        Whether directories of the tree may be links.
    is_busy
        Returns whether something is being downloaded.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        catalog: CatalogThread,
        root: Path,
        emit: Sink,
        time: Time,
        follow_links: bool = False,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._catalog = catalog
        self._root = root
        self._emit = emit
        self._time = time
        self._follow_links = follow_links
        self._is_busy = is_busy
        self._process = HeaderProcess(root, follow_links=follow_links)
        self._threads = ThreadPoolExecutor(1, "facts")
        self._failures = 0

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the process."""
        self._process.stop()
        await run_in_thread(self._threads, self._process.close)
        self._threads.shutdown()

    async def run(self) -> None:
        """Take facts until cancelled, after a failure again later.

        A daemon that starts has its downloads to begin, and a minute for that.
        """
        await self._time.sleep(_AFTER_SOME.total_seconds())
        while True:
            try:
                found = await self.catch_up()
            except (StorageError, HeadersNotReadError) as failed:
                self._failures += 1
                await self._pause(failed)
            else:
                self._failures = 0
                wait = _AFTER_NONE if found.left and not found.files else _AFTER_SOME
                await self._time.sleep(wait.total_seconds())

    async def _pause(self, failed: StorageError | HeadersNotReadError) -> None:
        wait = FAILED_FACTS.delay(self._failures).total_seconds()
        self._emit(FactsPaused(failed.message, failed.remedy, wait))
        await self._time.sleep(wait)

    async def catch_up(self) -> FactsUpToDate:
        """Take the facts of all that is due; return how many, and how many stay due.

        Files that are not there, or not as they were downloaded, stay due: they are for the checks
        of files.

        Raises
        ------
        StorageError
            If the catalog cannot be used.
        HeadersNotReadError
            If the process that reads headers cannot be started.
        """
        try:
            found = await self._catch_up()
        finally:
            await self._end_process()
        if found.files:
            self._emit(found)
        return found

    async def _catch_up(self) -> FactsUpToDate:
        began = self._time.monotonic()
        due = await self._catalog.facts(Facts.due, _AT_ONCE)
        if not due:
            return FactsUpToDate(0, 0, 0.0)
        total = await self._catalog.facts(Facts.count_due)
        done = seen = 0
        while due:
            batch_began = self._time.monotonic()
            read = await self._take(due)
            done, seen = done + len(read), seen + len(due)
            odd = tuple(held.path for held, facts in read if facts.note is not None)
            self._emit(FactsRead(len(read), odd, max(0, total - seen)))
            await self._rest(self._time.monotonic() - batch_began)
            due = await self._catalog.facts(Facts.due, _AT_ONCE, due[-1].product)
        return FactsUpToDate(done, seen - done, self._time.monotonic() - began)

    async def _take(self, due: Sequence[Held]) -> Sequence[tuple[Held, ImageFacts]]:
        """Read and record facts and alerts; return the facts.

        The alerts of one file are recorded before the next is read: they may be many.
        """
        intact = await run_in_thread(self._threads, self._intact, due)
        images = await self._read([held for held in intact if not _has_alerts(held)])
        recorded = [(held, read.facts) for held, read in images]
        await self._catalog.facts(Facts.record, recorded)
        for held in filter(_has_alerts, intact):
            for _, read in await self._read([held]):
                file = AlertFile(read.alerts, read.facts)
                await self._catalog.alerts(Alerts.record, [(held, file)])
                recorded.append((held, read.facts))
        return recorded

    async def _read(self, files: Sequence[Held]) -> list[tuple[Held, Read]]:
        """Read files by the process; end it when cancelled."""
        reading = asyncio.ensure_future(run_in_thread(self._threads, self._process.read_all, files))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            self._process.stop()
            with suppress(HeadersNotReadError):
                await reading
            raise

    def _intact(self, due: Sequence[Held]) -> list[Held]:
        """Return the files that are as they were downloaded, as far as `lstat` shows."""
        with TreeFiles(self._root, follow_links=self._follow_links) as files:
            seen = [stat_file(files, held) for held in due]
        return [
            finding.check.held
            for finding in seen
            if finding.check.damage is None and finding.unreadable is None
        ]

    async def _rest(self, took: float) -> None:
        """Leave the machine to the downloads, if there are any."""
        if not self._is_busy():
            return
        await self._end_process()
        until = self._time.monotonic() + took * _REST
        while self._is_busy() and self._time.monotonic() < until:
            await self._time.sleep(_LOOK_AT_DOWNLOADS_EVERY.total_seconds())

    async def _end_process(self) -> None:
        await run_in_thread(self._threads, self._process.close)


def _has_alerts(held: Held) -> bool:
    return held.product.image_type.traits.file_format is FileFormat.AVRO


async def take_facts(facts: FactsCatchUp, emit: Sink) -> None:
    """Take facts once; a failure is reported, and they stay due."""
    try:
        await facts.catch_up()
    except (StorageError, HeadersNotReadError) as failed:
        emit(FactsPaused(failed.message, failed.remedy, None))


async def record_facts(mirror: Mirror, time: Time) -> None:
    """Record what the headers say of all images that were downloaded, now or earlier."""
    tree = mirror.session.tree
    async with FactsCatchUp(
        catalog=mirror.catalog,
        root=tree.root,
        follow_links=tree.follow_links,
        emit=mirror.emit,
        time=time,
    ) as facts:
        await take_facts(facts, mirror.emit)
