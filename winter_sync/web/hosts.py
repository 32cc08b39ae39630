"""Which host names the pages are served under: a guard against DNS rebinding."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_LOOPBACK_NAME = "localhost"


def is_served(host: str, names: Collection[str]) -> bool:
    """Return whether pages are served to a client that calls this server by a host name.

    A web site can make a browser ask this server for pages, by a name of the site's own that leads
    here (DNS rebinding). The browser then sends that name. It never does so with an IP address. For
    a client that names no host, as no browser does, the address of the connection is given.

    Parameters
    ----------
    host
        The content of a Host header.
    names
        Names to serve beside localhost, as `host_of` returns them.
    """
    name = host_of(host)
    return name == _LOOPBACK_NAME or name in names or _is_address(name)


def host_of(authority: str) -> str:
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
