"""The delivery to one sink: what waits, in order, under a lock, and how failures are recorded."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winter_sync.catalog import EventSinks, Outbox, SinkProgress
from winter_sync.core import (
    FAILED_DELIVERY,
    DeliveryFailed,
    DeliveryRecovered,
    StorageError,
    take_lock,
)
from winter_sync.delivery.batches import WINDOW, Window, complete_in, ready_batches
from winter_sync.delivery.command import run_command
from winter_sync.delivery.errors import NotDeliveredError
from winter_sync.delivery.sinks import Command
from winter_sync.delivery.webhook import post_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    from winter_sync.catalog import CatalogThread
    from winter_sync.core import OutboxEvent, Sink, Time
    from winter_sync.delivery.sinks import EventSink


class SinkDelivery:
    """Delivers to one sink.

    Parameters
    ----------
    sink
        The sink.
    catalog
        Holds the events, and how far the sink has got.
    root
        The root of the mirror, where a command runs.
    lock
        A file whose lock is held while something is delivered.
    emit
        Receives failures and recoveries.
    time
        Clocks, how to wait, and chance.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        sink: EventSink,
        *,
        catalog: CatalogThread,
        root: Path,
        lock: Path,
        emit: Sink,
        time: Time,
    ) -> None:
        self._sink = sink
        self._catalog = catalog
        self._root = root
        self._lock = lock
        self._emit = emit
        self._time = time
        self.waits: timedelta | None = None
        """In how long the next batch is complete, of those that were not yet; None without any."""

    @property
    def name(self) -> str:
        """The name of the sink."""
        return self._sink.name

    async def deliver(
        self, is_over: Callable[[], bool], *, final: bool = False
    ) -> timedelta | None:
        """Deliver what waits; return how long to wait after a failure, None if there was none.

        Parameters
        ----------
        is_over
            Returns whether no further call may begin.
        final
            Whether to deliver incomplete batches, too.

        Raises
        ------
        BlockingIOError
            If another process delivers to this sink at the moment.
        StorageError
            If the catalog cannot be read or written.
        """
        is_more, self.waits = True, None
        while is_more and not is_over():
            progress = await self._progress()
            events = await self._catalog.outbox(Outbox.since, progress.cursor, WINDOW)
            if not events:
                return None
            try:
                with _locked(self._lock):
                    is_more = await self._deliver_window(is_over, final=final)
            except NotDeliveredError as failed:
                return await self._record_failure(failed)
        return None

    async def _deliver_window(self, is_over: Callable[[], bool], *, final: bool) -> bool:
        """Deliver what is ready of the next events; return whether there may be more.

        The cursor is read again: until the lock was held another process may have moved it.

        Raises
        ------
        NotDeliveredError
            If the sink does not take something.
        """
        progress = await self._progress()
        events = await self._catalog.outbox(Outbox.since, progress.cursor, WINDOW)
        window = Window(progress.cursor, events, self._sink.wanted, progress.ahead)
        for batch in ready_batches(self._sink, window, self._time.clock(), final=final):
            if is_over():
                return False
            await self._send(batch)
            window = window.with_delivered(batch)
            await self._advance(window, delivered=True)
            if progress.failing_since is not None:
                down = self._time.clock() - progress.failing_since
                self._emit(DeliveryRecovered(self.name, down.total_seconds()))
                progress = await self._progress()
        if window.reached[0] > progress.cursor:
            await self._advance(window, delivered=False)
        self.waits = complete_in(self._sink, window, self._time.clock())
        return window.is_full

    async def _send(self, batch: Sequence[OutboxEvent]) -> None:
        to, limit = self._sink.to, self._sink.timeout
        if isinstance(to, Command):
            await run_command(to, batch, limit=limit, root=self._root, sleep=self._time.sleep)
        else:
            await post_events(to, batch, limit=limit, now=self._time.clock())

    async def _progress(self) -> SinkProgress:
        """Return how far the sink has got; one that was forgotten begins anew."""
        progress = await self._catalog.sinks(EventSinks.progress, self.name)
        if progress is None:
            await self._catalog.sinks(EventSinks.register, [self.name])
            progress = await self._catalog.sinks(EventSinks.progress, self.name)
        return progress or SinkProgress(self.name, 0)

    async def _advance(self, window: Window, *, delivered: bool) -> None:
        cursor, ahead = window.reached
        await self._catalog.sinks(EventSinks.advance, self.name, cursor, ahead, delivered=delivered)

    async def _record_failure(self, failed: NotDeliveredError) -> timedelta:
        await self._catalog.sinks(EventSinks.record_failure, self.name, failed.reason)
        failures = (await self._progress()).failures
        wait = FAILED_DELIVERY.delay(failures, self._time.random())
        self._emit(DeliveryFailed(self.name, failed.reason, wait.total_seconds()))
        return wait


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file; without one, nothing is delivered.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    NotDeliveredError
        If it cannot be taken at all.
    """
    try:
        descriptor = take_lock(path)
    except BlockingIOError:
        raise
    except (OSError, StorageError) as failed:
        reason = failed.message if isinstance(failed, StorageError) else failed.strerror
        raise NotDeliveredError(f"its lock {path} cannot be taken: {reason}") from None
    try:
        yield
    finally:
        os.close(descriptor)
