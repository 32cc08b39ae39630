"""When what is delivered together is complete."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

from delivery.conftest import Place, until
from hypothesis import given
from hypothesis import strategies as st
from support.clock import NOON

from winter_sync.core.event_filter import EventFilter
from winter_sync.core.outbox import EventKind, OutboxEvent
from winter_sync.delivery.batches import Window, complete_in, ready_batches
from winter_sync.delivery.sinks import Batching, Command, EventSink

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

NIGHTS = ["20240130", "20240131", None]
AGES = st.lists(st.integers(0, 5000), max_size=6).map(lambda ages: sorted(ages, reverse=True))


@given(AGES, st.data(), st.sampled_from([1, 120, 7200]))
def test_a_batch_is_complete_after_the_wait_and_not_before(
    ages: list[int], data: st.DataObject, quiet: int
) -> None:
    """Whoever waits as long as is said, unless something is added, misses no batch."""
    sink = EventSink("any", Command(("true",)), batching=Batching.NIGHT)
    sink = replace(sink, quiet=timedelta(seconds=quiet))
    events = [
        OutboxEvent(
            number,
            (NOON - timedelta(seconds=age)).isoformat(),
            EventKind.DOWNLOADED,
            {"night": data.draw(st.sampled_from(NIGHTS))},
        )
        for number, age in enumerate(ages, start=1)
    ]
    window = Window(0, events, EventFilter())
    for batch in ready_batches(sink, window, NOON, final=False):
        window = window.with_delivered(batch)
    wait = complete_in(sink, window, NOON)
    assert (wait is None) == (not window.waiting)
    if wait is not None:
        before = NOON + wait - timedelta(milliseconds=1)
        assert not ready_batches(sink, window, before, final=False)
        assert ready_batches(sink, window, NOON + wait, final=False)


async def test_a_batch_is_delivered_when_it_is_complete_though_nothing_is_added(
    tmp_path: Path,
) -> None:
    """The deliverer wakes up for it; no further event comes to wake it."""
    place = Place(tmp_path / "winter")
    began = monotonic()

    def clock() -> datetime:
        return place.clock() + timedelta(seconds=monotonic() - began)

    command = Command(("touch", "taken"))
    sink = EventSink("any", command, batching=Batching.NIGHT, quiet=timedelta(seconds=1))
    async with place.deliverer(sink, time=replace(place.time, clock=clock)) as deliverer:
        await deliverer.register()
        await place.record(night="20240130")
        running = asyncio.create_task(deliverer.run())
        async with asyncio.timeout(20):
            await until((place.root / "taken").exists)
        deliverer.close()
        await running
