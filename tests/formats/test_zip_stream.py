"""The zip reader against the standard library's, and against archives made to mislead it."""

from __future__ import annotations

import io
import itertools
import struct
import tracemalloc
import zipfile
import zlib
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from winter_sync.core.errors import DamagedError
from winter_sync.core.printable import quote_bytes
from winter_sync.formats import zip_content
from winter_sync.formats.zip_output import Limits, MemberEnd, MemberStart
from winter_sync.formats.zip_stream import ZipReader
from winter_sync.simulator.packing.zips import Member, ZipStyle, pack, zipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from _typeshed import ReadableBuffer as Buffer

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
LATE = 0x0008
LOOKED_AHEAD = 27
"""How many bytes may be kept from one block to the next: a descriptor and what follows it."""
SIGNATURES = (b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\7\x08")


# --- reading --------------------------------------------------------------------------------------


@dataclass
class Found:
    """One member as it came out."""

    name: str
    claimed: int | None
    content: bytearray = field(default_factory=bytearray)
    end: MemberEnd | None = None

    @property
    def whole(self) -> bool:
        """Whether it ended without a fault."""
        return self.end is not None and self.end.fault is None

    @property
    def fault(self) -> str:
        """What is wrong with it; it must have ended."""
        assert self.end is not None
        return self.end.fault or ""


@dataclass
class Reading:
    """All that came out of an archive."""

    members: list[Found]
    complete: bool
    damage: str | None
    events: int
    largest: int

    @property
    def whole(self) -> list[tuple[str, bytes]]:
        """Names and contents of the members that can be believed."""
        return [(member.name, bytes(member.content)) for member in self.members if member.whole]

    @property
    def summary(self) -> list[tuple[str, int | None, MemberEnd | None]]:
        """What was said of every member, its data aside."""
        return [(member.name, member.claimed, member.end) for member in self.members]


def read(
    archive: bytes, sizes: Sequence[int] = (1 << 30,), limits: Limits | None = None
) -> Reading:
    """Read an archive in blocks of these sizes, over and over, and check the order of events."""
    unzipper = ZipReader(limits or Limits())
    found: list[Found] = []
    events, largest, damage = 0, 0, None
    try:
        for block in blocks(archive, sizes):
            for event in unzipper.feed(block):
                events += 1
                match event:
                    case MemberStart(name, size):
                        assert not found or found[-1].end is not None
                        found.append(Found(name, size))
                    case MemberEnd(name, size):
                        assert (name, size) == (found[-1].name, len(found[-1].content))
                        found[-1].end = event
                    case data:
                        assert len(data) > 0
                        assert found[-1].end is None
                        largest = max(largest, len(data))
                        found[-1].content += data
    except DamagedError as damaged:
        damage = damaged.message
    assert unzipper.members == sum(member.end is not None for member in found)
    return Reading(found, unzipper.complete, damage, events, largest)


def blocks(archive: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut an archive into blocks of these sizes, over and over."""
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(archive):
            return
        yield archive[at : at + size]
        at += size


@contextmanager
def pieces(packed: int, inflated: int) -> Iterator[None]:
    """Make the inflater work in pieces of these sizes, so that small archives cross them."""
    with (
        mock.patch.object(zip_content, "_INPUT_PIECE", packed),
        mock.patch.object(zip_content, "_OUTPUT_PIECE", inflated),
    ):
        yield


splits = st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(any)


# --- archives of the standard library -------------------------------------------------------------


class Unseekable(io.RawIOBase):
    """A sink that cannot be gone back in, so that sizes follow in data descriptors."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        """Take bytes."""
        return True

    def write(self, data: Buffer) -> int:
        """Keep them."""
        content = memoryview(data).cast("B")
        self.written += content
        return len(content)


@dataclass(frozen=True)
class Entry:
    """One member to be written with `zipfile`."""

    name: str
    content: bytes
    method: int = DEFLATED
    level: int = 6
    zip64: bool = False
    extra: bytes = b""
    comment: bytes = b""


@dataclass(frozen=True)
class Archive:
    """Members to be written with `zipfile`, and how."""

    entries: tuple[Entry, ...]
    late: bool = False
    """Whether sizes follow the data."""
    comment: bytes = b""

    @property
    def expected(self) -> list[tuple[str, bytes]]:
        """Names and contents in their order."""
        return [(entry.name, entry.content) for entry in self.entries]

    def write(self) -> bytes:
        """Return the bytes."""
        late, seekable = Unseekable(), io.BytesIO()
        with zipfile.ZipFile(late if self.late else seekable, "w") as archive:
            archive.comment = self.comment
            for entry in self.entries:
                info = zipfile.ZipInfo(entry.name, (2024, 2, 12, 0, 0, 0))
                info.compress_type, info.extra = entry.method, entry.extra
                info.comment = entry.comment
                info._compresslevel = entry.level  # type: ignore[attr-defined]
                with archive.open(info, "w", force_zip64=entry.zip64) as file:
                    file.write(entry.content)
        return bytes(late.written) if self.late else seekable.getvalue()


def ends(archive: bytes) -> list[int]:
    """Return where each member ends, as the standard library knows it."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        begins = [info.header_offset for info in opened.infolist()]
        return [*begins[1:], opened.start_dir] if begins else []


def data_spans(archive: bytes) -> list[tuple[int, int]]:
    """Return where the packed data of each member begin and end."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        infos = opened.infolist()
    found = []
    for info in infos:
        names = struct.unpack_from("<HH", archive, info.header_offset + 26)
        begin = info.header_offset + 30 + sum(names)
        found.append((begin, begin + info.compress_size))
    return found


names = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
) | st.sampled_from(["../up", "/etc/passwd", "night/final/", "a\\b", "X_mef_4_0_0_stack.fits"])
EMPTY_DESCRIPTOR = b"PK\7\x08" + bytes(12)
"""What no late stored content may begin with: it would look like the end of an empty member."""
contents = (
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from([*SIGNATURES, b"\0\0\0\0", b"ab" * 20, bytes(99)]) | st.binary(max_size=9),
        max_size=12,
    ).map(b"".join)
    | st.integers(0, 3000).map(bytes)
).filter(lambda content: not content.startswith(EMPTY_DESCRIPTOR))
entries = st.builds(
    Entry,
    names,
    contents,
    method=st.sampled_from([STORED, DEFLATED]),
    level=st.integers(0, 9),
    zip64=st.booleans(),
    extra=st.sampled_from([b"", struct.pack("<HH5s", 0x5455, 5, b"\1times")]),
    comment=st.binary(max_size=5),
)
archives = st.builds(
    Archive,
    st.lists(entries, max_size=5, unique_by=lambda entry: entry.name).map(tuple),
    late=st.booleans(),
    # The standard library takes this signature in a comment for the end record.
    comment=st.binary(max_size=30).filter(lambda comment: b"PK\5\6" not in comment),
)


@given(archives, splits, st.integers(1, 400), st.integers(1, 400))
def test_every_split_gives_what_was_put_in(
    archive: Archive, sizes: list[int], packed: int, inflated: int
) -> None:
    """Whatever `zipfile` writes comes out whole and complete, however the bytes are cut."""
    written = archive.write()
    whole = read(written)
    with pieces(packed, inflated):
        split = read(written, sizes)
    for reading in (whole, split):
        assert reading.whole == archive.expected
        assert reading.summary == whole.summary
        assert reading.complete
        assert reading.damage is None
    assert split.largest <= max(inflated, max(sizes) + LOOKED_AHEAD)


@given(archives.filter(lambda archive: not archive.late))
def test_sizes_are_reported_at_the_start_where_the_header_has_them(archive: Archive) -> None:
    """A header with sizes gives the size at the start of its member."""
    reading = read(archive.write())
    claimed = [member.claimed for member in reading.members]
    assert claimed == [len(entry.content) for entry in archive.entries]


@given(archives.filter(lambda archive: archive.late))
def test_sizes_are_unknown_at_the_start_where_they_follow(archive: Archive) -> None:
    """A header without sizes gives none."""
    assert {member.claimed for member in read(archive.write()).members} <= {None}


@given(archives, st.data())
def test_a_truncated_archive_keeps_what_was_whole(archive: Archive, data: st.DataObject) -> None:
    """Members that end before the cut are whole, the cut one is not, the archive is incomplete."""
    written = archive.write()
    cut = data.draw(st.integers(0, len(written) - 1))
    reading = read(written[:cut], data.draw(splits))
    assert not reading.complete
    assert reading.damage is None
    assert reading.whole == archive.expected[: len(reading.whole)]
    before = sum(end <= cut for end in ends(written))
    # That an empty late member has ended is only told by the record that follows it.
    if archive.late and before and not archive.entries[before - 1].content:
        assert before - 1 <= len(reading.whole) <= before
    else:
        assert len(reading.whole) == before


@given(archives.filter(lambda archive: archive.entries), st.data())
def test_a_flipped_byte_is_never_believed(archive: Archive, data: st.DataObject) -> None:
    """No change in a member's data leaves changed data without a fault, nor harms the others."""
    written = bytearray(archive.write())
    number = data.draw(st.integers(0, len(archive.entries) - 1))
    begin, end = data_spans(bytes(written))[number]
    assume(begin < end)
    written[data.draw(st.integers(begin, end - 1))] ^= data.draw(st.integers(1, 255))
    reading = read(bytes(written), data.draw(splits))
    expected = archive.expected
    assert all(member in expected for member in reading.whole)
    before, after = expected[:number], expected[number + 1 :]
    assert reading.whole[:number] == before
    if not archive.late or archive.entries[number].method == STORED:
        assert reading.complete
        assert len(reading.members) == len(expected)
        assert reading.whole[len(reading.whole) - len(after) :] == after


@given(st.data())
def test_bytes_that_are_no_archive_are_only_ever_damaged(data: st.DataObject) -> None:
    """Arbitrary bytes, and archives changed anywhere, end in a verdict or in `DamagedError`."""
    content = data.draw(st.binary(max_size=300))
    if data.draw(st.booleans()):
        changed = bytearray(data.draw(archives).write())
        for at, byte in data.draw(
            st.lists(st.tuples(st.integers(0, len(changed) - 1), st.integers(0, 255)), max_size=9)
        ):
            changed[at] = byte
        content = bytes(changed)
    with pieces(50, 100):
        reading = read(content, data.draw(splits))
    assert reading.largest <= max(100, 60 + LOOKED_AHEAD)
    # A thousand to one is the most that deflating can pack; every event but an end has some of it.
    assert reading.events <= 3 + 20 * len(content)


@given(st.binary(min_size=4, max_size=40).filter(lambda b: b[:4] not in SIGNATURES))
def test_an_answer_that_is_no_zip_is_refused_without_quoting_it(content: bytes) -> None:
    """What begins as no zip does is refused at once; only its first four bytes are shown."""
    reading = read(content, [1])
    told = f"the zip is damaged at byte 0: not a zip: it begins with {quote_bytes(content[:4])}"
    assert reading.damage == told


def test_damage_is_reported_again() -> None:
    """A reader that has lost its way says so at every further block."""
    unzipper = ZipReader()
    for _ in range(3):
        with pytest.raises(DamagedError, match="not a zip"):
            list(unzipper.feed(b"<html>"))


# --- the simulator's archives ---------------------------------------------------------------------

STYLES = [
    replace(style, data_descriptors=late, zip64=zip64)
    for style in (ZipStyle("stored"), ZipStyle("deflated", 1), ZipStyle("deflated", 9))
    for late in (False, True)
    for zip64 in ("auto", "always")
]


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("count", [0, 1, 4])
def test_every_style_of_the_simulator_is_read(style: ZipStyle, count: int) -> None:
    """Each manner of writing comes out whole, empty members and empty archives too."""
    expected = [
        ("empty", b""),
        ("a.fits", b"x" * 100_000),
        ("é/b", bytes(range(256))),
        ("0", bytes(9)),
    ]
    expected = expected[:count]
    modified = datetime(2024, 2, 12, tzinfo=UTC)
    members = [
        Member(name, modified, lambda content=content: pack(content, style))  # type: ignore[misc]
        for name, content in expected
    ]
    written = b"".join(zipped(members, style))
    for sizes in ([1 << 30], [1], [7, 1, 300]):
        reading = read(written, sizes)
        assert reading.whole == expected
        assert reading.complete


# --- archives written by hand ---------------------------------------------------------------------


def deflated(content: bytes) -> bytes:
    """Return a raw deflate stream."""
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -15)
    return squeeze.compress(content) + squeeze.flush()


def local(
    name: bytes = b"a",
    *,
    flags: int = 0,
    method: int = STORED,
    crc: int = 0,
    packed: int = 0,
    size: int = 0,
    extra: bytes = b"",
) -> bytes:
    """Return a local header."""
    fields = (20, flags, method, 0, 0, crc, packed, size, len(name), len(extra))
    return struct.pack("<4s5H3I2H", b"PK\3\4", *fields) + name + extra


def plain(content: bytes = b"good", name: bytes = b"good") -> bytes:
    """Return a stored member with nothing wrong."""
    return local(name, crc=zlib.crc32(content), packed=len(content), size=len(content)) + content


def descriptor(
    content: bytes, packed: int, *, signed: bool = True, wide: bool = False, wrong: int = 0
) -> bytes:
    """Return the descriptor that follows some content."""
    values = (zlib.crc32(content) ^ wrong, packed, len(content))
    return (b"PK\7\x08" if signed else b"") + struct.pack("<IQQ" if wide else "<III", *values)


def central(name: bytes = b"a", comment: bytes = b"") -> bytes:
    """Return a record of the central directory; only its lengths matter to us."""
    record = struct.pack("<4s6H3I5H2I", b"PK\1\2", *([0] * 9), len(name), 0, len(comment), *[0] * 4)
    return record + name + comment


def ending(count: int, *, disks: int = 0, comment: bytes = b"") -> bytes:
    """Return a central directory and the end record of an archive of so many members."""
    end = struct.pack("<4s4H2IH", b"PK\5\6", disks, disks, count, count, 0, 0, len(comment))
    return central() * count + end + comment


def zip64_ending(count: int, *, length: int = 44, more: bytes = b"") -> bytes:
    """Return an end whose count stands in the zip64 record."""
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", length, 45, 45, 0, 0, count, count, 0, 0) + more
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1)
    return record + locator + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0, 0, 0)


GOOD = [("good", b"good")]


FLUX = b"flux " * 100
SQUEEZED = deflated(FLUX)


def squeezed(data: bytes, *, size: int = len(FLUX), crc: int = zlib.crc32(FLUX)) -> bytes:
    """Return a deflated member of known length with these packed data."""
    return local(method=DEFLATED, crc=crc, packed=len(data), size=size) + data


@pytest.mark.parametrize("sizes", [[1 << 30], [1], [5, 90]])
@pytest.mark.parametrize(
    ("fault", "member"),
    [
        ("it is encrypted", local(flags=1, packed=3, size=3) + b"xyz"),
        ("method 12 is unknown", local(method=12, packed=3, size=9) + b"xyz"),
        ("method 99 is unknown", local(method=99, packed=3, size=9) + b"xyz"),
        ("it claims 4294967295 bytes", local(packed=3, size=0xFFFFFFFF) + b"xyz"),
        ("more than the 2 bytes that were promised", local(packed=3, size=2) + b"xyz"),
        ("3 bytes where 4 were promised", local(packed=3, size=4) + b"xyz"),
        ("CRC-32 is eb8eba67 where 00000000", local(packed=3, size=3) + b"xyz"),
        ("data are broken", squeezed(b"\xff" * 9)),
        ("do not end where promised", squeezed(SQUEEZED[:-3])),
        ("end before they should", squeezed(SQUEEZED + b"xyz")),
        ("more than the 499 bytes that were promised", squeezed(SQUEEZED, size=499)),
        ("500 bytes where 501 were promised", squeezed(SQUEEZED, size=501)),
        ("where 00000001 was promised", squeezed(SQUEEZED, crc=1)),
        ("0 bytes where 500 were promised", squeezed(b"")),
    ],
)
def test_a_bad_member_leaves_the_next_one_good(fault: str, member: bytes, sizes: list[int]) -> None:
    """What is wrong inside one member of known length costs that member alone."""
    reading = read(member + plain() + ending(2), sizes, Limits(member_size=1_000_000))
    assert fault in reading.members[0].fault
    assert reading.whole == GOOD
    assert reading.complete


@pytest.mark.parametrize("flags", [1, 1 | LATE])
def test_an_unreadable_member_may_have_a_descriptor(flags: int) -> None:
    """An encrypted member is passed over with its descriptor, if it has one."""
    member = local(flags=flags, packed=3, size=3) + b"xyz"
    member += descriptor(b"abc", 3) if flags & LATE else b""
    reading = read(member + plain() + ending(2), [1])
    assert reading.members[0].fault == "it is encrypted"
    assert reading.whole == GOOD


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("content", [b"", b"x", b"flux " * 500])
def test_every_form_of_descriptor_is_read(*, content: bytes, signed: bool, wide: bool) -> None:
    """Descriptors with and without signature, of 4 and 8 bytes, follow a deflated member."""
    squeezed = deflated(content)
    member = local(flags=LATE, method=8) + squeezed
    member += descriptor(content, len(squeezed), signed=signed, wide=wide)
    for sizes in ([1 << 30], [1], [3, 11]):
        reading = read(member * 2 + plain() + ending(3), sizes)
        assert reading.whole == [("a", content)] * 2 + GOOD
        assert reading.complete


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("content", [b"", b"flux"])
def test_a_descriptor_may_repeat_what_the_header_said(
    *, content: bytes, signed: bool, wide: bool
) -> None:
    """A member whose header has its sizes may have a descriptor too."""
    head = local(flags=LATE, crc=zlib.crc32(content), packed=len(content), size=len(content))
    signed = signed or not content  # without one, the end of an empty stored member is not told
    member = head + content + descriptor(content, len(content), signed=signed, wide=wide)
    reading = read(member + plain() + ending(2), [1])
    assert reading.whole == [("a", content), *GOOD]


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("method", [STORED, DEFLATED])
def test_a_descriptor_that_contradicts_the_data_costs_one_member(
    *, wide: bool, method: int
) -> None:
    """A wrong checksum behind the data is a fault of that member, and the rest goes on."""
    content = b"flux " * 100
    data = deflated(content) if method == DEFLATED else content
    wrong = descriptor(content, len(data), wide=wide, wrong=1)
    member = local(flags=LATE, method=method) + data + wrong
    for sizes in ([1 << 30], [1]):
        reading = read(member + plain() + ending(2), sizes)
        assert "CRC-32" in reading.members[0].fault
        assert reading.whole == GOOD
        assert reading.complete


def test_a_descriptor_with_wrong_sizes_costs_one_member() -> None:
    """Where the data show their own end, a descriptor with wrong sizes does not hide the next."""
    squeezed = deflated(b"flux")
    member = local(flags=LATE, method=8) + squeezed + descriptor(b"flux", len(squeezed) + 1)
    reading = read(member + plain() + ending(2), [1])
    assert "packed bytes where" in reading.members[0].fault
    assert reading.whole == GOOD


def test_a_missing_descriptor_is_damage() -> None:
    """A member whose header announces a descriptor that is not there cannot be followed."""
    member = local(flags=LATE, method=8) + deflated(b"flux")
    reading = read(member + plain() + ending(2))
    assert reading.damage is not None
    assert "no descriptor follows member 'a'" in reading.damage
    assert reading.whole == []


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("sizes", [[1 << 30], [1], [40, 3]])
def test_signatures_inside_a_stored_member_are_data(*, wide: bool, sizes: list[int]) -> None:
    """Only a descriptor that fits all data before it ends a stored member of unknown length."""
    inner = b"flux" * 30
    content = b"PK\7\x08" * 50 + inner
    # Descriptors with the right sizes for their place, but another checksum.
    content += b"PK\7\x08" + struct.pack("<III", 1, len(content), len(content)) + b"more"
    content += b"PK\7\x08" + struct.pack("<IQQ", 1, len(content), len(content)) + b"more"
    # A streamed archive inside the data, with records after its descriptor.
    content += local(flags=LATE) + inner + descriptor(inner, len(inner)) + ending(1) + b"PK\7"
    member = local(flags=LATE) + content + descriptor(content, len(content), wide=wide)
    reading = read(member + plain() + ending(2), sizes)
    assert reading.whole == [("a", content), *GOOD]
    assert reading.complete


def test_data_full_of_signatures_come_in_few_events() -> None:
    """A stored member made of descriptor signatures is not chopped into tiny pieces."""
    content = b"PK\7\x08" * 50_000
    member = local(flags=LATE) + content + descriptor(content, len(content))
    reading = read(member + ending(1), [10_000])
    assert reading.whole == [("a", content)]
    assert reading.events < 100


def test_a_stored_member_that_never_ends_is_never_whole() -> None:
    """Data without a descriptor that fits come out, but no verdict does."""
    for size in range(0, 500, 50):
        reading = read(local(flags=LATE) + bytes(size), [64])
        assert reading.members[0].end is None
        assert not reading.complete


def test_an_unfindable_end_is_damage() -> None:
    """An unreadable member whose end nothing shows ends the reading, and says why."""
    cases = [
        (local(flags=LATE | 1), "it is encrypted"),
        (local(flags=LATE, method=12), "its compression method 12 is unknown"),
        (local(flags=LATE, method=8) + b"\xff" * 99, "its deflated data are broken"),
        (local(packed=0xFFFFFFFE, size=4), "it claims 4294967294 bytes"),
    ]
    for member, why in cases:
        reading = read(plain() + member + bytes(99), limits=Limits(member_size=1_000_000))
        assert reading.whole == GOOD
        assert reading.damage is not None
        assert f"member 'a': {why}" in reading.damage


def test_a_huge_claim_in_zip64_is_not_waited_for() -> None:
    """A member said to have 2**63 bytes ends the reading at once."""
    extra = struct.pack("<HHQQ", 1, 16, 1 << 63, 1 << 63)
    head = local(packed=0xFFFFFFFF, size=0xFFFFFFFF, extra=extra)
    reading = read(head)
    assert reading.members[0].claimed == 1 << 63
    assert "claims 9223372036854775808 bytes" in (reading.damage or "")


@pytest.mark.parametrize("known", [True, False])
def test_a_bomb_is_stopped_by_the_limit(*, known: bool) -> None:
    """Inflating ends at the limit, in little memory; the next member is had if it can be found."""
    limit = 3_000_000
    content = bytes(50_000_000)
    squeezed = deflated(content)
    crc = zlib.crc32(content)
    if known:
        bomb = local(method=8, crc=crc, packed=len(squeezed), size=9) + squeezed
    else:
        bomb = local(flags=LATE, method=8) + squeezed + descriptor(content, len(squeezed))
    del content
    archive = bomb + plain() + ending(2)
    unzipper, out, biggest = ZipReader(Limits(member_size=limit)), 0, 0
    faults: list[str | None] = []
    tracemalloc.start()
    try:
        for event in unzipper.feed(archive):
            if isinstance(event, MemberEnd):
                faults.append(event.fault)
            elif not isinstance(event, MemberStart):
                out += len(event)
                biggest = max(biggest, len(event))
    except DamagedError as damaged:
        faults.append(damaged.message)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert out <= limit + len(b"good")
    assert biggest <= 192 * 1024
    assert peak < 1_000_000
    told = "more than the 9 bytes that were promised" if known else "more than 3000000 bytes"
    assert told in (faults[0] or "")
    assert out <= (9 + len(b"good") if known else limit)
    assert faults[1:] == ([None] if known else [])


def test_a_stored_member_beyond_the_limit_is_stopped() -> None:
    """The limit holds for a stored member of unknown length."""
    content = bytes(1000)
    member = local(flags=LATE) + content + descriptor(content, len(content))
    reading = read(member + ending(1), [50], Limits(member_size=999))
    assert "more than 999 bytes" in (reading.damage or "")
    assert len(reading.members[0].content) < 1000
    assert read(member + ending(1), [50], Limits(member_size=1000)).complete


def test_an_archive_without_an_end_is_given_up() -> None:
    """Members, records or bytes after the end that never stop meet the limit of the archive."""
    limits = Limits(archive_size=10_000)
    for begin, again in (
        (b"", plain()),
        (plain() + ending(1), b"x" * 100),
        (local(flags=LATE, method=8), b"\0\0\0\xff\xff"),
        (struct.pack("<4sQ", b"PK\6\6", 0xFFFF) + bytes(44), b"\0" * 1000),
    ):
        reading = read(begin + again * (20_000 // len(again)), [512], limits)
        assert "more than 10000 bytes" in (reading.damage or ""), again


def test_what_comes_out_of_an_archive_is_bounded() -> None:
    """Members that each keep within their bounds end the reading where their sum does not."""
    content = b"flux" * 25
    limits = Limits(member_size=100, inflated_size=350)
    for method, late in ((0, False), (8, False), (8, True)):
        packed = deflated(content) if method else content
        crc = zlib.crc32(content)
        member = local(method=method, packed=len(packed), size=100, crc=crc) + packed
        if late:
            member = local(flags=LATE, method=method) + packed + descriptor(content, len(packed))
        reading = read(member * 9 + ending(9), [64], limits)
        assert reading.damage is not None
        assert "more than 350 bytes come out of it" in reading.damage
        assert len(reading.whole) == 3


@pytest.mark.parametrize("content", [b"", b"x"])
def test_members_are_counted(content: bytes) -> None:
    """One member more than may come ends the reading; those before are whole."""
    reading = read(plain(content) * 7 + ending(7), [100], Limits(members=7))
    assert (len(reading.whole), reading.complete) == (7, True)
    reading = read(plain(content) * 8 + ending(8), [100], Limits(members=7))
    assert len(reading.whole) == 7
    assert "more than 7 members" in (reading.damage or "")


@pytest.mark.parametrize("record", [central(), zip64_ending(1)[:56], zip64_ending(1)[56:76]])
def test_a_directory_that_never_ends_is_given_up(record: bytes) -> None:
    """Records of the directory are as many as there are members, and three more."""
    reading = read(plain() + record * 9, [40])
    assert reading.whole == GOOD
    assert "lists more than the 1 members that were sent" in (reading.damage or "")


def test_data_made_to_look_like_their_end_are_given_up() -> None:
    """Looking for the end of a member costs a bounded number of looks."""
    content = b"PK\7\x08" * 100_002
    member = local(flags=LATE) + content + descriptor(content, len(content))
    reading = read(member + ending(1), [1 << 16])
    assert "the end of member 'a' cannot be found" in (reading.damage or "")


def test_a_member_can_be_bounded_when_it_begins() -> None:
    """Whoever knows what it should be bounds this one member, and no other."""
    content = b"flux" * 25
    packed = deflated(content)
    late = local(flags=LATE, method=8) + packed + descriptor(content, len(packed))
    for first, told in ((plain(content), "claims 100 bytes, where at most 99"), (late, "than 99")):
        unzipper, faults = ZipReader(Limits()), list[str | None]()
        with suppress(DamagedError):
            for event in unzipper.feed(first + plain(content) + ending(2)):
                if isinstance(event, MemberStart) and not faults:
                    unzipper.limit_member(99)
                if isinstance(event, MemberEnd):
                    faults.append(event.fault)
        if first is late:
            assert faults == [], "its end cannot be found"
            assert told in str(unzipper._buffer.damage)
        else:
            assert told in str(faults[0])
            assert faults[1:] == [None]


@pytest.mark.parametrize("sizes", [[1 << 30], [1], [33, 5]])
@pytest.mark.parametrize("flags", [0, LATE])
def test_a_member_that_nobody_wants_is_passed_over(flags: int, sizes: list[int]) -> None:
    """Where a header has its length, nothing comes out of it, and the next member is good."""
    content = b"flux" * 25
    packed = deflated(content)
    crc = zlib.crc32(content)
    member = local(method=8, flags=flags, packed=len(packed), size=100, crc=crc) + packed
    member += descriptor(content, len(packed)) if flags else b""
    unzipper, found = ZipReader(), list[object]()
    for block in blocks(member + plain() + ending(2), sizes):
        for event in unzipper.feed(block):
            if isinstance(event, MemberStart) and event.name == "a":
                unzipper.skip_member()
            found.append(bytes(event) if isinstance(event, memoryview) else event)
    assert found[:2] == [MemberStart("a", 100), MemberEnd("a", 0, "it is not wanted")]
    assert b"".join(output for output in found if isinstance(output, bytes)) == b"good"
    assert unzipper.complete


def test_a_name_of_four_kilobytes_is_refused() -> None:
    """A name longer than any path is damage, reported without the name."""
    reading = read(plain() + plain(name=b"n" * 4096) + ending(2))
    assert reading.whole == GOOD
    assert reading.damage is not None
    assert reading.damage.endswith("a member's name has 4096 bytes")
    assert read(plain(name=b"n" * 1024) + ending(1)).complete


@pytest.mark.parametrize(
    ("raw", "flags", "name"),
    [
        (b"a\0b", 0, "a\0b"),
        (b"../../etc/passwd", 0, "../../etc/passwd"),
        (b"/etc/passwd", 0, "/etc/passwd"),
        (b"C:\\a\\b", 0, "C:\\a\\b"),
        (b"", 0, ""),
        (b"\x82t\x82", 0, "été"),
        ("ñ".encode(), 0x800, "ñ"),
        (b"\xff\xfe", 0x800, "\N{REPLACEMENT CHARACTER}" * 2),
    ],
)
def test_names_are_passed_on_as_they_are(raw: bytes, flags: int, name: str) -> None:
    """No name is judged here: code page 437 or UTF-8, it is only a name."""
    member = local(raw, flags=flags, crc=zlib.crc32(b"x"), packed=1, size=1) + b"x"
    assert read(member + ending(1)).whole == [(name, b"x")]


def test_members_of_one_name_are_all_reported() -> None:
    """Two members may have one name; both come, in their order."""
    reading = read(plain(b"one") + plain(b"two") + ending(2))
    assert reading.whole == [("good", b"one"), ("good", b"two")]


@pytest.mark.parametrize("count", [0, 1, 3, 0xFFFE, 0xFFFF])
def test_a_lying_count_is_damage_after_the_members(count: int) -> None:
    """An end that lists more or fewer members than came does not end the archive."""
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, 0, 0, 0)
    reading = read(plain() * 2 + end)
    assert reading.whole == GOOD * 2
    assert not reading.complete
    assert f"it lists {count} members where 2 were sent" in (reading.damage or "")


def test_the_count_of_a_zip64_end_is_the_one_that_counts() -> None:
    """Where the end points to its zip64 record, the count there is compared."""
    for sizes in ([1 << 30], [1]):
        assert read(plain() * 2 + zip64_ending(2), sizes).complete
        assert read(plain() * 2 + zip64_ending(2, length=49, more=b"xyzzy"), sizes).complete
        reading = read(plain() * 2 + zip64_ending(3), sizes)
        assert "it lists 3 members where 2 were sent" in (reading.damage or "")


@pytest.mark.parametrize("length", [0, 43, 1 << 20, (1 << 64) - 1])
def test_a_zip64_end_of_impossible_length_is_damage(length: int) -> None:
    """A zip64 end record that claims to be shorter than its fields, or huge, is refused."""
    reading = read(plain() + zip64_ending(1, length=length))
    assert f"its zip64 end record claims {length} bytes" in (reading.damage or "")


def test_more_members_than_sixteen_bits_count() -> None:
    """Writers without zip64 give the low bits of the count, those with it all of them."""
    many = plain(b"", b"") * 65_537
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, 0, 0, 0)
    for closing in (end, zip64_ending(65_537)):
        unzipper = ZipReader()
        assert (
            sum(isinstance(event, MemberEnd) for event in unzipper.feed(many + closing)) == 65_537
        )
        assert unzipper.complete


def test_an_archive_on_several_disks_counts_all_its_members() -> None:
    """Disk numbers are not looked at: only an end that lists what came is an end."""
    assert read(plain() + ending(1, disks=3)).complete
    end = struct.pack("<4s4H2IH", b"PK\5\6", 2, 2, 1, 9, 0, 0, 0)
    assert not read(plain() + end).complete


def test_bytes_after_the_archive_are_passed_over() -> None:
    """What follows the end record changes nothing, even if it looks like a member."""
    for sizes in ([1 << 30], [1]):
        reading = read(plain() + ending(1, comment=b"by hand") + b"junk" + plain(), sizes)
        assert reading.whole == GOOD
        assert reading.complete


def test_bytes_before_the_archive_are_damage() -> None:
    """A zip behind anything else is not what was asked for."""
    assert "not a zip" in (read(b"#!/bin/sh\n" + plain() + ending(1)).damage or "")


def test_bytes_between_members_are_damage() -> None:
    """After something that is no record, nothing is read as one."""
    reading = read(plain() + b"junk" + plain(b"x", b"x") + ending(2))
    assert reading.whole == GOOD
    assert 'no zip record begins with "junk"' in (reading.damage or "")


def test_a_deflated_member_without_a_stream_is_empty() -> None:
    """Some writers call an empty member deflated and write nothing, which `zipfile` takes too."""
    reading = read(local(method=8) + plain() + ending(2))
    assert reading.whole == [("a", b""), *GOOD]
    reading = read(local(method=8, size=4) + plain() + ending(2))
    assert "0 bytes where 4 were promised" in reading.members[0].fault


@pytest.mark.parametrize(
    ("extra", "size", "packed"),
    [
        (struct.pack("<HHQQ", 1, 16, 4, 4), 0xFFFFFFFF, 0xFFFFFFFF),
        (struct.pack("<HHQ", 1, 8, 4), 0xFFFFFFFF, 4),
        (struct.pack("<HHQ", 1, 8, 4), 4, 0xFFFFFFFF),
        (struct.pack("<HH2sHHQQ", 7, 2, b"xx", 1, 16, 4, 4), 0xFFFFFFFF, 0xFFFFFFFF),
        (struct.pack("<HHQQ", 1, 16, 9, 9), 4, 4),
        (struct.pack("<HHQQQI", 1, 28, 4, 4, 0, 0), 0xFFFFFFFF, 0xFFFFFFFF),
        (struct.pack("<HH", 1, 60), 4, 4),
        (b"\1\0\2", 4, 4),
    ],
)
def test_zip64_sizes_stand_for_those_that_do_not_fit(extra: bytes, size: int, packed: int) -> None:
    """Sizes of the extra field count where the header has none, and only there."""
    member = local(crc=zlib.crc32(b"good"), packed=packed, size=size, extra=extra) + b"good"
    reading = read(member + plain() + ending(2), [1])
    assert reading.whole == [("a", b"good"), *GOOD]


def test_a_late_member_may_have_its_sizes_marked_as_absent() -> None:
    """All ones instead of zeros before a descriptor mean unknown sizes, not four gigabytes."""
    squeezed = deflated(b"flux")
    head = local(flags=LATE, method=8, packed=0xFFFFFFFF, size=0xFFFFFFFF)
    member = head + squeezed + descriptor(b"flux", len(squeezed), wide=True)
    reading = read(member + plain() + ending(2), [1])
    assert reading.whole == [("a", b"flux"), *GOOD]


def test_offset_and_members_count_what_was_read() -> None:
    """The offset is that of the bytes read, and members those that ended."""
    archive = plain() * 3 + ending(3)
    unzipper = ZipReader()
    for block in blocks(archive, [9]):
        list(unzipper.feed(block))
    assert unzipper.offset == len(archive)
    assert unzipper.members == 3


@given(
    st.lists(
        st.tuples(contents, st.booleans(), st.booleans(), st.sampled_from([STORED, DEFLATED])),
        max_size=4,
    ),
    splits,
)
def test_descriptors_of_every_form_in_any_order(
    members: list[tuple[bytes, bool, bool, int]], sizes: list[int]
) -> None:
    """Late members of all forms follow each other, whatever they contain and however cut."""
    archive = b""
    for content, signed, wide, method in members:
        data = deflated(content) if method == DEFLATED else content
        form = descriptor(content, len(data), signed=signed or method == STORED, wide=wide)
        archive += local(flags=LATE, method=method) + data + form
    reading = read(archive + ending(len(members)), sizes)
    assert reading.whole == [("a", content) for content, *_ in members]
    assert reading.complete
