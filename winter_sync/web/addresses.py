"""The addresses on which the pages are served: sockets for them, and who can reach them."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from winter_sync.core import ErrorCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

_REASONS = {errno.EADDRINUSE: "the port is already in use"}
_REMEDIES = {
    errno.EADDRINUSE: "Is another winter-sync running? Otherwise set http.listen to another port.",
    errno.EACCES: "Ports below 1024 are for root: set http.listen to a higher one.",
    errno.EADDRNOTAVAIL: "This machine has no such address: set http.listen to one that it has.",
}
_LAST_PORT = 65535
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""The system's errors for an address that does not belong to this machine."""


async def listening_sockets(listen: str) -> list[socket.socket]:
    """Return a listening socket for each address of "host:port" that this machine has.

    Parameters
    ----------
    listen
        "host:port"; an IPv6 address in brackets; port 0 for any free one.

    Raises
    ------
    UsageError
        If one of them is taken, or this machine has none of them.
    """
    host, _, port = listen.rpartition(":")
    try:
        return await _bound(host.removeprefix("[").removesuffix("]"), int(port))
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

    asyncio would make them as well, but its error for an address that is not available, and
    whether it then goes on with the others, differ between releases of Python.

    Raises
    ------
    OSError
        With the errno of the system: one address is taken, or none belongs to this machine.
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
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
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
    return UsageError(
        f"cannot listen on {listen}: {reason}", remedy=remedy, code=ErrorCode.PAGE_ADDRESS
    )


def reachable(listeners: Iterable[socket.socket]) -> list[str]:
    """Return the addresses of these sockets that other machines may reach."""
    addresses = [str(listener.getsockname()[0]) for listener in listeners]
    return [address for address in addresses if not _is_loopback(address)]


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def address_text(address: tuple[Any, ...]) -> str:
    """Return a socket's address as "host:port", an IPv6 address in brackets."""
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def open_addresses(listen: str) -> list[str]:
    """Return the addresses behind "host:port" that other machines may reach.

    An unknown host has none.
    """
    host, _, port = listen.rpartition(":")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host.strip("[]") or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError:
        return []
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    return [address for address in addresses if not _is_loopback(address)]
