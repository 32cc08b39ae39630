"""An address to listen on: what is open, and what is explained."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

import pytest
from web.client import LOCAL, Shown, shown

from winter_sync.core.errors import UsageError
from winter_sync.web import open_addresses, serving


async def test_it_says_where_it_listens() -> None:
    """With port 0 the address is that of the port the system gave."""
    async with shown(Shown()) as site:
        assert site.address.startswith("127.0.0.1:")
        assert not site.address.endswith(":0")


async def test_it_listens_on_ipv6() -> None:
    """An IPv6 address stands in brackets, also where it is reported."""
    try:
        with closing(socket.socket(socket.AF_INET6)) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("needs IPv6 on this machine's loopback")
    async with shown(Shown(), "[::1]:0") as site:
        assert site.address.startswith("[::1]:")
        assert (await site.get("/healthz")).status == 200


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("no-such-host.invalid:8765", "cannot listen on"),
        ("192.0.2.1:8765", "Cannot assign requested address"),
        ("127.0.0.1:99999", "not a valid address"),
        ("127.0.0.1:http", "not a valid address"),
        ("a..b:1", "cannot listen on"),
    ],
)
async def test_an_address_that_cannot_be_is_explained(listen: str, said: str) -> None:
    """It is named, with why and what to set."""
    with pytest.raises(UsageError, match=said) as refused:
        async with serving(listen, Shown().sources):
            pass
    assert listen in refused.value.message
    assert "http.listen" in refused.value.remedy


@pytest.mark.parametrize("absent", ["192.0.2.1", "2001:db8::1"])
async def test_a_host_is_listened_on_where_it_is(
    monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    """A name may have an address that this machine has not: IPv6 where there is none of it."""

    def found(_: str, port: int, *_more: object, **_named: object) -> list[Any]:
        addresses = (absent, "127.0.0.1")
        return [
            entry
            for address in addresses
            for entry in resolve(address, port, type=socket.SOCK_STREAM)
        ]

    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", found)
    async with serving("mirror.example:0", Shown().sources) as address:
        assert address.startswith("127.0.0.1:")


async def test_a_host_of_which_an_address_is_taken_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half of a host is not enough, and nothing stays open."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(
            socket,
            "getaddrinfo",
            lambda *_more, **_named: [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
                for each in ("127.0.0.2", "127.0.0.1")
            ],
        )
        with pytest.raises(UsageError, match="already in use"):
            async with serving("mirror.example:1", Shown().sources):
                pass
    with closing(socket.create_server(("127.0.0.2", port))):
        pass


async def test_an_address_in_use_is_explained() -> None:
    """The message for a second daemon says that there may be a first."""
    async with serving(LOCAL, Shown().sources) as address:
        with pytest.raises(UsageError, match="in use") as refused:
            async with serving(address, Shown().sources):
                pass
    assert "another winter-sync" in refused.value.remedy


async def test_an_address_is_free_again_afterwards() -> None:
    """A daemon that begins again finds its port, even just after it answered somebody."""
    async with shown(Shown()) as site:
        assert (await site.get("/healthz")).status == 200
    async with shown(Shown(), site.address) as again:
        assert (await again.get("/healthz")).status == 200


@pytest.mark.parametrize(
    ("listen", "open_"),
    [
        ("127.0.0.1:8765", []),
        ("127.8.9.1:8765", []),
        ("[::1]:8765", []),
        ("localhost:8765", []),
        ("0.0.0.0:8765", ["0.0.0.0"]),  # noqa: S104 - not listened on
        ("[::]:8765", ["::"]),
        ("192.0.2.7:8765", ["192.0.2.7"]),
        ("no-such-host.invalid:8765", []),
    ],
)
async def test_it_is_known_whom_an_address_is_open_to(listen: str, open_: list[str]) -> None:
    """Addresses others may reach are distinguished from those of this machine alone."""
    assert await open_addresses(listen) == open_
