"""Delivers events to all sinks: each for itself, in order, and again until it takes them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from winter_sync.catalog import EventSinks, Outbox
from winter_sync.core import DeliveryFailed, EventsLost, StorageError
from winter_sync.delivery.delivery import SinkDelivery

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from winter_sync.catalog import CatalogThread
    from winter_sync.core import Sink, Time
    from winter_sync.delivery.sinks import EventSink

_LOOK_EVERY = timedelta(seconds=5)
"""How soon events are noticed, whichever process records them."""
_LONGEST_PAUSE = timedelta(minutes=1)
_LATER = 0.01
"""Seconds; what is complete at a time is complete then, not before."""
_PRUNE_EVERY = timedelta(hours=1)
_AT_THE_END = timedelta(minutes=1)
"""How long a run that ends goes on beginning calls."""
_OTHER_PROCESS = 0.5
"""Seconds between two attempts while another process delivers to the same sink."""


class Deliverer:
    """Delivers the events of a mirror, and removes those that need not be kept.

    Parameters
    ----------
    sinks
        Where to.
    catalog
        Holds the events, and how far each sink has got.
    root
        The root of the mirror, where commands run.
    locks
        A directory for the locks: of several processes one at a time delivers to a sink.
    keep, most
        Events are kept for this long, and never more than this many.
    emit
        Receives failures and recoveries.
    time
        Clocks, how to wait, and chance.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        sinks: Sequence[EventSink],
        *,
        catalog: CatalogThread,
        root: Path,
        locks: Path,
        keep: timedelta,
        most: int,
        emit: Sink,
        time: Time,
    ) -> None:
        self._catalog = catalog
        self._keep, self._most = keep, most
        self._emit = emit
        self._time = time
        self._closed = asyncio.Event()
        self._added = asyncio.Condition()
        self._newest = 0
        """The number of the newest event that was noticed."""
        self._deliveries = [
            SinkDelivery(
                sink,
                catalog=catalog,
                root=root,
                lock=locks / f"sink-{sink.name}.lock",
                emit=emit,
                time=time,
            )
            for sink in sinks
        ]

    async def register(self) -> None:
        """Enter the sinks into the catalog: a new one gets the events from now on.

        Raises
        ------
        StorageError
            If the catalog cannot be written.
        """
        names = [delivery.name for delivery in self._deliveries]
        if names:
            await self._catalog.sinks(EventSinks.register, names)

    async def run(self) -> None:
        """Deliver until closed; a call that is under way then is waited for.

        Raises
        ------
        StorageError
            If the catalog cannot be read or written.
        """
        async with asyncio.TaskGroup() as group:
            for delivery in self._deliveries:
                group.create_task(self._deliver_repeatedly(delivery))
            if self._deliveries:
                group.create_task(self._watch())
            group.create_task(self._prune_repeatedly())

    def close(self) -> None:
        """Begin no further call."""
        self._closed.set()

    async def deliver_waiting(self) -> None:
        """Deliver what waits at the end of a run, in bounded time; failures are only emitted.

        For a minute further calls are begun. What is left then, or fails, waits for the next run.
        """
        until = self._time.monotonic() + _AT_THE_END.total_seconds()
        async with asyncio.TaskGroup() as group:
            for delivery in self._deliveries:
                group.create_task(self._deliver_once(delivery, until))
        with suppress(StorageError):
            await self._prune()

    async def _deliver_repeatedly(self, delivery: SinkDelivery) -> None:
        while not self._closed.is_set():
            newest = self._newest
            try:
                wait = await delivery.deliver(self._closed.is_set)
            except BlockingIOError:
                wait = _LOOK_EVERY
            if wait is None:
                await self._wait_for_more(newest, delivery.waits)
            else:
                await self._pause(wait)

    async def _watch(self) -> None:
        """Look for new events, once for all sinks: most of the time there are none."""
        while not self._closed.is_set():
            newest = await self._catalog.outbox(Outbox.newest)
            async with self._added:
                self._newest = newest
                self._added.notify_all()
            await self._pause(_LOOK_EVERY)
        async with self._added:
            self._added.notify_all()

    async def _wait_for_more(self, newest: int, wait: timedelta | None) -> None:
        """Return when there are newer events than that one, after a wait, or when closed.

        A wait is by the clock of the events, which may be set meanwhile: it is cut into short ones.
        """
        seconds = None if wait is None else min(wait, _LONGEST_PAUSE).total_seconds() + _LATER
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._added:
                await self._added.wait_for(lambda: self._newest != newest or self._closed.is_set())

    async def _deliver_once(self, delivery: SinkDelivery, until: float) -> None:
        def is_over() -> bool:
            return self._time.monotonic() >= until

        while not is_over():
            try:
                await delivery.deliver(is_over, final=True)
            except BlockingIOError:
                await self._time.sleep(_OTHER_PROCESS)
            except StorageError as failed:
                self._emit(DeliveryFailed(delivery.name, failed.message, 0.0))
                return
            else:
                return

    async def _prune_repeatedly(self) -> None:
        while not self._closed.is_set():
            await self.register()
            await self._prune()
            await self._wait(_PRUNE_EVERY)

    async def _prune(self) -> None:
        """Remove events that need not be kept, in steps between which others may write."""
        is_more = True
        while is_more and not self._closed.is_set():
            is_more, lost = await self._catalog.sinks(EventSinks.prune, self._keep, self._most)
            for name, count in lost.items():
                self._emit(EventsLost(name, count))

    async def _pause(self, wait: timedelta) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await self._closed.wait()

    async def _wait(self, wait: timedelta) -> None:
        """Wait as long as the clock says, or until closed."""
        closed = asyncio.ensure_future(self._closed.wait())
        timer = asyncio.ensure_future(self._sleep(wait))
        try:
            await asyncio.wait({closed, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closed.cancel()
            timer.cancel()

    async def _sleep(self, wait: timedelta) -> None:
        await self._time.sleep(wait.total_seconds())
