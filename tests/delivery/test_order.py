"""Whatever a sink does, and however often the mirror is killed: no event is lost, all in order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from delivery.conftest import Place, until
from delivery.test_webhooks import TAKEN, Receiver
from hypothesis import given, settings
from hypothesis import strategies as st
from support.wires import listening

from winter_sync.delivery.sinks import Batching, EventSink, Webhook

REFUSED = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deliver", "refuse", "cut", "kill before", "kill after", "two at once"]),
        st.integers(0, 4),
    ),
    max_size=5,
)


class Unwell(Receiver):
    """A receiver that does what the step says, and remembers what it took."""

    def __init__(self) -> None:
        super().__init__(TAKEN)
        self.step = "deliver"
        self.received = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take what is posted, or not; to be killed, the mirror is left waiting."""
        if self.step == "kill before":
            self.received.set()
            await reader.read()
            return
        self._answers = [REFUSED if self.step == "refuse" else TAKEN]
        if self.step == "cut":
            self._answers = [b""]
        if self.step == "kill after":
            self._answers = [b"HTTP/1.1 200 O"]
        await super().answer(reader, writer)
        self.received.set()
        if self.step == "kill after":
            await reader.read()


async def run_steps(place: Place, batching: Batching, steps: list[tuple[str, int]]) -> list[int]:
    """Record and deliver as the steps say, and at last in peace; return what was received."""
    receiver = Unwell()
    async with listening(receiver.answer) as port:
        sink = EventSink("any", Webhook(f"http://127.0.0.1:{port}/"), batching=batching, at_most=2)
        await place.deliver(sink)
        for step, count in [*steps, ("deliver", 0)]:
            await place.record(count, night=f"2024013{count % 2}")
            receiver.step = step
            receiver.received.clear()
            if step.startswith("kill"):
                await kill(place, sink, receiver)
            elif step == "two at once":
                receiver.step = "deliver"
                quick = replace(place.time, sleep=lambda seconds: asyncio.sleep(seconds / 50))
                await asyncio.gather(*(place.deliver(sink, time=quick) for _ in range(2)))
            else:
                await place.deliver(sink)
    return [number for numbers in receiver.numbers for number in numbers]


async def kill(place: Place, sink: EventSink, receiver: Unwell) -> None:
    """Break a delivery off while the sink has the events, and nothing is recorded of that."""
    task = asyncio.create_task(place.deliver(sink))
    received = asyncio.create_task(receiver.received.wait())
    await asyncio.wait({task, received}, return_when=asyncio.FIRST_COMPLETED)
    for each in (task, received):
        each.cancel()
        with suppress(asyncio.CancelledError):
            await each


@pytest.mark.parametrize("batching", [Batching.NONE, Batching.NIGHT])
@settings(max_examples=12)
@given(steps=STEPS)
def test_every_event_is_delivered_in_order_and_once_if_nothing_failed(
    tmp_path_factory: pytest.TempPathFactory, batching: Batching, steps: list[tuple[str, int]]
) -> None:
    """Whatever the order of failures, cuts and kills; at first each comes after those before it."""
    place = Place(tmp_path_factory.mktemp("order") / "winter")
    got = asyncio.run(run_steps(place, batching, steps))
    recorded = sum(count for _, count in steps)
    assert set(got) == set(range(1, recorded + 1))
    if batching is Batching.NONE:
        first = list(dict.fromkeys(got))
        assert first == sorted(first)
    if all(step in {"deliver", "two at once"} for step, _ in steps):
        assert len(got) == recorded


async def test_the_daemon_removes_old_events_every_hour(place: Place) -> None:
    """As soon as they are older than is asked for, whether or not anything is delivered."""
    await place.record(3)
    found: list[tuple[float, int]] = []

    async def sleep(seconds: float) -> None:
        async with place.opened() as catalog:
            found.append((seconds, len(await catalog.outbox(lambda outbox: outbox.since(0, 9)))))
        place.clock.advance(days=50)
        if len(found) == 3:
            deliverer.close()

    async with place.deliverer(time=replace(place.time, sleep=sleep)) as deliverer:
        await deliverer.run()
    assert found == [(3600.0, 3), (3600.0, 3), (3600.0, 0)]


async def test_sinks_that_have_all_events_cost_one_look_together(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing happens, the catalog is asked once for all sinks; what happens then arrives."""
    look_every = "winter_sync.delivery.deliverer._LOOK_EVERY"
    monkeypatch.setattr(look_every, timedelta(milliseconds=2))
    receiver = Receiver(TAKEN)
    statements: list[str] = []
    async with listening(receiver.answer) as port:
        to = Webhook(f"http://127.0.0.1:{port}/")
        sinks = [EventSink(name, to) for name in ("one", "two", "three")]
        async with place.deliverer(*sinks) as running:
            await running._catalog(
                lambda catalog: catalog.connection.sqlite.set_trace_callback(statements.append)
            )
            delivering = asyncio.create_task(running.run())
            await until(lambda: len(statements) > 60)
            begun = [text for text in statements if "FROM event_sinks WHERE name" in text]
            await place.record()
            await until(lambda: len(receiver.requests) == len(sinks))
            running.close()
            await delivering
    assert len(begun) <= 3 * len(sinks)
