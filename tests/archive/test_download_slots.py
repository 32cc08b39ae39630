"""How many downloads run at once: one more for each that succeeds, half after an overload."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from support.makers import PROGRAM
from support.named import candidate, product

from winter_sync.archive.client import ArchiveClient
from winter_sync.archive.download_slots import Allowance, DownloadSlots
from winter_sync.archive.requests import Timeouts
from winter_sync.core.clocks import Time
from winter_sync.core.credentials import Credentials
from winter_sync.core.downloads import Batch
from winter_sync.core.errors import TransientError
from winter_sync.core.events import Event
from winter_sync.core.server_events import ConnectionsChanged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BATCH = Batch("batch", (candidate(product()),))


@given(st.integers(1, 16), st.lists(st.sampled_from(["arrived", "too much"]), max_size=60))
def test_the_allowance_is_one_to_the_setting(most: int, ends: list[str]) -> None:
    """One more after each success, half after each overload, whatever happens."""
    allowance = Allowance(most, most)
    for end in ends:
        before = allowance.now
        if end == "arrived":
            allowance = allowance.after_success()
            assert allowance.now == min(before + 1, most)
        else:
            allowance = allowance.after_overload(allowance.halvings)
            assert allowance.now == max(before // 2, 1)
        assert 1 <= allowance.now <= most


def test_of_downloads_that_run_together_one_halves_it() -> None:
    """The others were begun before, and say nothing about fewer."""
    first = Allowance(16, 16)
    halved = first.after_overload(first.halvings)
    assert halved.after_overload(first.halvings) == halved
    assert halved.after_overload(halved.halvings).now == 4


async def test_no_more_run_than_are_allowed() -> None:
    """Whoever comes when there is no slot waits for one; those that run are let finish."""
    slots = DownloadSlots(4, lambda _: None)
    running = [await slots.take() for _ in range(4)]
    running[0].record_failure(TransientError("busy", is_overload=True))
    running[0].release()
    assert (slots.allowed, slots.is_free) == (2, False)
    waiting = asyncio.create_task(slots.take())
    for slot in running[1:3]:
        await asyncio.sleep(0)
        assert not waiting.done()
        slot.release()
    (await waiting).release()
    running[3].release()
    assert slots.is_free


class Server:
    """Answers downloads as a test says."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        """The statuses of the next downloads; 200 from then on."""
        self.paths: list[str] = []
        self.asked_for_download = asyncio.Event()
        self.speaks = asyncio.Event()
        self.speaks.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer."""
        self.paths.append(request.path)
        if request.path == "/ping":
            return web.json_response({})
        status = self.answers.pop(0) if self.answers else 200
        self.asked_for_download.set()
        await self.speaks.wait()
        return web.Response(status=status, body=b"PK")


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    """Run a server; yield its address."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def fetch(api: ArchiveClient) -> None:
    """Download once."""
    async with api.download(BATCH) as download:
        _ = [block async for block in download.blocks()]


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_with_too_much_to_do_gets_fewer_requests_at_once(status: int) -> None:
    """Half of them, and one more after each download that arrives, up to the settings."""
    server, events = Server(), list[Event]()
    server.answers = [status]
    async with serving(server) as url, client(url, events) as api:
        await fetch(api)
        await fetch(api)
    changes = [event for event in events if isinstance(event, ConnectionsChanged)]
    assert [(change.allowed, change.most) for change in changes] == [(2, 4), (3, 4), (4, 4)]
    reasons = [change.reason for change in changes]
    assert str(status) in (reasons[0] or "")
    assert reasons[1:] == [None, None]


async def test_silence_before_the_first_byte_is_too_much_as_well() -> None:
    """A download that did not begin in time halves what is allowed; never below one."""
    server, events = Server(), list[Event]()
    async with serving(server) as url, client(url, events, first_byte=0.05) as api:
        server.speaks.clear()
        for expected in (2, 1, 1):
            with suppress(TransientError):
                await fetch(api)
            assert api.slots.allowed == expected
        server.speaks.set()
        await fetch(api)
        assert api.slots.allowed == 2


async def test_an_answer_that_is_wrong_says_nothing_about_how_much_is_too_much() -> None:
    """Neither an error of the server's own nor a refusal changes it."""
    server, events = Server(), list[Event]()
    server.answers = [500, 404]
    async with serving(server) as url, client(url, events) as api:
        with pytest.raises(Exception, match="404"):
            await fetch(api)
        assert api.slots.allowed == 4
        assert api.slots.is_free


def client(
    url: str, events: list[Event], *, first_byte: float = 600.0, connections: int = 4
) -> ArchiveClient:
    """Return a client whose waits between requests take no time."""

    async def sleep(_: float) -> None:
        await asyncio.sleep(0)

    return ArchiveClient(
        url,
        Credentials("someone", "swordfish", {PROGRAM: "key"}),
        interval=0,
        connections=connections,
        timeouts=Timeouts(first_byte=first_byte),
        time=Time(sleep=sleep),
        emit=events.append,
    )


async def test_a_server_that_began_to_fail_is_left_alone_by_who_waited_for_a_slot() -> None:
    """What was allowed before it waited is asked of the circuit breaker again."""
    server, events = Server(), list[Event]()
    server.speaks.clear()
    async with serving(server) as url, client(url, events, connections=1) as api:
        running = asyncio.create_task(fetch(api))
        await server.asked_for_download.wait()
        waiting = asyncio.create_task(fetch(api))
        await asyncio.sleep(0)
        api.server.circuit_breaker.record_failure(TransientError("busy", retry_after=5.0))
        server.speaks.set()
        await asyncio.gather(running, waiting)
    assert server.paths == ["/images/download_list", "/ping", "/images/download_list"]
