"""The HTTP server of the pages.

Clients take little from the daemon, however many, frequent or slow they are: few connections at a
time, one answer on each, none of them for long. No client keeps others out: a new connection takes
the place of the oldest without a request.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from winter_sync.web.access import Access, refuse_addresses
from winter_sync.web.addresses import address_text, listening_sockets, reachable
from winter_sync.web.connections import Connections
from winter_sync.web.hosts import host_of
from winter_sync.web.pages import Sources, make_application
from winter_sync.web.responses import troubles_response

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Collection

_ACCEPTED_AT_ONCE = 16
"""In one turn of the loop. It takes four turns to read a request that is there when its connection
is accepted; so even if all the others are opened just then, it is read before its turn to go."""
_QUEUED = 1024
"""Connections that the system keeps until they are accepted; it may have a lower limit."""
_IDLE_SECONDS = 10.0
"""How long a client may take to send a whole request."""
_SHUTDOWN_SECONDS = 0.5
"""How long answers under way may go on when the daemon ends; aiohttp waits twice."""


@asynccontextmanager
async def serving(
    listen: str,
    sources: Sources,
    *,
    hosts: Callable[[], Collection[str]] = tuple,
    access: Callable[[], Access] = Access,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[str]:
    """Serve the pages at an address, and yield the address with its real port.

    Parameters
    ----------
    listen
        "host:port"; an IPv6 address in brackets; port 0 for any free one.
    sources
        What the pages show.
    hosts
        Returns the host names that may stand in an address of the pages, beside the name in
        `listen`, localhost, and any IP address.
    access
        Returns what protects the pages from other machines.
    monotonic
        Returns a time in seconds that never goes back.

    Raises
    ------
    UsageError
        If the address cannot be listened on, or other machines can reach it and nothing protects
        the pages.
    """
    application = make_application(
        sources,
        names=lambda: {host_of(listen), *map(host_of, hosts())},
        monotonic=monotonic,
        on_request=lambda request: connections.mark_asked(request.protocol),
        access=access,
        allow=lambda request, seconds: connections.allow(request.protocol, seconds),
    )
    runner = web.AppRunner(
        application, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
    )
    await runner.setup()
    connections = Connections(partial(_make_protocol, runner), monotonic)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(runner.cleanup)
        listeners = await listening_sockets(listen)
        for listener in listeners:
            closing.callback(listener.close)
        refuse_addresses(listen, access(), reachable(listeners))
        for listener in listeners:
            server = await _listen(connections, listener)
            closing.callback(server.close)
        yield address_text(listeners[0].getsockname())


async def try_address(listen: str, access: Access) -> None:
    """Make sure that pages could be served at an address, without serving any.

    Raises
    ------
    UsageError
        As `serving` does.
    """
    listeners = await listening_sockets(listen)
    try:
        refuse_addresses(listen, access, reachable(listeners))
    finally:
        for listener in listeners:
            listener.close()


async def _listen(connections: Connections, listener: socket.socket) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connections.accept, sock=listener, backlog=_ACCEPTED_AT_ONCE)
    # asyncio has but one number for both; whom the system turns away is late by seconds.
    listener.listen(_QUEUED)
    return server


def _make_protocol(runner: web.AppRunner) -> web.RequestHandler:
    assert runner.server is not None  # noqa: S101 - the runner was set up
    return _Protocol(
        runner.server,
        loop=asyncio.get_running_loop(),
        access_log=None,  # type: ignore[arg-type] # aiohttp takes it for no log at all
        keepalive_timeout=_IDLE_SECONDS,
        lingering_time=0,
        auto_decompress=False,
    )


class _Protocol(web.RequestHandler):
    """Reads requests; what is not a request is refused, and repeated neither in log nor answer."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to a request that makes no sense.

        Raises
        ------
        ConnectionResetError
            If an answer has begun already.
        """
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionResetError("an answer has begun already")
        return troubles_response(["that was no request"], HTTPStatus(status))
