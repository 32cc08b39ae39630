"""A mirror's catalog with events, and deliverers of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.clock import Clock

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.thread import CatalogThread
from winter_sync.core.clocks import REAL_TIME
from winter_sync.core.outbox import EventKind
from winter_sync.delivery.deliverer import Deliverer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from winter_sync.catalog.event_sinks import SinkProgress
    from winter_sync.catalog.outbox import Outbox
    from winter_sync.core import Event, EventValue
    from winter_sync.core.clocks import Time
    from winter_sync.delivery.sinks import EventSink

MANY = 1_000_000


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a real process has done something."""
    while not condition():  # noqa: ASYNC110 - another process gives no sign
        await asyncio.sleep(0.01)


class Place:
    """A root with a catalog, to which events are added and from which they are delivered."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = Clock()
        self.events: list[Event] = []
        """What the deliverers emitted."""
        root.mkdir(parents=True, exist_ok=True)
        Catalog(root / "catalog.sqlite3", self.clock).close()

    @property
    def time(self) -> Time:
        """A clock that stands still, and the middle of every wait."""
        return replace(REAL_TIME, clock=self.clock, random=lambda: 0.5)

    def opened(self) -> CatalogThread:
        """Open the catalog."""
        return CatalogThread(self.root / "catalog.sqlite3", self.clock)

    async def record(
        self, count: int = 1, kind: EventKind = EventKind.DOWNLOADED, **fields: EventValue
    ) -> None:
        """Record events."""

        def append(outbox: Outbox) -> None:
            with outbox._connection.writing():
                for _ in range(count):
                    outbox.append(kind, **fields)

        async with self.opened() as catalog:
            await catalog.outbox(append)

    @asynccontextmanager
    async def deliverer(
        self, *sinks: EventSink, time: Time | None = None
    ) -> AsyncIterator[Deliverer]:
        """Return a deliverer to sinks that are entered in the catalog."""
        async with self.opened() as catalog:
            deliverer = Deliverer(
                sinks,
                catalog=catalog,
                root=self.root,
                locks=self.root,
                keep=timedelta(days=90),
                most=MANY,
                emit=self.events.append,
                time=time or self.time,
            )
            await deliverer.register()
            yield deliverer

    async def deliver(self, *sinks: EventSink, time: Time | None = None) -> None:
        """Deliver what waits, as at the end of a run."""
        async with self.deliverer(*sinks, time=time) as deliverer:
            await deliverer.deliver_waiting()

    async def progress(self, name: str) -> SinkProgress:
        """Return how far a sink has got."""
        async with self.opened() as catalog:
            found = await catalog(lambda whole: whole.sinks.progress(name))
        assert found is not None
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a place without events."""
    return Place(tmp_path / "winter")
