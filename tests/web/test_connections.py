"""No client keeps others out, however many, slow or talkative they are."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
from collections import deque
from contextlib import closing, suppress
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from web.client import HALF, LOCAL, Shown, Site, asking, connected, ended, shown

from winter_sync.web import connections, pages, server, serving
from winter_sync.web.connections import CONNECTIONS, LARGEST_REQUEST


@pytest.mark.parametrize("said", [b"", HALF], ids=["nothing", "half"])
async def test_silent_clients_keep_nobody_out(
    site: Site, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """However many connections wait for a request to come whole, a new one is served.

    The oldest of them goes, the others stay, and one line of the log tells of it.
    """
    first, *others = [await connected(site, said) for _ in range(3 * CONNECTIONS)]
    for _ in range(5):
        assert (await site.get("/healthz")).status == 200
    assert await ended(first)
    assert not others[-1].reader.at_eof()
    (told,) = caplog.messages
    assert told.startswith(f"more than {CONNECTIONS} connections")
    assert told.endswith("from 127.0.0.1")
    for connection in (first, *others):
        connection.writer.close()


async def test_too_many_clients_are_reported_again_after_an_hour(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A crowd that stays costs the log a line an hour."""
    held = [await connected(site, b"") for _ in range(CONNECTIONS + 1)]
    await ended(held[0])
    site.shown.time += 3599
    held.append(await connected(site, b""))
    await ended(held[1])
    assert len(caplog.messages) == 1
    site.shown.time += 1
    held.append(await connected(site, b""))
    await ended(held[2])
    assert len(caplog.messages) == 2
    for connection in held:
        connection.writer.close()


async def test_who_has_asked_stays_longer_than_who_has_not(site: Site) -> None:
    """A page that takes long is not given up for a crowd that says nothing."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def make() -> None:
        asked.set()
        await go.wait()

    site.shown.make = make
    waiting = await connected(site, asking("/metrics", "localhost"))
    await asked.wait()
    held = [await connected(site, HALF) for _ in range(2 * CONNECTIONS)]
    await ended(held[0])
    go.set()
    assert (await waiting.reader.read()).endswith(b"made 1\n")
    for connection in (waiting, *held):
        connection.writer.close()


async def test_who_waits_for_a_slow_page_keeps_nobody_out(site: Site) -> None:
    """Even if every connection has asked for what takes long, a new one is served."""

    async def make() -> None:
        await asyncio.Event().wait()

    site.shown.make = make
    held = [await connected(site, asking("/metrics", "localhost")) for _ in range(CONNECTIONS)]
    assert (await site.get("/healthz")).status == 200
    for connection in held:
        connection.writer.close()


async def test_who_connects_without_end_keeps_nobody_out(site: Site) -> None:
    """While a crowd opens connections as fast as they are accepted, requests are answered."""
    host, _, port = site.address.rpartition(":")
    over = threading.Event()
    opened = 0

    def crowd() -> None:
        nonlocal opened
        held: deque[socket.socket] = deque()
        while not over.is_set():
            connection = socket.create_connection((host, int(port)))
            opened += 1
            held.append(connection)
            with suppress(OSError):
                connection.send(HALF)
            if len(held) > 500:
                held.popleft().close()
        for connection in held:
            connection.close()

    crowds = [asyncio.create_task(asyncio.to_thread(crowd)) for _ in range(2)]
    try:
        answers = 0
        while opened < 3000 or answers < 50:
            answers += (await site.get("/healthz")).status == 200
    finally:
        over.set()
        await asyncio.gather(*crowds)
    # Connections are accepted in their order: after this one the queue is empty.
    assert (await site.get("/healthz")).status == 200


@pytest.mark.parametrize("begun", ["", "Content-Length: 1000000\r\n\r\n"], ids=["headers", "body"])
async def test_a_request_without_end_is_cut_off(
    begun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends more than a request may have is cut off at once, in headers or body."""
    monkeypatch.setattr(server, "_IDLE_SECONDS", 3600)
    monkeypatch.setattr(connections, "_LONGEST_SECONDS", 3600)
    what, asked = Shown(), asyncio.Event()

    async def make() -> None:
        asked.set()
        await asyncio.Event().wait()

    what.make = make
    async with shown(what) as site:
        connection = await connected(
            site, f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{begun}".encode()
        )
        if begun:
            await asked.wait()
        header = b"X: " + b"a" * 4091 + b"\r\n"
        connection.writer.write(header * (LARGEST_REQUEST // len(header) - 1))
        assert (await site.get("/healthz")).status == 200
        assert not connection.reader.at_eof()
        connection.writer.write(header)
        async with asyncio.timeout(60):
            assert await ended(connection)
        connection.writer.close()


async def test_a_silent_client_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which no whole request comes is closed."""
    monkeypatch.setattr(server, "_IDLE_SECONDS", 0.01)
    async with shown(Shown()) as site:
        assert await site.send(b"GET /healthz HTTP/1.1\r\nHost:") == b""


async def test_a_client_that_does_not_read_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is not read is given up, and others are answered meanwhile."""
    monkeypatch.setattr(connections, "_LONGEST_SECONDS", 0.2)

    async def status() -> str:
        return "x" * 30_000_000

    async with (
        serving(LOCAL, replace(Shown().sources, status=status)) as address,
        aiohttp.ClientSession() as client,
    ):
        host, _, port = address.rpartition(":")
        with closing(socket.create_connection((host, int(port)))) as lazy:
            lazy.send(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with client.get(f"http://{address}/healthz") as answer:
                assert answer.status == 200
            assert await asyncio.to_thread(hung_up, lazy)


def hung_up(connection: socket.socket) -> bool:
    """Wait until the other side is gone, without reading; False if it stays."""
    poll = select.poll()
    poll.register(connection, 0)
    return bool(poll.poll(30_000))


async def test_closing_does_not_wait_for_what_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer under way is given up when the daemon ends, and nothing of it goes on."""
    monkeypatch.setattr(server, "_SHUTDOWN_SECONDS", 0.01)
    what, asked = Shown(), asyncio.Event()

    async def make() -> None:
        asked.set()
        await asyncio.Event().wait()

    what.make = make
    async with asyncio.timeout(30), aiohttp.ClientSession() as client:
        async with serving(LOCAL, what.sources) as address:
            waiting = asyncio.create_task(client.get(f"http://{address}/metrics"))
            await asked.wait()
        with pytest.raises(aiohttp.ClientError):
            await waiting
    ours = {asyncio.current_task()}
    assert not [task for task in asyncio.all_tasks() - ours if "_timed" in repr(task)]


async def test_whoever_leaves_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A tab that is closed just as its answer begins leaves no error in the log, no traceback."""

    async def leave(_: web.Request) -> web.StreamResponse:
        raise ConnectionResetError("Cannot write to closing transport")

    await pages._explain_errors(make_mocked_request("GET", "/live"), leave)
    assert caplog.records == []
