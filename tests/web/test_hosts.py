"""The pages are served under our own host names only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from web.client import PATHS, Shown, Site, asking, shown

from winter_sync.web.hosts import is_served

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


SERVED_NAMES = [
    *("localhost", "LocalHost", "localhost.", "localhost:9000", "127.0.0.1", "127.0.0.1:8765"),
    *("[::1]", "[::1]:8765", "192.0.2.7:80", "[2001:db8::7]", "Mirror.Example.org:8765", ""),
]
OTHER_NAMES = [
    *("evil.example", "evil.example:8765", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("mirror.example.org.evil.example", "other.example.org", "localhost@evil.example", "a:b:c"),
    *("localhost:evil", "[evil.example]", "0x7f.evil", "evil.example#127.0.0.1"),
]


@pytest.mark.parametrize("path", PATHS)
async def test_pages_are_served_under_our_names_only(path: str) -> None:
    """A name of somebody else's that leads here shows nothing, on any page: with 421 and a reason.

    Served are localhost, IP addresses and the names in http.hosts, whatever the port.
    """
    async with shown(Shown(), hosts=["mirror.example.org"]) as site:
        for host in SERVED_NAMES:
            if host:
                assert (await site.send(asking(path, host))).startswith(b"HTTP/1.1 200 "), host
        for host in OTHER_NAMES:
            answer = await site.send(asking(path, host))
            assert answer.startswith((b"HTTP/1.1 421 ", b"HTTP/1.0 400 ")), host
            assert b"evil" not in answer
        refused = await site.send(asking(path, OTHER_NAMES[0]))
        assert b"HTTP/1.1 421 " in refused
        assert b"http.hosts" in refused
        made = site.shown.made
        await site.send(asking(path, "evil.example"))
        assert site.shown.made == made


@pytest.mark.parametrize(
    ("request_", "begins"),
    [
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 "),
        (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 421 "),
        (b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200 "),
        (b"GET http://[::1]:1/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200 "),
        (b"POST /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"HTTP/1.1 421 "),
    ],
    ids=["none", "absolute", "absolute-address", "absolute-ipv6", "post"],
)
async def test_the_name_of_a_request_may_stand_elsewhere(
    site: Site, request_: bytes, begins: bytes
) -> None:
    """A client that names no host is no browser; a name in the request line counts first."""
    assert (await site.send(request_)).startswith(begins)


async def test_two_names_are_one_too_many(site: Site) -> None:
    """A request with two Host headers is refused, whichever comes first."""
    for hosts in (("localhost", "evil.example"), ("evil.example", "localhost")):
        lines = "".join(f"Host: {host}\r\n" for host in hosts)
        answer = await site.send(f"GET /healthz HTTP/1.1\r\n{lines}\r\n".encode())
        assert answer.startswith((b"HTTP/1.1 421 ", b"HTTP/1.0 400 "))


async def test_names_can_change_while_pages_are_served() -> None:
    """A reload that names the machine differently counts at once, without a new server."""
    names: list[str] = []
    async with shown(Shown(), hosts=names) as site:
        request = asking("/healthz", "mirror.example.org")
        assert (await site.send(request)).startswith(b"HTTP/1.1 421 ")
        names.append("mirror.example.org")
        assert (await site.send(request)).startswith(b"HTTP/1.1 200 ")


@given(label=st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z][a-z0-9-]{0,10}){0,3}", fullmatch=True))
def test_no_other_name_is_ever_served(label: str) -> None:
    """Any name but localhost and those in the settings is refused, with and without a port."""
    assume(label != "localhost")
    assert not is_served(label, {"mirror.example.org"} - {label})
    assert not is_served(f"{label}.:8765", {"mirror.example.org"} - {label})
    assert is_served(f"{label.upper()}.:8765", {label})


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_is_served(address: IPv4Address | IPv6Address, port: int) -> None:
    """An IP address cannot be redirected, so Prometheus can use it."""
    written = f"[{address}]" if address.version == 6 else str(address)
    assert is_served(written, ())
    assert is_served(f"{written}:{port}", ())
