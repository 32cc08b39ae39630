"""What is shown over HTTP: the right codes, nothing more than asked, and nobody is waited for."""

from __future__ import annotations

import asyncio
import json
import select
import socket
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from winter_sync import web
from winter_sync.errors import StorageError, UsageError
from winter_sync.web import Sources, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from multidict import CIMultiDictProxy

LOCAL = "127.0.0.1:0"
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
async def shown(what: Shown, listen: str = LOCAL) -> AsyncIterator[Site]:
    """Serve, and give a client."""
    async with (
        serving(listen, what.sources, monotonic=lambda: what.time) as address,
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
    assert (await site.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())).startswith(
        b"HTTP/1.1 404 "
    )


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


async def test_too_many_clients_are_turned_away(site: Site) -> None:
    """Of connections that say nothing only so many are held; the others are closed at once."""
    host, _, port = site.address.rpartition(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(web.CONNECTIONS)]
    assert await site.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    for _, one in held:
        one.close()


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
            lazy.send(b"GET /api/status HTTP/1.1\r\nHost: x\r\n\r\n")
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
