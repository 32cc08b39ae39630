"""Limits on connections: how many, how long, how much a client may send.

They hold for any protocol: each connection stands between the event loop and the protocol that
reads its requests, and passes on what is within the limits.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTIONS = 128
"""At a time. A further one is served, and the oldest without a whole request is closed."""
LARGEST_REQUEST = 32 * 1024
"""Bytes on one connection. Browsers send all cookies of the host, whatever its port."""
_LONGEST_SECONDS = 60.0
"""The longest that a connection lives: a client that does not read its answer is cut off. One that
is sent a large file or events is allowed more."""
_REPORTED_EVERY = 3600.0
"""Seconds between two log lines about too many connections."""
_RESET = struct.pack("ii", 1, 0)
"""The SO_LINGER option that closes a socket without sending what is left."""
_logger = logging.getLogger(__name__)


class Connections:
    """All connections, the oldest first.

    Parameters
    ----------
    make_protocol
        Makes the protocol that reads the requests of a connection.
    monotonic
        Returns a time in seconds that never goes back.
    """

    def __init__(
        self, make_protocol: Callable[[], asyncio.Protocol], monotonic: Callable[[], float]
    ) -> None:
        self._make_protocol = make_protocol
        self._monotonic = monotonic
        self._all: dict[asyncio.BaseProtocol, Connection] = {}
        self._quiet_until = -math.inf

    def accept(self) -> Connection:
        """Return the protocol of a new connection: the factory for `loop.create_server`."""
        return Connection(self._make_protocol(), self)

    def add(self, new: Connection) -> None:
        """Add a connection that was made; if there are too many, close one of the others.

        That is the oldest without a whole request or, where all have one, the oldest.
        """
        if len(self._all) >= CONNECTIONS:
            silent = (connection for connection in self._all.values() if not connection.has_asked)
            leaving = next(silent, next(iter(self._all.values())))
            self._report(leaving)
            leaving.reset()
            self.remove(leaving)
        self._all[new.protocol] = new

    def remove(self, ended: Connection) -> None:
        """Forget a connection that has ended."""
        self._all.pop(ended.protocol, None)

    def mark_asked(self, protocol: asyncio.BaseProtocol) -> None:
        """Record that a whole request has arrived on the connection of a protocol."""
        if protocol in self._all:
            self._all[protocol].has_asked = True

    def allow(self, protocol: asyncio.BaseProtocol, seconds: float) -> None:
        """Let the connection of a protocol live for a number of seconds from now."""
        if protocol in self._all:
            self._all[protocol].allow(seconds)

    def _report(self, leaving: Connection) -> None:
        if self._monotonic() >= self._quiet_until:
            self._quiet_until = self._monotonic() + _REPORTED_EVERY
            _logger.warning(
                "more than %d connections to the pages; the oldest without a request are closed, "
                "this one from %s",
                CONNECTIONS,
                leaving.client,
            )


class Connection(asyncio.Protocol):
    """One client, whose requests another protocol reads.

    Parameters
    ----------
    protocol
        Reads the requests and writes the answers.
    connections
        All connections.
    """

    def __init__(self, protocol: asyncio.Protocol, connections: Connections) -> None:
        self.protocol = protocol
        self.has_asked = False
        self._connections = connections
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def client(self) -> str:
        """The address of the client, as far as it is known."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return str(peer[0]) if isinstance(peer, tuple) else "an unknown address"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, and take a place among the connections."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what a TCP server makes
        self._transport = transport
        self.protocol.connection_made(transport)
        self.allow(_LONGEST_SECONDS)
        self._connections.add(self)

    def allow(self, seconds: float) -> None:
        """Live for a number of seconds from now, and no longer."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.reset)

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and leave the place to others."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._connections.remove(self)
        self._transport = None
        self.protocol.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, within bounds: no request is long, and nothing in a body is of use."""
        self._received += len(data)
        if self._received > LARGEST_REQUEST:
            self.reset()
        else:
            self.protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that the client sends no more."""
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the client reads too slowly."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client has read."""
        self.protocol.resume_writing()

    def reset(self) -> None:
        """Close the connection at once, and keep nothing that the client has not read yet."""
        if self._transport is not None:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
