"""The client of the archive: what it sends, what it makes of each answer, what it never shows."""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import traceback
import tracemalloc
import zlib
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

import pytest
from aiohttp import web
from support.driven import DrivenTime
from support.rig import path_of
from support.wires import ABSURD_DATES, OK, abort, listening, request_of, saying

from winter_sync.archive.client import ArchiveClient
from winter_sync.archive.listing import MOST_ROWS
from winter_sync.archive.queries import query_body
from winter_sync.archive.requests import Timeouts
from winter_sync.core.clocks import Time, utc_now
from winter_sync.core.credentials import Credentials
from winter_sync.core.downloads import Batch, Candidate
from winter_sync.core.errors import (
    BadAnswerError,
    CredentialsRefusedError,
    RejectedQueryError,
    TransientError,
    WinterSyncError,
)
from winter_sync.core.marks import Marks
from winter_sync.core.queries import Cone, Query, Rectangle, Subject, Target
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Observatory,
    Simulator,
    demo_universe,
    key_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from winter_sync.core.queries import Region

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROGRAM = "2024A000"
GOOD = Credentials(DEFAULT_USER, DEFAULT_PASSWORD, {PROGRAM: key_of(PROGRAM)})
SECRET = Credentials("someone@example.org", "p@ss word/+&", {PROGRAM: "k=y?&#%/ü"})
STACKS = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK)
QUERY = Query(STACKS, date(2025, 10, 20))


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """Yield a running archive."""
    async with Simulator(Observatory(demo_universe())) as running:
        yield running


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[str]:
    """Run a server that answers everything with one handler; gives its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Options(TypedDict, total=False):
    """What of an `ArchiveClient` a test may choose."""

    timeouts: Timeouts


class Client:
    """An `ArchiveClient` whose waits take no time and are noted."""

    def __init__(
        self,
        url: str,
        credentials: Credentials = GOOD,
        clock: Callable[[], datetime] = utc_now,
        **options: Unpack[Options],
    ) -> None:
        self.waits: list[float] = []
        self.api = ArchiveClient(
            url,
            credentials,
            interval=0,
            time=Time(clock, lambda: sum(self.waits), self._sleep),
            **options,
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def __aenter__(self) -> Self:
        await self.api.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.api.__aexit__(*error)


def batch_of(observatory: Observatory, kind: ImageType = ImageType.STACK) -> Batch:
    """Make a batch of all products of a type."""
    return Batch(
        "batch",
        tuple(
            Candidate(
                product=product,
                program=PROGRAM,
                path=path_of(product),
                attempts=0,
                marks=Marks(),
                expected_size=1,
            )
            for product in observatory.products(PROGRAM, Instrument.WINTER, kind)
        ),
    )


async def test_the_archive_accepts_every_call(simulator: Simulator) -> None:
    """Ping, user, program and query all work against the archive of the contract."""
    async with Client(simulator.url) as client:
        await client.api.ping()
        await client.api.check_user()
        program = await client.api.program(PROGRAM)
        listing = await client.api.query(QUERY)
    assert program.start is not None
    assert program.end is not None
    assert program.start < program.end
    expected = simulator.observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    assert {row.product for row in listing.rows} == set(expected)
    assert listing.faults == ()


async def test_a_download_gives_the_zip(simulator: Simulator) -> None:
    """The bytes of a download come whole, and its headers are read."""
    async with (
        Client(simulator.url) as client,
        client.api.download(batch_of(simulator.observatory)) as download,
    ):
        content = b"".join([block async for block in download.blocks()])
    assert content.startswith(b"PK\x03\x04")
    assert b"PK\x05\x06" in content[-100:]
    assert download.missing == 0


@pytest.mark.parametrize(
    ("region", "more"),
    [
        (None, {}),
        (Target("SN2023ixf"), {"target_name": "SN2023ixf"}),
        (Cone(210.9, 54.3, 2.0), {"ra": 210.9, "dec": 54.3, "radius_deg": 2.0}),
        (
            Rectangle(10, 20, -5, 5),
            {"ra_min": 10, "ra_max": 20, "dec_min": -5, "dec_max": 5},
        ),
    ],
)
def test_a_query_is_written_as_the_contract_has_it(
    region: Region | None, more: dict[str, object]
) -> None:
    """Each kind of query has the fields that winter-api.md names, dates as whole numbers."""
    subject = Subject(PROGRAM, Instrument.WINTER, ImageType.RAW, region)
    assert query_body(Query(subject, date(2024, 1, 1), date(2024, 3, 1))) == {
        "program_name": PROGRAM,
        "start_date": 20240101,
        "end_date": 20240301,
        "image_type": "raw",
        **more,
    }


def test_an_open_query_has_no_end() -> None:
    """A query up to now leaves its end to the server, whose today may not be ours."""
    assert "end_date" not in query_body(QUERY)


async def test_a_body_on_a_get_says_that_it_is_json() -> None:
    """The query travels as a JSON list in a GET, with the type that newer servers insist on."""
    seen: list[tuple[str, str, object]] = []

    async def note(request: web.Request) -> web.Response:
        seen.append((request.method, request.content_type, await request.json()))
        return web.json_response({"msg": "", "body": []})

    async with answering(note) as url, Client(url) as client:
        await client.api.query(QUERY)
    assert seen == [("GET", "application/json", [query_body(QUERY)])]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, CredentialsRefusedError),
        (403, CredentialsRefusedError),
        (422, RejectedQueryError),
        (404, BadAnswerError),
        (418, BadAnswerError),
        (429, TransientError),
        (500, TransientError),
        (502, TransientError),
        (503, TransientError),
        (504, TransientError),
    ],
)
async def test_each_status_has_its_remedy(status: int, error: type[WinterSyncError]) -> None:
    """Every status becomes the error whose remedy fits, for queries and downloads alike."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"detail": "said the server"}, status=status)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(error, match="said the server") as told:
            await client.api.query(QUERY)
        assert told.value.remedy
        with pytest.raises(error):
            async with client.api.download(batch_of(Observatory(demo_universe()))):
                pass


async def test_a_rejection_is_reported_in_the_servers_words() -> None:
    """The messages of a 422 reach the reader, joined."""

    async def answer(_: web.Request) -> web.Response:
        detail = [{"loc": ["body"], "msg": "End date is in the future"}, {"msg": "so is start"}]
        return web.json_response({"detail": detail}, status=422)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(RejectedQueryError, match="End date is in the future; so is start"):
            await client.api.query(QUERY)


async def test_what_a_server_says_cannot_steer_a_terminal() -> None:
    """Control characters in an error's detail are shown, not passed on."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"detail": "\x1b[31mred\r\n"}, status=404)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(BadAnswerError) as told:
            await client.api.query(QUERY)
    assert told.value.message.isprintable()
    assert r"\x1b[31mred\r\n" in told.value.message


STEERING = "\x1b]0;title\x07\x1b[31m\r\n\u202e"


async def test_a_programs_title_cannot_steer_a_terminal() -> None:
    """The title of a program is printable, short, and without a secret that was echoed in it."""

    async def answer(request: web.Request) -> web.Response:
        title = f"{STEERING} {request.query['program_api_key']} {'x' * 10_000}"
        return web.json_response({"body": {"progtitle": title}})

    async with answering(answer) as url, Client(url) as client:
        title = (await client.api.program(PROGRAM)).title
    assert title is not None
    assert title.isprintable()
    assert title.startswith(r"\x1b]0;title\x07\x1b[31m\r\n\u202e [secret] xxx")
    assert len(title) <= 500


@pytest.mark.parametrize("status", [200, 400, 404, 401, 422, 500, 503])
async def test_no_body_can_steer_a_terminal(status: int) -> None:
    """However a body is written, what is said of it is printable, and no Python literal."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=STEERING.encode() + b"\xff\x9b")

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(WinterSyncError) as told:
            await client.api.query(QUERY)
    assert told.value.message.isprintable()
    assert r"\x1b]0;title\x07\x1b[31m\r\n\u202e\xff\x9b" in told.value.message
    assert "b'" not in told.value.message


async def test_no_row_can_steer_a_terminal() -> None:
    """What is said of rows that make no sense is printable, whatever they hold."""

    async def answer(_: web.Request) -> web.Response:
        bad = {"savepath": STEERING, "image_type": STEERING, "ra": STEERING}
        return web.json_response({"msg": "", "body": [bad, STEERING, {STEERING: 1}]})

    async with answering(answer) as url, Client(url) as client:
        listing = await client.api.query(QUERY)
    assert len(listing.faults) == 3
    assert all(fault.isprintable() for fault in listing.faults)


@pytest.mark.parametrize("retry", [*ABSURD_DATES, "9" * 5000, "-1", "1e9", "inf", "nan"])
@pytest.mark.parametrize("date_text", [ABSURD_DATES[0], ABSURD_DATES[2], "x"])
async def test_no_wait_that_is_asked_for_is_too_odd(retry: str, date_text: str) -> None:
    """Whatever `Retry-After` says, beside whatever `Date`, the answer is trouble that may pass."""
    head = f"HTTP/1.1 503 No\r\nContent-Length: 0\r\nDate: {date_text}\r\nRetry-After: {retry}"
    said = head.replace("\x1b", "").encode(errors="surrogateescape")
    async with (
        listening(saying(said + b"\r\n\r\n")) as port,
        Client(f"http://127.0.0.1:{port}") as client,
    ):
        with pytest.raises(TransientError, match="503"):
            await client.api.ping()
        assert abs(client.api.today - datetime.now(UTC).date()) <= timedelta(days=1)


async def test_passing_trouble_is_tried_again() -> None:
    """A request that fails twice for a passing reason succeeds at the third attempt."""
    calls = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        good = web.json_response({"msg": "", "body": []})
        return good if calls == 3 else web.Response(status=502, text="<html>")

    async with answering(answer) as url, Client(url) as client:
        await client.api.query(QUERY)
        assert calls == 3
        assert len(client.waits) == 2


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry-After": "12"}, [12.0] * 10),
        (
            {
                "Retry-After": "Thu, 01 Jan 2026 00:00:20 GMT",
                "Date": "Thu, 01 Jan 2026 00:00:00 GMT",
            },
            [20.0] * 6,
        ),
        ({"Retry-After": "3600"}, []),
    ],
    ids=["seconds", "date", "long"],
)
async def test_retry_after_is_honoured(headers: dict[str, str], waits: list[float]) -> None:
    """We leave the server alone for as long as it asks, and give up when that is too long."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=503, headers=headers)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(TransientError) as told:
            await client.api.query(QUERY)
        long_waits = [wait for wait in client.waits if wait > 0]
        assert long_waits == waits
        assert "the server returns errors (503): " in told.value.message


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b'{"msg": "oops"', b"3", b'"text"'])
async def test_what_is_no_table_is_a_bad_answer(body: bytes) -> None:
    """An error page, nothing, cut JSON or JSON without a table is never taken for an empty one."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(BadAnswerError):
            await client.api.query(QUERY)


@pytest.mark.parametrize("row", ["[]", "{}", '"a"', '{"a":1,"b":2}'])
async def test_an_answer_cannot_take_all_memory(row: str) -> None:
    """Many values in few bytes, sent in fewer by compression, are refused before they are made."""
    body = gzip.compress(b'{"body": [[' + b",".join([row.encode()] * 800_001) + b"]]}", 1)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(BadAnswerError, match="more than 800000 values") as told:
            await client.api.query(QUERY)
    assert told.value.remedy


@pytest.mark.parametrize("row", ["0", "[]", '{"savepath": "/x/20240211/a.fits"}'])
async def test_an_answer_with_too_many_rows_is_asked_for_in_parts(row: str) -> None:
    """More rows than are taken at once, however small, are a bad answer: that halves a window."""
    body = b'{"body": [' + b",".join([row.encode()] * (MOST_ROWS + 1)) + b"]}"

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(BadAnswerError, match=f"lists more than {MOST_ROWS} rows at once"):
            await client.api.query(QUERY)


@pytest.mark.parametrize(
    "body",
    [
        b'{"body": ['
        + b",".join([b'{"savepath": "/x/20240211/a.fits"}'] * (MOST_ROWS + 1))
        + b"]}",
        b'{"body": "' + b"x" * 4_000_000 + b'"}',
        b"<html>" + b"x" * 4_000_000,
    ],
    ids=["too-many-rows", "no-table", "no-json"],
)
@pytest.mark.parametrize("asked_for", ["listing", "program"])
async def test_a_failure_that_is_kept_holds_nothing_of_the_answer(
    asked_for: str, body: bytes
) -> None:
    """A sweep keeps its failures until its end, and shorter spans may all fail too."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async def failure(client: Client) -> WinterSyncError:
        with pytest.raises(BadAnswerError) as told:
            await (
                client.api.query(QUERY) if asked_for == "listing" else client.api.program(PROGRAM)
            )
        return told.value

    async with answering(answer) as url, Client(url) as client:
        await failure(client)
        tracemalloc.start()
        kept = [await failure(client) for _ in range(4)]
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert len(kept) == 4
    assert held < 2 * 4_000_000, "the last answer may be on its way out"


@pytest.mark.parametrize("coding", ["gzip", "GZIP"])
async def test_a_listing_may_be_compressed(coding: str) -> None:
    """Listings are asked for in gzip, which makes them small, and are read so."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Accept-Encoding"])
        body = gzip.compress(b'{"msg": "", "body": []}')
        return web.Response(body=body, headers={"Content-Encoding": coding})

    async with answering(answer) as url, Client(url) as client:
        assert (await client.api.query(QUERY)).rows == ()
    assert asked == ["gzip"]


async def test_a_compressed_answer_has_the_same_limit() -> None:
    """A small answer that would become a large one is given up at the limit, without being made."""
    deflate = zlib.compressobj(9, wbits=31)
    begin = deflate.compress(b'"' + b" " * 1_000_000) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(b" " * 1_000_000) + deflate.flush(zlib.Z_FULL_FLUSH)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9999999\r\n\r\n"
    tracemalloc.start()
    async with (
        listening(saying(head + begin + again * 1000)) as port,
        Client(f"http://127.0.0.1:{port}") as client,
    ):
        with pytest.raises(BadAnswerError, match="more than 16777216 characters"):
            await client.api.query(QUERY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 1024 * 1024


@pytest.mark.parametrize("damage", ["cut", "more", "flipped"])
async def test_a_compressed_answer_that_is_damaged(damage: str) -> None:
    """Gzip that is cut, garbled or followed by something is a bad answer, not a shorter one."""
    good = gzip.compress(b'{"msg": "", "body": []}')
    body = {"cut": good[:-9], "more": good + good, "flipped": good[:-9] + b"\0" + good[-8:]}[damage]

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(BadAnswerError, match="not valid gzip"):
            await client.api.query(QUERY)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x"])
async def test_a_download_is_never_decompressed(coding: str) -> None:
    """A zip inside another compression, which was not asked for, is refused at its headers."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Accept-Encoding"])
        return web.Response(body=gzip.compress(b"PK"), headers={"Content-Encoding": coding})

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(BadAnswerError, match=rf"did not ask for \(Content-Encoding: {coding}"):
            async with client.api.download(batch_of(Observatory(demo_universe()))):
                pass
    assert asked == ["identity"]


async def test_an_error_may_be_compressed() -> None:
    """What the body of an error says is read in gzip as well."""

    async def answer(_: web.Request) -> web.Response:
        body = gzip.compress(b'{"detail": "out to lunch"}')
        return web.Response(status=503, body=body, headers={"Content-Encoding": "gzip"})

    async with answering(answer) as url, Client(url) as client:
        with pytest.raises(TransientError, match="out to lunch"):
            await client.api.query(QUERY)


async def test_no_cookie_is_kept() -> None:
    """What a server wants remembered is not sent back."""
    cookies: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "id=1; Path=/; Max-Age=9999"})

    async with answering(answer) as url, Client(url.replace("127.0.0.1", "localhost")) as client:
        await client.api.ping()
        await client.api.ping()
    assert cookies == [None, None]


async def test_few_announcements_are_passed_over() -> None:
    """Informational answers before the one that counts are allowed, up to sixteen."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with (
        listening(saying(*[hint] * 16, OK)) as port,
        Client(f"http://127.0.0.1:{port}") as client,
    ):
        await client.api.ping()
        await client.api.ping()


async def test_a_broken_request_is_sent_once() -> None:
    """Each attempt is one connection: a server that breaks sees no more of them than we count."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request_of(reader)
        abort(writer)

    async with listening(answer) as port, Client(f"http://127.0.0.1:{port}") as client:
        with pytest.raises(TransientError):
            await client.api.ping()
        assert connections == 1 + len(client.waits)


async def test_no_connection_outlives_its_answer() -> None:
    """A connection ends with its answer, so that nothing sent unasked is ever kept or read."""
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(OK)
        await writer.drain()
        with suppress(ConnectionError):
            assert await reader.read() == b""
        ended.set()

    async with listening(answer) as port, Client(f"http://127.0.0.1:{port}") as client:
        await client.api.ping()
        await asyncio.wait_for(ended.wait(), 10)


def test_our_own_patience_is_no_silence_of_the_server() -> None:
    """However far apart requests are to be, waiting for one's turn is not waiting for an answer."""
    time = DrivenTime(datetime(2025, 10, 26, tzinfo=UTC))

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"body": []})

    async def ask_twice() -> None:
        async with (
            answering(answer) as url,
            ArchiveClient(url, GOOD, interval=3600, time=Time(monotonic=time.loop.time)) as api,
        ):
            async with asyncio.TaskGroup() as group:
                for _ in range(2):
                    group.create_task(api.query(QUERY))
            async with api.download(batch_of(Observatory(demo_universe()))) as download:
                assert [block async for block in download.blocks()] == [b'{"body": []}']

    time.run(ask_twice())
    assert time.loop.now >= 2 * 3600


async def test_a_server_that_is_not_there(unused_tcp_port: int) -> None:
    """A refused connection is reported with the address and a remedy, after a few attempts."""
    async with Client(f"http://127.0.0.1:{unused_tcp_port}") as client:
        with pytest.raises(
            TransientError, match=f"127.0.0.1:{unused_tcp_port}.*[Rr]efused"
        ) as told:
            await client.api.ping()
        assert len(client.waits) == 3
    assert "base_url" in told.value.remedy


async def test_silence_has_limits(simulator: Simulator) -> None:
    """A wait for the answer, the first byte, and more of a download, each has its own limit."""
    timeouts = Timeouts(query=0.05, first_byte=0.05, silence=0.05)
    forever = asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        await forever.wait()
        return web.Response()

    async def stuck(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"PK\x03\x04")
        await forever.wait()
        return response

    batch = batch_of(simulator.observatory)
    async with answering(silent) as url, Client(url, timeouts=timeouts) as client:
        waited = "the server did not send its whole answer to /images/query within 0.05 s"
        with pytest.raises(TransientError, match=waited):
            await client.api.query(QUERY)
    async with answering(silent) as url, Client(url, timeouts=timeouts) as client:
        waited = "the server did not send the first byte of a download within 0.05 s"
        with pytest.raises(TransientError, match=waited):
            async with client.api.download(batch):
                pass
    async with answering(stuck) as url, Client(url, timeouts=timeouts) as client:
        await _meets_silence(client.api, batch)


async def _meets_silence(api: ArchiveClient, batch: Batch) -> None:
    async with api.download(batch) as download:
        blocks = download.blocks()
        assert await anext(blocks) == b"PK\x03\x04"
        waited = "the server did not send anything more of a download within 0.05 s"
        with pytest.raises(TransientError, match=waited):
            await anext(blocks)


async def test_a_body_that_breaks_is_passing_trouble() -> None:
    """A connection that ends inside the body is never taken for its end."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"PK\x03\x04")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with (
        answering(cut) as url,
        Client(url) as client,
        client.api.download(batch_of(Observatory(demo_universe()))) as download,
    ):
        with pytest.raises(TransientError):
            _ = [block async for block in download.blocks()]


async def test_the_servers_today_counts() -> None:
    """The date that queries go by is the archive's, where our own clock is some hours ahead."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"Date": "Mon, 12 Feb 2024 23:59:59 GMT"})

    def ahead() -> datetime:
        return datetime(2024, 2, 13, 11, 59, 59, tzinfo=UTC)

    async with answering(answer) as url, Client(url, clock=ahead) as client:
        assert client.api.server.clock.offset is None
        await client.api.ping()
        assert client.api.today == date(2024, 2, 12)
        assert client.api.server.clock.offset == timedelta(hours=-12)
        assert client.api.server.clock.is_believed


ECHOES = [
    {"status": 200, "text": "<html>{url} {authorization}</html>"},
    {"status": 401, "text": '{{"detail": "{url} {authorization}"}}'},
    {"status": 422, "text": '{{"detail": [{{"msg": "{url} {authorization} {body}"}}]}}'},
    {"status": 500, "text": "{url} {authorization}"},
    {"status": 404, "text": "{url} {authorization}"},
]


@pytest.mark.parametrize("echo", ECHOES, ids=lambda echo: str(echo["status"]))
async def test_no_error_holds_a_secret(echo: dict[str, Any]) -> None:
    """Even when the server echoes all it was sent, no error text and no cause holds a secret."""

    async def answer(request: web.Request) -> web.Response:
        text = echo["text"].format(
            url=str(request.url).replace('"', ""),
            authorization=request.headers.get("Authorization", ""),
            body=json.dumps(SECRET.keys[PROGRAM])[1:-1],
        )
        return web.Response(status=echo["status"], text=text)

    async with answering(answer) as url, Client(url, SECRET) as client:
        with pytest.raises(WinterSyncError) as told:
            await client.api.query(QUERY)
    shown = "".join(traceback.format_exception(told.value)) + repr(vars(told.value))
    for secret in (SECRET.user, SECRET.password, SECRET.keys[PROGRAM], "c29tZW9uZU"):
        assert secret not in shown


async def test_no_transport_error_holds_a_secret(unused_tcp_port: int) -> None:
    """When the connection fails, neither the error nor its causes show the URL's query."""
    async with Client(f"http://127.0.0.1:{unused_tcp_port}", SECRET) as client:
        with pytest.raises(TransientError) as told:
            await client.api.query(QUERY)
    shown = "".join(traceback.format_exception(told.value))
    assert "program_api_key" not in shown
    assert told.value.__cause__ is None
    assert told.value.__context__ is None
