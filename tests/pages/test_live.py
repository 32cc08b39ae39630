"""Pages that are told of changes: soon, all of them, and at no cost while nobody listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pages.by_hand import context_of, made_by_hand
from support.answers import used

from winter_sync.pages import MirrorSite
from winter_sync.pages.live import MOST_LISTENERS, Changes
from winter_sync.web import EventStream, PageRequest

if TYPE_CHECKING:
    from pathlib import Path


class Ticks:
    """Waits that end when a test says so."""

    def __init__(self) -> None:
        self._began = asyncio.Semaphore(0)
        self._go_on = asyncio.Semaphore(0)

    async def __call__(self, _: float) -> None:
        """Wait for a tick."""
        self._began.release()
        await self._go_on.acquire()

    async def began(self) -> None:
        """Wait until a wait has begun: all that comes before it is done."""
        await self._began.acquire()

    def tick(self) -> None:
        """End a wait."""
        self._go_on.release()


class Watched:
    """A state that a test changes, and how often it was looked at."""

    def __init__(self) -> None:
        self.value = self.looks = 0

    async def __call__(self) -> object:
        """Look at it."""
        self.looks += 1
        return self.value


async def test_a_change_reaches_all_who_listen_and_costs_nothing_otherwise() -> None:
    """The state is looked at once for all listeners, and not at all once they have left."""
    watched, ticks = Watched(), Ticks()
    changes = Changes(watched, lambda: 0.0, ticks)
    assert watched.looks == 0
    listeners = [changes.events() for _ in range(3)]
    for events in listeners:
        assert (await anext(events)).startswith(b"retry:")
    waiting = [asyncio.ensure_future(anext(events)) for events in listeners]
    await ticks.began()
    ticks.tick()
    await ticks.began()
    assert not any(task.done() for task in waiting)
    watched.value += 1
    ticks.tick()
    await ticks.began()
    assert {await task for task in waiting} == {b"event: change\ndata: 1\n\n"}
    assert watched.looks == 3
    for events in listeners:
        await events.aclose()
    assert changes.listeners == 0
    (looking,) = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    ticks.tick()
    await looking
    assert watched.looks == 4


async def test_the_end_ends_all_who_listen() -> None:
    """A server that stops is not held up by open pages; one that begins has new ones."""
    changes = Changes(Watched(), lambda: 0.0, Ticks())
    events = changes.events()
    await anext(events)
    waiting = asyncio.ensure_future(anext(events, b"over"))
    await asyncio.sleep(0)
    changes.end()
    assert await waiting == b"over"
    assert changes.listeners == 0
    again = changes.events()
    assert (await anext(again)).startswith(b"retry:")
    await again.aclose()


async def test_a_page_is_told_of_what_another_process_records(tmp_path: Path) -> None:
    """Who writes the catalog need not know of the pages; one listener too many is turned away."""
    with made_by_hand(tmp_path) as catalog:
        ticks = Ticks()
        site = MirrorSite(lambda: context_of(tmp_path), sleep=ticks)
        try:
            streams = [await site.answer(PageRequest("/live", {})) for _ in range(MOST_LISTENERS)]
            for stream in streams:
                assert isinstance(stream, EventStream)
                await anext(stream.events)
            assert not isinstance(await site.answer(PageRequest("/live", {})), EventStream)
            await ticks.began()
            used(catalog)
            ticks.tick()
            assert isinstance(streams[0], EventStream)
            assert await anext(streams[0].events) == b"event: change\ndata: 1\n\n"
        finally:
            await site.end_streams()
            await site.close()
