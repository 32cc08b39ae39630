"""A server with pages to look at, and clients of it: polite ones and others."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from winter_sync.web import Document, EventStream, FileContent, PageRequest, Sources, serving
from winter_sync.web.access import Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from multidict import CIMultiDictProxy

LOCAL = "127.0.0.1:0"
HALF = b"GET /healthz HTTP/1.1\r\nHost: local"
EVERYBODY = Access()
PATHS = ("/", "/healthz", "/readyz", "/metrics", "/api/status")


@dataclass
class Shown:
    """What the pages of a test show."""

    troubles: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    made: int = 0
    make: Callable[[], Awaitable[None]] | None = None
    time: float = 0.0
    answers: dict[str, Callable[[], Document | FileContent | EventStream]] = field(
        default_factory=dict
    )
    ended: bool = False

    @property
    def sources(self) -> Sources:
        """The same, as the pages take it."""
        return Sources(
            lambda: self.troubles, lambda: self.unready, self, self._metrics, self._status
        )

    async def answer(self, request: PageRequest) -> Document | FileContent | EventStream:
        """Answer as a site of one page, and of what a test adds."""
        if request.path == "/":
            return Document(b"<!doctype html><title>front</title>")
        if request.path in self.answers:
            return self.answers[request.path]()
        return Document(b"nothing", status=HTTPStatus.NOT_FOUND)

    async def end_streams(self) -> None:
        """Record that streams end."""
        self.ended = True

    async def close(self) -> None:
        """Close nothing."""

    async def _metrics(self) -> bytes:
        return f"made {await self._made()}\n".encode()

    async def _status(self) -> str:
        return json.dumps({"made": await self._made()})

    async def _made(self) -> int:
        self.made += 1
        if self.make is not None:
            await self.make()
        return self.made


@dataclass
class Answer:
    """The answer to a request."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str


@dataclass
class Connection:
    """A connection of a client that sends what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def connected(site: Site, said: bytes) -> Connection:
    """Connect, and send some bytes."""
    host, _, port = site.address.rpartition(":")
    connection = Connection(*await asyncio.open_connection(host, int(port)))
    connection.writer.write(said)
    return connection


async def ended(connection: Connection) -> bool:
    """Wait until the server closes a connection without an answer."""
    with suppress(ConnectionResetError):
        assert await connection.reader.read() == b""
    return True


@dataclass
class Site:
    """A server, and a client of it."""

    shown: Shown
    address: str
    client: aiohttp.ClientSession

    async def get(self, path: str, method: str = "GET") -> Answer:
        """Request a page."""
        async with self.client.request(method, f"http://{self.address}{path}") as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def send(self, request: bytes) -> bytes:
        """Send bytes, and return all that arrives until the server closes."""
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()


@asynccontextmanager
async def shown(
    what: Shown, listen: str = LOCAL, hosts: Collection[str] = (), access: Access = EVERYBODY
) -> AsyncIterator[Site]:
    """Serve the pages, and yield a client."""
    async with (
        serving(
            listen,
            what.sources,
            hosts=lambda: hosts,
            access=lambda: access,
            monotonic=lambda: what.time,
        ) as address,
        aiohttp.ClientSession() as client,
    ):
        yield Site(what, address, client)


def asking(path: str, host: str) -> bytes:
    """Return a request of a client that calls the server by a host name."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
