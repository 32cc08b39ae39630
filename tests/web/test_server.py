"""What is shown over HTTP: the right codes, nothing more than asked, and nobody is waited for."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import threading
from collections import deque
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from winter_sync.core.errors import StorageError, UsageError
from winter_sync.web import server as web
from winter_sync.web.server import Sources, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection
    from ipaddress import IPv4Address, IPv6Address

    from multidict import CIMultiDictProxy

LOCAL = "127.0.0.1:0"
HALF = b"GET /healthz HTTP/1.1\r\nHost: local"
PATHS = ("/", "/healthz", "/readyz", "/metrics", "/api/status")


@dataclass
class Shown:
    """What the tests show."""

    troubles: list[str] = field(default_factory=list)
    unready: list[str] = field(default_factory=list)
    made: int = 0
    make: Callable[[], Awaitable[None]] | None = None
    time: float = 0.0

    @property
    def sources(self) -> Sources:
        """The same as sources."""
        return Sources(lambda: self.troubles, lambda: self.unready, self._metrics, self._status)

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
    """What came."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str


@dataclass
class Connection:
    """A connection of a client that says what it likes."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def connected(site: Site, said: bytes) -> Connection:
    """Connect, and say something."""
    host, _, port = site.address.rpartition(":")
    one = Connection(*await asyncio.open_connection(host, int(port)))
    one.writer.write(said)
    return one


async def ended(one: Connection) -> bool:
    """Wait until the server ends a connection on which it says nothing."""
    with suppress(ConnectionResetError):
        assert await one.reader.read() == b""
    return True


@dataclass
class Site:
    """A server, and a client of it."""

    shown: Shown
    address: str
    client: aiohttp.ClientSession

    async def get(self, path: str, method: str = "GET") -> Answer:
        """Ask for a page."""
        async with self.client.request(method, f"http://{self.address}{path}") as answer:
            return Answer(answer.status, answer.headers, await answer.text())

    async def send(self, request: bytes) -> bytes:
        """Send bytes, and give all that comes until the server closes."""
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
    what: Shown, listen: str = LOCAL, hosts: Collection[str] = ()
) -> AsyncIterator[Site]:
    """Serve, and give a client."""
    async with (
        serving(listen, what.sources, hosts=lambda: hosts, monotonic=lambda: what.time) as address,
        aiohttp.ClientSession() as client,
    ):
        yield Site(what, address, client)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Give a server at which all is well."""
    async with shown(Shown()) as site:
        yield site


# --- pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "of"), [("/healthz", "troubles"), ("/readyz", "unready")])
async def test_health_is_a_code_and_its_reasons(site: Site, path: str, of: str) -> None:
    """It is 200 while all is well, and 503 with the reasons while it is not."""
    well = await site.get(path)
    assert (well.status, json.loads(well.text)) == (200, {"ok": True, "troubles": []})
    setattr(site.shown, of, ["the disk is full"])
    ill = await site.get(path)
    assert ill.status == 503
    assert json.loads(ill.text) == {"ok": False, "troubles": ["the disk is full"]}
    others = [await site.get(other) for other in PATHS if other != path]
    assert {other.status for other in others} == {200}


async def test_metrics_and_status_are_what_is_handed_in(site: Site) -> None:
    """They are passed on as they are, as what they are."""
    metrics, status = await site.get("/metrics"), await site.get("/api/status")
    assert (metrics.status, metrics.text) == (200, "made 1\n")
    assert metrics.headers["Content-Type"] == CONTENT_TYPE_PLAIN_0_0_4
    assert (status.status, json.loads(status.text)) == (200, {"made": 2})
    assert status.headers["Content-Type"] == "application/json"


async def test_the_front_page_leads_to_all_others(site: Site) -> None:
    """Each of them has its link."""
    front = await site.get("/")
    assert [path for path in PATHS[1:] if f'href="{path}"' not in front.text] == []


@pytest.mark.parametrize("path", [*PATHS, "/absent"])
async def test_no_page_may_be_kept_guessed_at_or_framed(site: Site, path: str) -> None:
    """The headers say so, whatever the answer; none tells what software this is."""
    headers = (await site.get(path)).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Server"] == "winter-sync"


@pytest.mark.parametrize("path", PATHS)
async def test_head_tells_the_same_without_the_page(site: Site, path: str) -> None:
    """A HEAD has the code and the length of the GET, and no body."""
    head = await site.get(path, "HEAD")
    assert head.status == 200
    assert head.text == ""
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
async def test_nothing_can_be_done_there(site: Site, method: str) -> None:
    """Any other method is refused, and named are those that are not."""
    answer = await site.get("/healthz", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/absent", "/metrics/", "/api", "/../etc/passwd", "/%2e%2e/etc/passwd", "//healthz/"]
)
async def test_there_is_nothing_else(site: Site, path: str) -> None:
    """Any other path is 404."""
    assert (await site.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())).startswith(
        b"HTTP/1.1 404 "
    )


# --- names ---------------------------------------------------------------------------------------


SERVED_NAMES = [
    *("localhost", "LocalHost", "localhost.", "localhost:9000", "127.0.0.1", "127.0.0.1:8765"),
    *("[::1]", "[::1]:8765", "192.0.2.7:80", "[2001:db8::7]", "Mirror.Example.org:8765", ""),
]
OTHER_NAMES = [
    *("evil.example", "evil.example:8765", "localhost.evil.example", "127.0.0.1.evil.example"),
    *("mirror.example.org.evil.example", "other.example.org", "localhost@evil.example", "a:b:c"),
    *("localhost:evil", "[evil.example]", "0x7f.evil", "evil.example#127.0.0.1"),
]


def asking(path: str, host: str) -> bytes:
    """Return a request of a client that calls the server so."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()


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
    """Whoever names nobody is no browser; a name in the request line counts before the header."""
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
    assert not web.is_served(label, {"mirror.example.org"} - {label})
    assert not web.is_served(f"{label}.:8765", {"mirror.example.org"} - {label})
    assert web.is_served(f"{label.upper()}.:8765", {label})


@given(st.ip_addresses(), st.integers(0, 65535))
def test_every_address_is_served(address: IPv4Address | IPv6Address, port: int) -> None:
    """An IP address is nobody's to redirect, so Prometheus can ask by it."""
    written = f"[{address}]" if address.version == 6 else str(address)
    assert web.is_served(written, ())
    assert web.is_served(f"{written}:{port}", ())


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
    """Addresses that other machines may reach are told from those of this machine alone."""
    assert await web.open_addresses(listen) == open_


# --- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/metrics", "/api/status"])
async def test_a_failing_catalog_is_told_and_no_traceback(site: Site, path: str) -> None:
    """What a source says of its trouble is the answer; the next one may be well again."""

    async def fail() -> None:
        raise StorageError("the catalog is locked", remedy="Wait.")

    site.shown.make = fail
    ill = await site.get(path)
    assert ill.status == 503
    assert json.loads(ill.text) == {"ok": False, "troubles": ["the catalog is locked"]}
    site.shown.make = None
    assert (await site.get(path)).status == 200


async def test_a_fault_of_ours_is_logged_and_not_shown(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Who asks is told nothing of it; the log has all of it."""

    async def fail() -> None:
        raise RuntimeError("very private")

    site.shown.make = fail
    answer = await site.get("/api/status")
    assert answer.status == 500
    assert "private" not in answer.text
    assert "Traceback" not in answer.text
    assert "very private" in caplog.text


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /secret-thing\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nSecret-Thing\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["words", "tls", "nul", "header", "long"],
)
async def test_what_is_no_request_is_refused_quietly(
    site: Site, request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is answered with 400, not repeated, without a banner, and not logged."""
    answer = await site.send(request_)
    assert answer.startswith(b"HTTP/1.0 400 ")
    assert b"Server: winter-sync\r\n" in answer
    for word in (b"aiohttp", b"Python", b"ecret", b"aaaa"):
        assert word not in answer
    assert not caplog.records
    assert (await site.get("/healthz")).status == 200


# --- who asks takes little -----------------------------------------------------------------------


async def test_who_asks_at_once_is_answered_at_once(site: Site) -> None:
    """However many ask while an answer is made, it is made once; who goes away stops nobody."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def make() -> None:
        asked.set()
        await go.wait()

    site.shown.make = make
    impatient = asyncio.create_task(site.get("/metrics"))
    await asked.wait()
    others = [asyncio.create_task(site.get("/metrics")) for _ in range(5)]
    impatient.cancel()
    # An answer of something else on the same loop: all of these have been asked by then.
    for _ in range(3):
        await site.get("/healthz")
    go.set()
    assert {answer.text for answer in await asyncio.gather(*others)} == {"made 1\n"}
    assert site.shown.made == 1


async def test_what_takes_long_is_given_again_for_a_while(site: Site) -> None:
    """Making it takes a tenth of the time at most, even if somebody asks all the time."""

    async def make() -> None:
        site.shown.time += 2

    site.shown.make = make
    assert (await site.get("/api/status")).text == '{"made": 1}'
    site.shown.time += 17.9
    assert (await site.get("/api/status")).text == '{"made": 1}'
    site.shown.time += 0.2
    assert (await site.get("/api/status")).text == '{"made": 2}'


@pytest.mark.parametrize("said", [b"", HALF], ids=["nothing", "half"])
async def test_silent_clients_keep_nobody_out(
    site: Site, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """However many connections wait for a request to come whole, a new one is served.

    The oldest of them goes, the others stay, and one line of the log tells of it.
    """
    first, *others = [await connected(site, said) for _ in range(3 * web.CONNECTIONS)]
    for _ in range(5):
        assert (await site.get("/healthz")).status == 200
    assert await ended(first)
    assert not others[-1].reader.at_eof()
    (told,) = caplog.messages
    assert told.startswith(f"more than {web.CONNECTIONS} connections")
    assert told.endswith("from 127.0.0.1")
    for one in (first, *others):
        one.writer.close()


async def test_too_many_clients_are_told_again_after_an_hour(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """A crowd that stays costs the log a line an hour."""
    held = [await connected(site, b"") for _ in range(web.CONNECTIONS + 1)]
    await ended(held[0])
    site.shown.time += 3599
    held.append(await connected(site, b""))
    await ended(held[1])
    assert len(caplog.messages) == 1
    site.shown.time += 1
    held.append(await connected(site, b""))
    await ended(held[2])
    assert len(caplog.messages) == 2
    for one in held:
        one.writer.close()


async def test_who_has_asked_stays_longer_than_who_has_not(site: Site) -> None:
    """A page that takes long is not given up for a crowd that says nothing."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def make() -> None:
        asked.set()
        await go.wait()

    site.shown.make = make
    waiting = await connected(site, asking("/metrics", "localhost"))
    await asked.wait()
    held = [await connected(site, HALF) for _ in range(2 * web.CONNECTIONS)]
    await ended(held[0])
    go.set()
    assert (await waiting.reader.read()).endswith(b"made 1\n")
    for one in (waiting, *held):
        one.writer.close()


async def test_who_waits_for_a_slow_page_keeps_nobody_out(site: Site) -> None:
    """Even if every connection has asked for what takes long, a new one is served."""

    async def make() -> None:
        await asyncio.Event().wait()

    site.shown.make = make
    held = [await connected(site, asking("/metrics", "localhost")) for _ in range(web.CONNECTIONS)]
    assert (await site.get("/healthz")).status == 200
    for one in held:
        one.writer.close()


async def test_who_connects_without_end_keeps_nobody_out(site: Site) -> None:
    """While somebody opens connections as fast as they are taken, whoever asks is answered."""
    host, _, port = site.address.rpartition(":")
    over = threading.Event()
    opened = 0

    def crowd() -> None:
        nonlocal opened
        held: deque[socket.socket] = deque()
        while not over.is_set():
            one = socket.create_connection((host, int(port)))
            opened += 1
            held.append(one)
            with suppress(OSError):
                one.send(HALF)
            if len(held) > 500:
                held.popleft().close()
        for one in held:
            one.close()

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
    """Whoever sends more than a request may have is cut off at once, in headers and in a body."""
    monkeypatch.setattr(web, "_IDLE_SECONDS", 3600)
    monkeypatch.setattr(web, "_LONGEST_SECONDS", 3600)
    what, asked = Shown(), asyncio.Event()

    async def make() -> None:
        asked.set()
        await asyncio.Event().wait()

    what.make = make
    async with shown(what) as site:
        one = await connected(site, f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{begun}".encode())
        if begun:
            await asked.wait()
        header = b"X: " + b"a" * 4091 + b"\r\n"
        one.writer.write(header * (web.LARGEST_REQUEST // len(header) - 1))
        assert (await site.get("/healthz")).status == 200
        assert not one.reader.at_eof()
        one.writer.write(header)
        async with asyncio.timeout(60):
            assert await ended(one)
        one.writer.close()


async def test_a_silent_client_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection on which no whole request comes is closed."""
    monkeypatch.setattr(web, "_IDLE_SECONDS", 0.01)
    async with shown(Shown()) as site:
        assert await site.send(b"GET /healthz HTTP/1.1\r\nHost:") == b""


async def test_a_client_that_does_not_read_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody takes is given up, and others are answered meanwhile."""
    monkeypatch.setattr(web, "_LONGEST_SECONDS", 0.2)

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
    monkeypatch.setattr(web, "_SHUTDOWN_SECONDS", 0.01)
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
    assert not [one for one in asyncio.all_tasks() - ours if "_timed" in repr(one)]


# --- addresses -----------------------------------------------------------------------------------


async def test_it_tells_where_it_listens() -> None:
    """With port 0 the address is that of the port the system gave."""
    async with shown(Shown()) as site:
        assert site.address.startswith("127.0.0.1:")
        assert not site.address.endswith(":0")


async def test_it_listens_on_ipv6() -> None:
    """An address of IPv6 stands in brackets, and so it is told."""
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
        return [one for each in addresses for one in resolve(each, port, type=socket.SOCK_STREAM)]

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
    """A second daemon is told that there may be a first."""
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
