"""Scripts of faults are read as they are meant, and every kind does on the wire what it says."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import io
import json
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from hypothesis import given
from hypothesis import strategies as st
from simulator.archive_client import PROGRAM, Client, credentials, unzipped

import winter_sync
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Call,
    Circumstances,
    Observatory,
    Scripted,
    Simulator,
    SimulatorOptions,
    ZipStyle,
    parse_script,
    simulator_of,
)
from winter_sync.simulator.faults.kinds import ENDPOINTS
from winter_sync.simulator.faults.script import KINDS, Place, Rule

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

STREAMED = ZipStyle(built="streamed", chunk_size=500)
NAMES = ("503", "flip", "reset-body", "silence", "columns", "poison")


def rule(name: str, **more: Any) -> Rule:  # noqa: ANN401 - the fields of a rule
    """Return a rule for a kind by its name; by default it strikes where the kind does."""
    kind = KINDS[name]
    place = more.pop("place", Place())
    if not place.endpoints:
        place = replace(place, endpoints=tuple(sorted(kind.strikes)))
    return Rule(kind, place=place, **more)


DOWNLOAD = ("download",)
READ = [
    ("503", [rule("503")]),
    ("503:0.1", [rule("503", rate=0.1)]),
    ("503=30:.5", [rule("503", value=30.0, rate=0.5)]),
    ("flip:x3", [rule("flip", count=3)]),
    ("flip:1x3", [rule("flip", count=3)]),
    ("flip:0.25x3", [rule("flip", rate=0.25, count=3)]),
    ("500@query", [rule("500", place=Place(("query",)))]),
    ("500@query+ping", [rule("500", place=Place(("query", "ping")))]),
    ("500@stack", [rule("500", place=Place(DOWNLOAD, ("stack",)))]),
    ("500@spring", [rule("500", place=Place(instruments=("spring",)))]),
    ("500@2024A000", [rule("500", place=Place(programs=("2024A000",)))]),
    ("poison@a*.fits", [rule("poison", place=Place(DOWNLOAD, globs=("a*.fits",)))]),
    (
        " reset-body:0.05@stack+diff , 401:x1 ",
        [
            rule("reset-body", rate=0.05, place=Place(DOWNLOAD, ("stack", "diff"))),
            rule("401", count=1),
        ],
    ),
]


@pytest.mark.parametrize(("text", "rules"), READ, ids=[text for text, _ in READ])
def test_a_script_is_read(text: str, rules: list[Rule]) -> None:
    """Kind, value, rate, number and place are read as they are written."""
    assert list(parse_script(text).rules) == rules


UNREADABLE = [
    ("", "no rule"),
    (" , ", "no rule"),
    ("flipp", "no fault is called 'flipp'; did you mean 'flip'"),
    ("resetbody:0.1", "did you mean 'reset-body'"),
    ("xyzzy", "known are 500, 502"),
    ("503@stak", "'stak' is no endpoint, image type.*did you mean 'stack'"),
    ("503:", "cannot be read"),
    ("503:many", "cannot be read"),
    ("503:x", "cannot be read"),
    ("503@", "cannot be read"),
    ("503:0", "more than 0 and at most 1"),
    ("503:1.5", "more than 0 and at most 1"),
    ("flip=3", "takes no number"),
    ("poison", "which products"),
    ("poison@stack", "which products"),
    ("columns@download", "columns cannot happen at 'download': it strikes query"),
    ("columns@stack", "cannot happen"),
    ("flip@query", "it strikes download"),
    ("500@query+stack", "only of downloads are image types and file names known"),
]


@pytest.mark.parametrize(("text", "told"), UNREADABLE)
def test_what_cannot_be_read_is_reported_with_the_nearest(text: str, told: str) -> None:
    """A wrong script is refused with the rule, what is wrong and the nearest known word."""
    with pytest.raises(ValueError, match=told):
        parse_script(text)


@given(st.lists(st.text("503flip:=x@*.+-stack ,0123456789", max_size=20), max_size=4))
def test_any_text_is_read_or_refused(parts: list[str]) -> None:
    """Nothing but a script or a refusal comes of a text."""
    try:
        script = parse_script(",".join(parts))
    except ValueError:
        return
    assert script.rules


def call(number: int, *names: str, path: str = "/images/download_list") -> Call:
    """Return a call that was never made."""
    savepaths = tuple(f"/data/loki/data/winter/20251023/final/{name}" for name in names)
    return Call(number, "GET", path, PROGRAM, Instrument.WINTER, ImageType.STACK, savepaths)


async def struck(script: str, calls: list[Call], seed: int = 0) -> list[int]:
    """Return the numbers of the calls that a script strikes."""
    faults = parse_script(script).faults(Circumstances(seed=seed))
    return [call.number for call in calls if await faults.before_zip(call) is not None]


async def test_the_fate_of_a_request_is_its_own() -> None:
    """In whatever order requests come, the same seed strikes the same; another strikes others."""
    calls = [call(number, f"{number % 300}.fits") for number in range(400)]
    first = await struck("503:0.3", calls)
    assert set(first) == set(await struck("503:0.3", calls[::2] + calls[1::2]))
    assert set(first) != set(await struck("503:0.3", calls, seed=1))


async def test_the_same_request_made_again_throws_the_dice_again() -> None:
    """A rate is not a product's doom: a repeated request is struck as often as any other."""
    calls = [call(number, "same.fits") for number in range(1000)]
    assert 70 < len(await struck("503:0.1", calls)) < 130


async def test_a_rate_is_kept() -> None:
    """About as many requests are struck as the rate says."""
    calls = [call(number, f"{number}.fits") for number in range(1000)]
    assert 150 < len(await struck("503:0.2", calls)) < 250


async def test_a_number_is_kept() -> None:
    """So many requests are struck, and none after."""
    calls = [call(number, f"{number}.fits") for number in range(100)]
    assert await struck("503:x3", calls) == [0, 1, 2]
    assert len(await struck("503:0.3x3", calls)) == 3


async def test_a_place_is_kept() -> None:
    """Only calls at the place of a rule are struck."""
    stacks = [call(0, "a_stack.fits"), call(1, "b.fits", "c.fits"), call(2, "b.fits")]
    assert await struck("503@a*.fits", stacks) == [0]
    assert await struck("503@c.fits", stacks) == [1]
    assert await struck("503@stack", stacks) == [0, 1, 2]
    assert await struck("503@diff+2024A000", stacks) == []
    assert await struck("503@2025B001", stacks) == []


@dataclass
class Wire:
    """A simulator with a fault, and what a plain client gets of it."""

    simulator: Simulator
    client: Client

    @property
    def paths(self) -> list[str]:
        """The savepaths of three stacks."""
        listed = self.simulator.observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
        return [product.savepath for product in listed[:3]]

    async def zip(self) -> aiohttp.ClientResponse:
        """Ask for three stacks."""
        return await self.client.download(self.paths, "stack")

    async def unread(self) -> aiohttp.ClientResponse:
        """Ask for three stacks, and leave the body to be read."""
        return await self.client.session.get(
            f"{self.simulator.url}/images/download_list",
            params=credentials(image_type="stack"),
            headers={"Authorization": aiohttp.encode_basic_auth(DEFAULT_USER, DEFAULT_PASSWORD)},
            json=[{"path": path} for path in self.paths],
        )

    @property
    def happened(self) -> Counter[str]:
        """How often each kind has struck."""
        assert isinstance(self.simulator.faults, Scripted)
        return self.simulator.faults.happened

    async def body(self) -> bytes:
        """Return the body of that."""
        return await (await self.zip()).read()

    async def members(self) -> dict[str, bytes | str]:
        """Return its members, and of those that cannot be read the reason."""
        with zipfile.ZipFile(io.BytesIO(await self.body())) as archive:
            return {info.orig_filename: _content(archive, info) for info in archive.infolist()}

    async def rows(self) -> Any:  # noqa: ANN401 - JSON
        """Return the `body` of a query's answer."""
        return (await (await self.client.ask()).json())["body"]

    @property
    def truth(self) -> list[bytes]:
        """The contents of the three stacks."""
        observatory = self.simulator.observatory
        return [observatory.content(Instrument.WINTER, path) for path in self.paths]


async def _once(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the simulator has nobody to tell
        await asyncio.sleep(0)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | str:
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
        return f"unreadable: {error}"


def status(number: int, **headers: str) -> Callable[[Wire], Awaitable[None]]:
    """Check that queries and downloads alike are answered so."""

    async def check(wire: Wire) -> None:
        for answer in (await wire.zip(), await wire.client.ask()):
            assert answer.status == number
            told = {name: answer.headers.get(name.replace("_", "-")) for name in headers}
            assert told == headers

    return check


async def _until(wire: Wire) -> None:
    """Check that we are sent away for half a minute, by the server's clock."""
    answer = await wire.zip()
    said = parsedate_to_datetime(answer.headers["Retry-After"])
    assert (said - parsedate_to_datetime(answer.headers["Date"])).total_seconds() == 30


async def _is_page(wire: Wire) -> None:
    answer = await wire.zip()
    assert (answer.status, answer.content_type) == (200, "text/html")


async def _is_other_json(wire: Wire) -> None:
    answer = await wire.client.ask()
    assert answer.status == 200
    assert list(await answer.json()) == ["detail"]


async def _is_broken_json(wire: Wire) -> None:
    answer = await wire.client.ask()
    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        await answer.json()


async def _is_nothing(wire: Wire) -> None:
    assert await wire.body() == b""


async def _is_cut(wire: Wire) -> None:
    with pytest.raises(aiohttp.ClientError):
        await wire.zip()


async def _is_refused(wire: Wire) -> None:
    """Check that connections are cut and refused, and taken again when the wait is over."""
    assert (await wire.client.get("/ping")).status == 200
    await _is_cut(wire)
    with pytest.raises(aiohttp.ClientConnectorError):
        await wire.client.get("/ping")
    assert isinstance(wire.simulator.faults, Scripted)
    wire.simulator.faults.release()
    assert wire.simulator._absence is not None
    await wire.simulator._absence
    assert (await wire.client.get("/ping")).status == 200
    assert WAITED["seconds"] == 7


async def _is_silent(wire: Wire) -> None:
    """Check that a call is held until its client leaves."""
    asked = asyncio.create_task(wire.zip())
    await _once(lambda: wire.happened)
    assert not asked.done()
    asked.cancel()
    await _once(lambda: wire.simulator.requests)
    assert not wire.simulator.requests[0].complete


async def _has_columns(wire: Wire) -> None:
    columns = await wire.rows()
    assert set(columns["image_type"]) == {"stack"}
    assert len(columns["savepath"]) > 3


async def _has_labelled_columns(wire: Wire) -> None:
    columns = await wire.rows()
    assert list(columns["savepath"])[:2] == ["0", "1"]


async def _has_new_columns(wire: Wire) -> None:
    assert all("seeing" in row for row in await wire.rows())


async def _has_wild_values(wire: Wire) -> None:
    rows = await wire.rows()
    listed = wire.simulator.observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    assert [row["savepath"] for row in rows] == [product.savepath for product in listed]
    assert "DROP TABLE" in str(rows)


async def _is_too_deep(wire: Wire) -> None:
    answer = await wire.client.ask()
    assert answer.status == 200
    with pytest.raises(RecursionError):
        await answer.json()


async def _has_nulls(wire: Wire) -> None:
    assert (await wire.rows()).count(None) == 2


async def _has_odd_rows(wire: Wire) -> None:
    rows = await wire.rows()
    assert "row" in rows
    assert any("passwd" in str(row) for row in rows)
    assert sum(isinstance(row, dict) and "progname" in row for row in rows) > 3


async def _is_capped(wire: Wire) -> None:
    assert len(await wire.rows()) == 3


async def _is_shuffled(wire: Wire) -> None:
    first, again = await wire.rows(), await wire.rows()
    assert first != again
    assert sorted(map(str, first)) == sorted(map(str, again))


async def _has_no_rows(wire: Wire) -> None:
    assert await wire.rows() == []


async def _has_rows_twice(wire: Wire) -> None:
    paths = [row["savepath"] for row in await wire.rows()]
    assert set(Counter(paths).values()) == {2}


async def _has_no_table(wire: Wire) -> None:
    assert await wire.rows() is None


def ends(members: int, *, inside: bool, directory: bool = False) -> Callable[[Wire], Any]:
    """Check that a body ends as if complete after the given number of members began."""

    async def check(wire: Wire) -> None:
        body = await wire.body()
        assert body.count(b"PK\3\4") == members
        assert (b"PK\1\2" in body) == directory
        before = await _whole(wire)
        assert before.startswith(body)
        signature = before[len(body) : len(body) + 4]
        assert (signature not in (b"PK\3\4", b"PK\1\2")) == inside

    return check


async def _whole(wire: Wire) -> bytes:
    wire.simulator.faults = type(wire.simulator.faults).__mro__[1]()
    return await wire.body()


async def _is_cut_inside(wire: Wire) -> None:
    await _is_cut(wire)
    (record,) = wire.simulator.requests
    assert (record.status, record.complete) == (200, False)
    assert record.sent > 0


async def _is_silent_inside(wire: Wire) -> None:
    """Check that a body is held after its first bytes, until the client leaves."""
    answer = await wire.unread()
    await answer.content.readexactly(700)
    answer.close()
    await _once(lambda: wire.simulator.requests)
    assert not wire.simulator.requests[0].complete
    assert wire.simulator.requests[0].sent == 700


async def _ends_anywhere(wire: Wire) -> None:
    body = await wire.body()
    assert len(body) == 700
    assert (await _whole(wire)).startswith(body)


async def _differs_in_one_bit(wire: Wire) -> None:
    body, truth = await wire.body(), await _whole(wire)
    wrong = [ours ^ theirs for ours, theirs in zip(body, truth, strict=True) if ours != theirs]
    assert wrong == [0x10]


async def _comes_in_drops(wire: Wire) -> None:
    """Two hundred bytes a second, by the clock that was given."""
    body = await wire.body()
    chunks = -(-len(body) // 500)
    assert WAITED.total() >= len(body) // 200
    assert WAITED.total() <= len(body) // 200 + chunks


async def _never_ends(wire: Wire) -> None:
    """Check that a body goes on until the client leaves."""
    answer = await wire.unread()
    assert (await answer.content.readexactly(3_000_000)).count(0) > 2_999_000
    answer.close()
    await _once(lambda: wire.simulator.requests)
    assert not wire.simulator.requests[0].complete


async def _has_more_after(wire: Wire) -> None:
    assert (await wire.body()).endswith(b"-->")


def one_unreadable(why: str) -> Callable[[Wire], Any]:
    """Check that one member of three cannot be read for this reason, and the others are right."""

    async def check(wire: Wire) -> None:
        members = list((await wire.members()).values())
        assert sum(content in wire.truth for content in members) == 2
        (reason,) = (content for content in members if isinstance(content, str))
        assert why in reason

    return check


def one_other(wanted: Callable[[bytes, bytes], bool]) -> Callable[[Wire], Any]:
    """Check that the content of one member of three is another, and what of it."""

    async def check(wire: Wire) -> None:
        members = list((await wire.members()).values())
        pairs = list(zip(members, wire.truth, strict=True))
        ((found, truth),) = [pair for pair in pairs if pair[0] != pair[1]]
        assert isinstance(found, bytes)
        assert wanted(found, truth)

    return check


def one_more(name: Callable[[str], bool]) -> Callable[[Wire], Any]:
    """Check that there is a fourth member, and its name."""

    async def check(wire: Wire) -> None:
        body = await wire.body()
        found = []
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            found = [info.orig_filename for info in archive.infolist()]
        assert len(found) == 4
        usual = {path.rpartition("/")[2] for path in wire.paths}
        assert any(
            name(message) for message in found if message not in usual or found.count(message) > 1
        )

    return check


async def _lacks_one(wire: Wire) -> None:
    answer = await wire.zip()
    assert answer.headers["missing-images"] == "0"
    assert len(await wire.members()) == 2


async def _inflates(wire: Wire) -> None:
    """Check that the header has the size of the true file, and that two megabytes come out."""
    body = await wire.body()
    sizes = {len(content) for content in wire.truth}
    longest = 0
    at = body.find(b"PK\3\4")
    while at >= 0:
        packed, size, name, extra = struct.unpack_from("<18x2I2H", body, at)
        assert size in sizes
        start = at + 30 + name + extra
        longest = max(longest, len(zlib.decompress(body[start : start + packed], -15)))
        at = body.find(b"PK\3\4", start + packed)
    assert longest == 2_000_000


async def _lies(wire: Wire) -> None:
    with zipfile.ZipFile(io.BytesIO(await wire.body())) as archive:
        told = [info.file_size for info in archive.infolist()]
    true = [len(content) for content in wire.truth]
    assert sorted(ours - theirs for ours, theirs in zip(told, true, strict=True)) == [0, 0, 1]


async def _has_no_fill(wire: Wire) -> None:
    """Check that all that is missing of one file is the zeros at its end."""
    found = list((await wire.members()).values())
    cut = [(ours, truth) for ours, truth in zip(found, wire.truth, strict=True) if ours != truth]
    ((ours, truth),) = cut
    assert isinstance(ours, bytes)
    assert truth.startswith(ours)
    assert len(ours) % 2880
    assert not truth[len(ours) :].strip(b"\0")
    assert _shape(ours, ignore_missing_end=True) == _shape(truth)


def _shape(content: bytes, **options: Any) -> list[Any]:  # noqa: ANN401 - astropy's own
    """Return the data of each HDU as astropy reads them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "File may have been truncated", AstropyUserWarning)
        with fits.open(io.BytesIO(content), **options) as found:
            return [None if hdu.data is None else hdu.data.tolist() for hdu in found]


async def _has_a_wrong_sum(wire: Wire) -> None:
    """Check that astropy finds the sum of one file wrong, and nothing else of it changed."""
    found = list((await wire.members()).values())
    ((ours, truth),) = [
        (ours, truth) for ours, truth in zip(found, wire.truth, strict=True) if ours != truth
    ]
    assert isinstance(ours, bytes)
    with pytest.warns(AstropyUserWarning, match="Datasum verification failed"):
        fits.open(io.BytesIO(ours), checksum=True).close()
    assert _shape(ours) == _shape(truth)


async def _has_fewer_boards(wire: Wire) -> None:
    """Check that an exposure has two extensions."""
    observatory = wire.simulator.observatory
    listed = observatory.products(PROGRAM, Instrument.WINTER, ImageType.EXPOSURE)
    answer = await wire.client.download([listed[0].savepath], "exposure")
    (content,) = (await unzipped(answer)).values()
    truth = observatory.content(Instrument.WINTER, listed[0].savepath)
    assert truth.startswith(content)
    assert len(_shape(content)) == 3


async def _is_packed_with_gzip(wire: Wire) -> None:
    """Check that files are listed, asked for and sent as .fits.gz, and hold what they are of."""
    rows = [row["savepath"] for row in await wire.rows()]
    stacks = [path for path in rows if path.removesuffix(".gz") in wire.paths]
    assert [f"{path}.gz" for path in wire.paths] == stacks
    members = await unzipped(await wire.client.download(stacks, "stack"))
    assert list(members) == [path.rpartition("/")[2] for path in stacks]
    assert [gzip.decompress(content) for content in members.values()] == wire.truth


async def _has_other_names(wire: Wire) -> None:
    """Check that rows of other files are among those of FITS files."""
    names = [row["savepath"] for row in await wire.rows()]
    assert set(wire.paths) <= set(names)
    assert {".jpg", ".md5", ".Z"} <= {Path(name).suffix for name in names}


async def _comes_empty_again_and_again(wire: Wire) -> None:
    with zipfile.ZipFile(io.BytesIO(await wire.body())) as archive:
        found = [(info.filename, info.file_size) for info in archive.infolist()]
    assert sum(size == 0 for _, size in found) == 7
    assert len({name for name, size in found if size == 0}) == 1
    assert len(found) == 9


async def _inflates_late(wire: Wire) -> None:
    """Check that the size of one member is written after it, and that two megabytes come out."""
    with zipfile.ZipFile(io.BytesIO(await wire.body())) as archive:
        (bomb,) = [info for info in archive.infolist() if info.flag_bits & 0x0008]
        assert archive.read(bomb) == bytes(2_000_000)
        assert bomb.compress_size < 3000


async def _has_a_descriptor(wire: Wire) -> None:
    with zipfile.ZipFile(io.BytesIO(await wire.body())) as archive:
        found = [info for info in archive.infolist() if info.flag_bits & 0x0008]
        assert [info.compress_type for info in found] == [zipfile.ZIP_STORED]
        assert [archive.read(info) for info in archive.infolist()] == wire.truth


async def _is_zip64(wire: Wire) -> None:
    body = await wire.body()
    assert body.count(b"PK\3\4\x2d\0") == 1
    assert list((await wire.members()).values()) == wire.truth


async def _does_not_count(wire: Wire) -> None:
    assert "missing-images" not in (await wire.zip()).headers


async def _miscounts(wire: Wire) -> None:
    assert (await wire.zip()).headers["missing-images"] == "4"


CHECKS: dict[str, Callable[[Wire], Any]] = {
    "500": status(500),
    "502": status(502),
    "503=7": status(503, Retry_After="7"),
    "503-until": _until,
    "504": status(504),
    "429=9": status(429, Retry_After="9"),
    "429-until=30": _until,
    "401": status(401),
    "403": status(403),
    "404": status(404),
    "422": status(422),
    "html": _is_page,
    "json": _is_other_json,
    "broken-json": _is_broken_json,
    "deep-json": _is_too_deep,
    "nothing": _is_nothing,
    "reset": _is_cut,
    "refuse=7@download": _is_refused,
    "silence": _is_silent,
    "columns": _has_columns,
    "labelled-columns": _has_labelled_columns,
    "new-columns": _has_new_columns,
    "wild-values": _has_wild_values,
    "null-row": _has_nulls,
    "odd-rows": _has_odd_rows,
    "no-rows": _has_no_rows,
    "nothing-found": _has_no_rows,
    "capped=3": _is_capped,
    "shuffled": _is_shuffled,
    "rows-twice": _has_rows_twice,
    "no-table": _has_no_table,
    "reset-body=700": _is_cut_inside,
    "end-early=700": _ends_anywhere,
    "end-between": ends(1, inside=False),
    "end-inside": ends(3, inside=True),
    "end-directory": ends(3, inside=False),
    "silence-body=700": _is_silent_inside,
    "trickle=200": _comes_in_drops,
    "garble=700": _differs_in_one_bit,
    "endless": _never_ends,
    "poison@*": _is_cut_inside,
    "more-after": _has_more_after,
    "flip": one_unreadable("r"),
    "size-lies": _lies,
    "bomb=2": _inflates,
    "unasked": one_more(lambda name: name.endswith("_of_another.fits")),
    "twice": one_more(lambda name: name.startswith("WINTERcamera")),
    "left-out": _lacks_one,
    "name-up": one_more(lambda name: name.startswith("../")),
    "name-absolute": one_more(lambda name: name.startswith("/tmp/")),  # noqa: S108 - a wrong name
    "name-nul": one_more(lambda name: "\0" in name),
    "name-long": one_more(lambda name: len(name) == 4096),
    "zip64": _is_zip64,
    "descriptors": _has_a_descriptor,
    "encrypted": one_unreadable("is encrypted"),
    "unknown-method": one_unreadable("compression method"),
    "half": one_other(lambda found, truth: found == truth[: len(truth) // 2]),
    "unfilled": one_other(lambda found, truth: found == bytes(len(truth))),
    "empty-member": one_other(lambda found, _: found == b""),
    "html-member": one_other(lambda found, _: found.startswith(b"<!DOCTYPE html>")),
    "no-fill": _has_no_fill,
    "zeros-after=99": one_other(lambda found, truth: found == truth + bytes(99)),
    "junk-after": one_other(lambda found, truth: found.startswith(truth + b"what a writer")),
    "wrong-sum": _has_a_wrong_sum,
    "boards=2": _has_fewer_boards,
    "gzipped": _is_packed_with_gzip,
    "other-names": _has_other_names,
    "empties=7": _comes_empty_again_and_again,
    "bomb-late=2": _inflates_late,
    "no-count": _does_not_count,
    "miscount": _miscounts,
}
WAITED: Counter[str] = Counter()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("script", CHECKS)
async def test_each_kind_on_the_wire(observatory: Observatory, script: str) -> None:
    """A plain client meets just what the name of a kind says."""
    WAITED.clear()

    async def wait(seconds: float) -> None:
        WAITED["seconds"] += int(seconds)
        if "refuse" in script:
            await told.wait()

    told = asyncio.Event()
    circumstances = Circumstances(now=observatory.clock.now, sleep=wait, released=told)
    faults = parse_script(script).faults(circumstances)
    async with (
        Simulator(observatory, faults=faults, zip_style=STREAMED) as simulator,
        aiohttp.ClientSession() as session,
    ):
        await CHECKS[script](Wire(simulator, Client(simulator, session)))
        assert sum(faults.happened.values()) >= 1


def test_every_kind_is_tried() -> None:
    """No kind is without a check above, and each can be placed somewhere."""
    assert {parse_script(script).rules[0].kind.name for script in CHECKS} == set(KINDS)
    assert all(kind.strikes <= set(ENDPOINTS) and kind.strikes for kind in KINDS.values())


async def test_who_is_held_can_be_let_go(observatory: Observatory) -> None:
    """A held call continues, as if nothing had happened, when it is released."""
    faults = parse_script("silence").faults()
    async with (
        Simulator(observatory, faults=faults) as simulator,
        aiohttp.ClientSession() as session,
    ):
        asked = asyncio.create_task(Client(simulator, session).get("/ping"))
        await _once(lambda: faults.happened)
        faults.release()
        assert (await asked).status == 200


COMMAND = (sys.executable, "-m", "winter_sync", "simulate", "--port", "0", "--products", "20")
CHECKOUT = Path(winter_sync.__file__).parent.parent


def test_the_command_line_reports_a_wrong_script() -> None:
    """A script that cannot be read ends the command with what is wrong and where to look."""
    ended = subprocess.run(  # noqa: S603 - our own code
        [*COMMAND, "--faults", "flipp"], capture_output=True, text=True, check=False, cwd=CHECKOUT
    )
    assert ended.returncode == 2
    assert "no fault is called 'flipp'; did you mean 'flip'?" in ended.stderr
    assert "docs/reliability.md" in ended.stderr


def test_the_command_line_takes_a_script() -> None:
    """The faults scripted on the command line happen, as often as scripted."""
    process = subprocess.Popen(  # noqa: S603 - our own code
        [*COMMAND, "--faults", "502:x2@ping"], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    with process, ExitStack() as whatever_happens:
        whatever_happens.callback(process.kill)
        assert process.stdout is not None
        address = process.stdout.readline().strip().rpartition("//")[2]
        assert [_ping(address) for _ in range(3)] == [502, 502, 200]


def _ping(address: str) -> int:
    with closing(http.client.HTTPConnection(address)) as connection:
        connection.request("GET", "/ping")
        return connection.getresponse().status


async def test_the_options_of_a_simulator_have_a_script() -> None:
    """What the command line chooses is what goes wrong, by the seed of the observatory."""
    options = SimulatorOptions(port=0, products_a_night=20, faults=parse_script("502:x1@ping"))
    async with simulator_of(options) as simulator, aiohttp.ClientSession() as session:
        client = Client(simulator, session)
        assert [(await client.get("/ping")).status for _ in range(2)] == [502, 200]
