"""Zips of every style are whole, to two independent readers, and made one member at a time."""

from __future__ import annotations

import io
import itertools
import shutil
import struct
import subprocess
import tracemalloc
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Self

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator.archive_client import PROGRAM, Client, unzipped

from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Observatory, Simulator, ZipStyle
from winter_sync.simulator.packing.downloads import chunked
from winter_sync.simulator.packing.zips import Member, Packed, pack, zipped

if TYPE_CHECKING:
    from pathlib import Path

MODIFIED = datetime(2024, 2, 12, 12, 52, 16, tzinfo=UTC)
LAYOUTS: tuple[Literal["flat", "folder", "savepath"], ...] = ("flat", "folder", "savepath")
BUILT: tuple[Literal["before", "streamed"], ...] = ("before", "streamed")
ZIP64: tuple[Literal["auto", "always"], ...] = ("auto", "always")
STYLES = [
    replace(base, data_descriptors=late, layout=layout, built=built, zip64=zip64)
    for base, late, layout, built, zip64 in itertools.product(
        (ZipStyle("stored"), ZipStyle("deflated", 1), ZipStyle("deflated", 6)),
        (False, True),
        LAYOUTS,
        BUILT,
        ZIP64,
    )
]


def members(contents: dict[str, bytes], style: ZipStyle) -> list[Member]:
    """Return members that are packed when asked."""
    return [
        Member(name, MODIFIED, lambda content=content: pack(content, style))  # type: ignore[misc]
        for name, content in contents.items()
    ]


CONTENTS = {"a.fits": b"x" * 100_000, "night/b.fits": bytes(range(256)) * 99, "empty": b""}


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_zipfile_finds_the_zip_whole(style: ZipStyle) -> None:
    """Python's own reader accepts each style, with all names and contents."""
    whole = io.BytesIO(b"".join(zipped(members(CONTENTS, style), style)))
    with zipfile.ZipFile(whole) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
        assert archive.infolist()[0].date_time == (2024, 2, 12, 12, 52, 16)


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_unzip_finds_the_zip_whole(style: ZipStyle, tmp_path: Path) -> None:
    """Info-ZIP's reader accepts each style, too."""
    if not (unzip := shutil.which("unzip")):
        pytest.skip("needs unzip: apt install unzip")
    path = tmp_path / "members.zip"
    path.write_bytes(b"".join(zipped(members(CONTENTS, style), style)))
    subprocess.run([unzip, "-tq", path], check=True, capture_output=True)  # noqa: S603 - the system's


@pytest.mark.parametrize("style", STYLES, ids=str)
async def test_the_server_serves_each_style(observatory: Observatory, style: ZipStyle) -> None:
    """A download has the products' contents under the names of its layout."""
    products = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)[:3]
    paths = [product.savepath for product in products]
    async with (
        Simulator(observatory, zip_style=style) as simulator,
        aiohttp.ClientSession() as session,
    ):
        answer = await Client(simulator, session).download(paths, "stack")
    found = await unzipped(answer)
    assert list(found.values()) == [observatory.content("winter", path) for path in paths]
    folder = "WINTER_images_stack_2025_10_28_12_00_00"
    expected = {
        "flat": [product.filename for product in products],
        "folder": [f"{folder}/{product.filename}" for product in products],
        "savepath": [path.lstrip("/") for path in paths],
    }
    assert list(found) == expected[style.layout]


@pytest.mark.parametrize("method", ["stored", "deflated"])
@pytest.mark.parametrize("late", [False, True])
def test_styles_are_what_they_say(method: str, late: bool) -> None:  # noqa: FBT001 - a parameter
    """The local header shows the method, and sizes only without a data descriptor."""
    style = ZipStyle(method=method, data_descriptors=late)  # type: ignore[arg-type]
    content = b"spring " * 50
    data = b"".join(zipped(members({"a": content}, style), style))
    flags, number = struct.unpack_from("<HH", data, 6)
    crc, packed_size, size = struct.unpack_from("<III", data, 14)
    assert number == {"stored": 0, "deflated": 8}[method]
    assert bool(flags & 8) is late
    assert (size == len(content)) is not late
    assert bool(crc) is bool(packed_size) is not late


def test_zip64_is_used_where_it_is_needed() -> None:
    """A member beyond four gigabytes gets 64-bit sizes, and what follows a 64-bit offset."""
    huge, style = 5_000_000_000, ZipStyle(method="stored")
    # Only the sizes are huge: what is written of the member itself is nothing.
    packed = Packed(huge, 0, huge, lambda: iter((HugePiece(huge),)))
    small = members({"small": b"x"}, style)
    written = [*zipped([Member("huge", MODIFIED, lambda: packed), *small], style)]
    directory = written[-1]
    assert b"PK\6\6" in directory
    assert directory.count(struct.pack("<Q", huge)) == 2
    assert struct.pack("<Q", huge + 30 + 4 + 20) in directory


class HugePiece(bytes):
    """A piece that claims a length without having it."""

    def __new__(cls, _: int) -> Self:
        """Have no bytes at all."""
        return super().__new__(cls)

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        """Claim the length."""
        return self.length


def test_more_than_65535_members() -> None:
    """The number of members may exceed sixteen bits."""
    style = ZipStyle(method="stored")
    names = {f"{number}": b"" for number in range(65_536)}
    data = b"".join(zipped(members(names, style), style))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == list(names)


def test_members_are_packed_when_their_turn_comes() -> None:
    """A member is made only after all of the one before it was taken."""
    made = []

    def make(name: str) -> Packed:
        made.append(name)
        return pack(b"content", style)

    style = ZipStyle()
    pieces = zipped([Member(name, MODIFIED, lambda n=name: make(n)) for name in "ab"], style)  # type: ignore[misc]
    assert made == []
    local, data, descriptor = (next(pieces) for _ in range(3))
    assert local.startswith(b"PK\3\4")
    assert data
    assert descriptor == b""
    assert made == ["a"]
    next(pieces)
    assert made == ["a", "b"]


def test_one_member_is_held_at_a_time() -> None:
    """Streaming twenty members of a megabyte takes the memory of a few."""
    style, megabyte = ZipStyle(method="stored"), 1_000_000
    many = [Member(f"{n}", MODIFIED, lambda: pack(bytes(megabyte), style)) for n in range(20)]
    tracemalloc.start()
    try:
        total = sum(len(chunk) for chunk in chunked(zipped(many, style), 64 * 1024))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > 20 * megabyte
    assert peak < 4 * megabyte


@given(pieces=st.lists(st.binary(max_size=50)), size=st.integers(1, 20))
def test_chunks_have_one_size(pieces: list[bytes], size: int) -> None:
    """Chunks are the same bytes, all of the wanted size but for the last."""
    chunks = list(chunked(pieces, size))
    assert b"".join(chunks) == b"".join(pieces)
    assert all(len(chunk) == size for chunk in chunks[:-1])
    assert all(0 < len(chunk) <= size for chunk in chunks[-1:])


@given(
    contents=st.dictionaries(
        st.text("abcé/_.", min_size=1, max_size=8), st.binary(max_size=200), max_size=5
    ),
    style=st.sampled_from(STYLES),
)
def test_any_contents_survive(contents: dict[str, bytes], style: ZipStyle) -> None:
    """Whatever is put in comes out again under its name."""
    data = b"".join(zipped(members(contents, style), style))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {info.orig_filename: archive.read(info) for info in archive.infolist()} == contents


async def test_chunks_on_the_wire_are_those_of_the_style(observatory: Observatory) -> None:
    """The size of an HTTP chunk is the style's; the length is nowhere announced."""
    (product, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    style = ZipStyle(chunk_size=1000)
    async with (
        Simulator(observatory, zip_style=style) as simulator,
        aiohttp.ClientSession() as session,
    ):
        answer = await Client(simulator, session).download([product.savepath], "stack")
        sent = simulator.requests[0].sent
    assert "Content-Length" not in answer.headers
    assert sent == len(await answer.read())


async def test_cached_members_are_the_same(observatory: Observatory, tmp_path: Path) -> None:
    """A cache changes nothing of an answer, is filled once, and knows a new revision."""
    product, *_ = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    path = product.savepath
    async with (
        Simulator(observatory, cache=tmp_path) as simulator,
        aiohttp.ClientSession() as session,
    ):
        client = Client(simulator, session)
        for _ in range(2):
            (content,) = (await unzipped(await client.download([path], "stack"))).values()
            assert content == observatory.content("winter", path)
            assert kept(tmp_path) == 1
        observatory.rerun(product)
        (again,) = (await unzipped(await client.download([path], "stack"))).values()
    assert again == observatory.content("winter", path) != content
    assert kept(tmp_path) == 2


def kept(cache: Path) -> int:
    """Count the members in a cache."""
    return len([*cache.glob("*/*")])
