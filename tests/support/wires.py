"""Servers below HTTP: they send what a test gives them, well-formed or not, over TCP or TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CERTIFICATES = Path(__file__).parent / "certificates"
AUTHORITY = CERTIFICATES / "authority.pem"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
ABSURD_DATES = (
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Mon, 01 Jan 0001 00:00:00 +2359",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Tue, 28 Oct 99999999999999999999 12:00:00 GMT",
    "Tue, -1 Oct -2025 -1:00:00 GMT",
    "Tue, 28 Oct 2025 12:00:00 +99999999999",
    "Tue, ٢٨ Oct ٢٠٢٥ 12:00:00 GMT",
    "Tue, 28 Oct 2025 12:00:00 \udce9",
    "9" * 8000,
    "0",
    "",
    ",,,,",
    "\x1b[31m",
)
"""What no `Date` header should say."""
_AT_ONCE = 65536
_LEFT = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)
"""What it looks like when the other side has gone."""


@asynccontextmanager
async def listening(answer: Answering, certificate: str | None = None) -> AsyncIterator[int]:
    """Serve connections, in TLS with this certificate unless it is None; yield the port."""
    open_ones: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones[asyncio.current_task()] = writer
        with suppress(*_LEFT):
            await answer(reader, writer)
        await _closed(writer)

    tls = server_tls(certificate) if certificate else None
    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in open_ones.values():
            writer.transport.abort()
        await asyncio.gather(*filter(None, open_ones))


def server_tls(certificate: str) -> ssl.SSLContext:
    """Make the TLS of a server with one of the tests' certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
    return context


def saying(*parts: bytes, reset: bool = False) -> Answering:
    """Read a request, send these bytes, and end the connection: in order, or by a reset."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if reset:
            abort(writer)

    return answer


def abort(writer: asyncio.StreamWriter) -> None:
    """Reset a connection."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


async def request_of(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read a request's first line and headers, and the body that they announce."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().splitlines():
        if line.startswith(b"content-length:"):
            return head, await reader.readexactly(int(line.partition(b":")[2]))
    return head, b""


@dataclass
class ProxyServer:
    """A real HTTP proxy: forwards requests, and tunnels for CONNECT; notes what it was asked."""

    refuses: bytes | None = None
    """A status line that it answers everything with."""
    heads: list[bytes] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        head, body = await request_of(reader)
        self.heads.append(head)
        if self.refuses is not None:
            writer.write(self.refuses + b"\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            await self._tunnel(target.decode(), reader, writer)
        else:
            await self._forward(head + body, target.decode(), writer)

    async def _tunnel(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        await _closed(far_writer)

    async def _forward(self, request: bytes, target: str, writer: asyncio.StreamWriter) -> None:
        place, _, path = target.removeprefix("http://").partition("/")
        host, _, port = place.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        lines = request.split(b"\r\n")[1:]
        kept = [line for line in lines if not line.lower().startswith(b"proxy-")]
        far_writer.write(b"\r\n".join([f"GET /{path} HTTP/1.1".encode(), *kept]))
        await _copy(far_reader, writer)
        await _closed(far_writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(*_LEFT):
        while block := await reader.read(_AT_ONCE):
            writer.write(block)
            await writer.drain()
    writer.close()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(*_LEFT):
        await writer.wait_closed()
