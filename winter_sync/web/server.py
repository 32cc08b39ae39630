"""What may be looked at with a browser or a script while the daemon runs: health, metrics, status.

All of it is handed in as callables. Whoever asks, however often and however slowly, takes little
from the daemon: few connections at a time, one answer each, none of them for long. Nobody keeps
others out: a new connection takes the place of the oldest on which nothing was asked.
"""

from __future__ import annotations

import asyncio
import errno
import html
import ipaddress
import json
import logging
import math
import os
import socket
import struct
import time
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiohttp import web

from winter_sync.core import UsageError, WinterSyncError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

T = TypeVar("T")

CONNECTIONS = 128
"""At a time. A further one is served, and the oldest on which nothing was asked is closed."""
_ACCEPTED_AT_ONCE = 16
"""In one turn of the loop. It takes four turns to read a request that is there when its connection
is accepted; so even if all the others are opened just then, it is read before its turn to go."""
_QUEUED = 1024
"""Connections that the system keeps until they are accepted; it may have a lower limit."""
LARGEST_REQUEST = 32 * 1024
"""Bytes on one connection. Browsers send all cookies of the host, whatever its port."""
_REPORTED_EVERY = 3600.0
"""Seconds between two lines of the log about too many connections."""
_IDLE_SECONDS = 10.0
"""How long a request may take to come whole."""
_LONGEST_SECONDS = 60.0
"""The longest that a connection lives: a client that does not read its answer is cut off."""
_SHUTDOWN_SECONDS = 0.5
"""How long answers under way may go on when the daemon ends; aiohttp waits twice."""
_REST = 9.0
"""An answer is given again for so many times as long as it took to make: so at most a tenth of the
time goes into making it."""
_LONGEST_REST = 60.0
_AT_ONCE = struct.pack("ii", 1, 0)
"""Close without sending what is left, as the kernel is told it."""
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HEADERS = {
    "Server": "winter-sync",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_ABOUT = {
    "/healthz": "is the daemon alive and at work",
    "/readyz": "is it ready: has it begun, can it use disk and catalog",
    "/metrics": "numbers for Prometheus",
    "/api/status": "what is here, pending and missing, as `winter-sync status --json` says it",
}
_REASONS = {errno.EADDRINUSE: "the port is already in use"}
_REMEDIES = {
    errno.EADDRINUSE: "Is another winter-sync running? Else set http.listen to another port.",
    errno.EACCES: "Ports below 1024 are for root: set http.listen to a higher one.",
    errno.EADDRNOTAVAIL: "This machine has no such address: set http.listen to one that it has.",
}
_LAST_PORT = 65535
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What the system says of an address that is not of this machine."""
_LOOPBACK_NAME = "localhost"
_NOT_SERVED = (
    "not served under the name in the Host header; use an IP address, or add the name to http.hosts"
)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """What is shown. None of it may hold a secret."""

    health: Callable[[], Sequence[str]]
    """Gives what is wrong with the daemon; nothing if it is alive and at work."""
    readiness: Callable[[], Sequence[str]]
    """Gives why it is not ready; nothing if it is."""
    metrics: Callable[[], Awaitable[bytes]]
    """Writes a page for Prometheus."""
    status: Callable[[], Awaitable[str]]
    """Writes the status as JSON."""


@asynccontextmanager
async def serving(
    listen: str,
    sources: Sources,
    *,
    hosts: Callable[[], Collection[str]] = tuple,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[str]:
    """Answer at an address, and give it as it really is.

    Parameters
    ----------
    listen
        "host:port"; an IPv6 address in brackets; port 0 for any free one.
    sources
        What is shown.
    hosts
        Returns the host names that may stand in an address of the pages, beside the name in
        `listen`, localhost, and any IP address.
    monotonic
        Gives a time in seconds that never goes back.

    Raises
    ------
    UsageError
        If the address cannot be listened on.
    """
    site = _Site(sources, lambda: {_host_of(listen), *map(_host_of, hosts())}, monotonic)
    server = _Server(site.answer, _Connections(monotonic))
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await _listen(runner, listen)
        yield _written(runner.addresses[0])
    finally:
        await runner.cleanup()
        await site.close()


async def _listen(runner: web.ServerRunner, listen: str) -> None:
    host, _, port = listen.rpartition(":")
    try:
        for each in await _bound(host.removeprefix("[").removesuffix("]"), int(port)):
            await web.SockSite(runner, each, backlog=_ACCEPTED_AT_ONCE).start()
            # asyncio has but one number for both; whom the system turns away is late by seconds.
            each.listen(_QUEUED)
    except socket.gaierror as unknown:
        reason = unknown.strerror or "unknown host"
        remedy = "Set http.listen to an address of this machine."
        raise _not_listening(listen, reason, remedy) from None
    except ValueError:
        raise _not_listening(
            listen, "not a valid address", 'Write http.listen like "127.0.0.1:8765".'
        ) from None
    except OSError as failed:
        code = failed.errno or 0
        remedy = _REMEDIES.get(code, "Set http.listen to another address.")
        raise _not_listening(listen, _REASONS.get(code, os.strerror(code)), remedy) from None


async def _bound(host: str, port: int) -> list[socket.socket]:
    """Return a listening socket for each address of a host that this machine has.

    asyncio would make them as well, but what it says of an address that cannot be had, and whether
    it then goes on with the others, is not the same in all releases of Python.

    Raises
    ------
    OSError
        With the errno of the system: one of them cannot be listened on, or none is here.
    ValueError
        If there is no such port; the resolver would take another for it.
    """
    if not 0 <= port <= _LAST_PORT:
        raise ValueError(port)
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    absent: OSError | None = None
    with ExitStack() as closing:
        bound = []
        for family, address in dict.fromkeys((one[0], one[4]) for one in found):
            try:
                server = socket.create_server(address, family=family)
            except OSError as failed:
                if failed.errno not in _NOT_HERE:
                    raise
                absent = failed
            else:
                bound.append(closing.enter_context(server))
        if absent is not None and not bound:
            raise absent
        closing.pop_all()
    return bound


def _not_listening(listen: str, reason: str, remedy: str) -> UsageError:
    return UsageError(f"cannot listen on {listen}: {reason}", remedy=remedy)


def _written(address: tuple[Any, ...]) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def open_addresses(listen: str) -> list[str]:
    """Return the addresses that stand for "host:port" and that other machines may reach.

    An unknown host has none.
    """
    host, _, port = listen.rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host.strip("[]") or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError:
        return []
    addresses = dict.fromkeys(str(one[4][0]) for one in found)
    return [one for one in addresses if not ipaddress.ip_address(one).is_loopback]


# --- who may be meant ----------------------------------------------------------------------------


def is_served(host: str, names: Collection[str]) -> bool:
    """Return whether pages are served to a client that calls this server so.

    A browser can be made to ask this server for somebody else's page: by a name of his that leads
    here (DNS rebinding). It then sends that name. It never does so with an IP address, and for
    whoever names no host, as no browser does, the address of the connection stands here.

    Parameters
    ----------
    host
        The content of a Host header.
    names
        Names to serve beside localhost, as `_host_of` writes them.
    """
    name = _host_of(host)
    return name == _LOOPBACK_NAME or name in names or _is_address(name)


def _host_of(authority: str) -> str:
    """Return the host of "host", "host:port" or "[address]:port", in lower case."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0].lower()
    host, colon, port = authority.rpartition(":")
    is_split = bool(colon) and ":" not in host and (port.isdecimal() or not port)
    return (host if is_split else authority).removesuffix(".").lower()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


# --- what is answered ----------------------------------------------------------------------------


class _Site:
    """Answers requests from the sources."""

    def __init__(
        self,
        sources: Sources,
        names: Callable[[], Collection[str]],
        monotonic: Callable[[], float],
    ) -> None:
        self._names = names
        self._health = sources.health
        self._readiness = sources.readiness
        self._metrics = _Shared(sources.metrics, monotonic)
        self._status = _Shared(sources.status, monotonic)

    async def close(self) -> None:
        """End what is still being made."""
        await self._metrics.close()
        await self._status.close()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; whatever goes wrong, no traceback is shown."""
        if not is_served(request.host, self._names()):
            return _troubles([_NOT_SERVED], HTTPStatus.MISDIRECTED_REQUEST)
        if request.method not in {"GET", "HEAD"}:
            refused = _troubles(["only GET and HEAD"], HTTPStatus.METHOD_NOT_ALLOWED)
            refused.headers["Allow"] = "GET, HEAD"
            return refused
        try:
            return await self._found(request.path)
        except WinterSyncError as error:
            return _troubles([error.message])
        except Exception:
            _logger.exception("a page could not be made")
            return _troubles(["an internal fault: see the log"], HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _found(self, path: str) -> web.Response:
        match path:
            case "/":
                return _response(_front_page().encode(), "text/html; charset=utf-8")
            case "/healthz":
                return _troubles(self._health())
            case "/readyz":
                return _troubles(self._readiness())
            case "/metrics":
                return _response(await self._metrics(), _METRICS_TYPE)
            case "/api/status":
                return _response((await self._status()).encode(), "application/json")
        return _troubles(["there is nothing here"], HTTPStatus.NOT_FOUND)


class _Shared(Generic[T]):
    """One answer for all who ask while it is made, and for a while after if it took long."""

    def __init__(self, make: Callable[[], Awaitable[T]], monotonic: Callable[[], float]) -> None:
        self._make = make
        self._monotonic = monotonic
        self._task: asyncio.Task[T] | None = None
        self._good_until = 0.0

    async def __call__(self) -> T:
        """Give the answer; a client that leaves before it is made takes it from no other."""
        if self._task is None or (self._task.done() and self._monotonic() >= self._good_until):
            self._task = asyncio.create_task(self._timed())
        return await asyncio.shield(self._task)

    async def _timed(self) -> T:
        began = self._monotonic()
        try:
            return await self._make()
        finally:
            ended = self._monotonic()
            self._good_until = ended + min(_REST * (ended - began), _LONGEST_REST)

    async def close(self) -> None:
        """End the making, if it is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.exception()


def _troubles(
    troubles: Sequence[str], status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE
) -> web.Response:
    """Say that all is well, or what is not."""
    said = json.dumps({"ok": not troubles, "troubles": list(troubles)}) + "\n"
    return _response(said.encode(), "application/json", status if troubles else HTTPStatus.OK)


def _response(body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    headers = {**_HEADERS, "Content-Type": content_type}
    response = web.Response(body=body, status=status, headers=headers)
    response.force_close()
    return response


def _front_page() -> str:
    links = "".join(
        f'<li><a href="{path}">{path}</a>: {html.escape(about)}</li>'
        for path, about in _ABOUT.items()
    )
    return f"<!doctype html><html lang=en><title>winter-sync</title><ul>{links}</ul></html>\n"


# --- connections ---------------------------------------------------------------------------------


class _Connections:
    """All connections, the oldest first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._all: dict[_Connection, None] = {}
        self._monotonic = monotonic
        self._quiet_until = -math.inf

    def add(self, new: _Connection) -> None:
        """Take a new connection; if there are too many, close the least deserving of the others.

        That is the oldest on which nothing was asked or, where all have asked, the oldest.
        """
        if len(self._all) >= CONNECTIONS:
            silent = (one for one in self._all if not one.has_asked)
            leaving = next(silent, next(iter(self._all)))
            self._report(leaving)
            leaving.give_up()
            self.remove(leaving)
        self._all[new] = None

    def remove(self, ended: _Connection) -> None:
        """Forget a connection that has ended."""
        self._all.pop(ended, None)

    def _report(self, leaving: _Connection) -> None:
        if self._monotonic() >= self._quiet_until:
            self._quiet_until = self._monotonic() + _REPORTED_EVERY
            _logger.warning(
                "more than %d connections to the pages; the oldest without a request are closed, "
                "this one from %s",
                CONNECTIONS,
                leaving.client,
            )


class _Server(web.Server):
    """Makes the connections."""

    def __init__(
        self,
        answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        connections: _Connections,
    ) -> None:
        super().__init__(self._answered, handler_cancellation=True)
        self._answer = answer
        self._held = connections

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._held)

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request.protocol, _Connection):
            request.protocol.has_asked = True
        return await self._answer(request)


class _Connection(web.RequestHandler):
    """One client, for one answer and not for long."""

    __slots__ = ("_end", "_held", "_received", "has_asked")

    def __init__(self, server: web.Server, held: _Connections) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # aiohttp takes it for no log at all
            keepalive_timeout=_IDLE_SECONDS,
            lingering_time=0,
            auto_decompress=False,
        )
        self.has_asked = False
        self._held = held
        self._received = 0

    @property
    def client(self) -> str:
        """The address of the client, as far as it is known."""
        return str(self.peername[0]) if isinstance(self.peername, tuple) else "an unknown address"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._end = asyncio.get_running_loop().call_later(_LONGEST_SECONDS, self.give_up)
        self._held.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end.cancel()
        self._held.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, within bounds: there is no long request, and nothing in a body is for us."""
        self._received += len(data)
        if self._received > LARGEST_REQUEST:
            self.give_up()
        else:
            super().data_received(data)

    def give_up(self) -> None:
        """Leave a client alone, and keep nothing of what it has not read yet."""
        if isinstance(self.transport, asyncio.Transport):
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse a request that makes no sense, without repeating it, in the log or to it."""
        del exc, message
        if request.writer.output_size > 0:
            raise ConnectionResetError("an answer has begun already")
        return _troubles(["that was no request"], HTTPStatus(status))
