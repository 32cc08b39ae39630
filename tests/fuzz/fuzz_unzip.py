"""Fuzz the zip reader: any bytes, cut anywhere, give one and the same verdict, and a true one.

Run by `scripts/fuzz unzip`. The standard library's `zipfile` judges what it accepts itself.
"""

from __future__ import annotations

import importlib
import io
import itertools
import struct
import sys
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

atheris = importlib.import_module("atheris")
with atheris.instrument_imports(include=["winter_sync"]):
    from winter_sync.core.errors import DamagedError
    from winter_sync.formats import zip_content
    from winter_sync.formats.zip_output import Limits, MemberEnd, MemberStart, Output
    from winter_sync.formats.zip_stream import ZipReader

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = Limits(member_size=1 << 20, name_length=300, archive_size=1 << 22)
LOOKED_AHEAD = 27
HALF = 128
MOST_MEMBERS = 6
PIECES = (64, 256)
"""What the inflater takes and gives at once: small, so that small archives cross the borders."""
CUTS = ((1 << 20,), (1,), (7, 1, 64), (28, 3), (100,), (40, 200), (5,), (3, 90))


@dataclass
class Found:
    """A member as it came out; where its header and its data begin."""

    name: str
    header: int
    begin: int
    content: bytearray = field(default_factory=bytearray)
    end: MemberEnd | None = None

    @property
    def whole(self) -> bool:
        """Whether it ended without a fault."""
        return self.end is not None and self.end.fault is None

    @property
    def verdict(self) -> tuple[str, int, bool | None, bytes | None]:
        """What must not depend on how the bytes were cut."""
        fault = None if self.end is None else self.end.fault is None
        return self.name, self.begin, fault, bytes(self.content) if self.whole else None


@dataclass
class Reading:
    """All that came out of an archive."""

    members: list[Found] = field(default_factory=list)
    behind: int = 0
    """Where the last member ended."""
    complete: bool = False
    damaged: bool = False


def read(archive: bytes, sizes: tuple[int, ...]) -> Reading:
    """Read an archive in blocks of these sizes, over and over."""
    unzipper, reading = ZipReader(LIMITS), Reading()
    try:
        for block in blocks(archive, sizes):
            for event in unzipper.feed(block):
                take(event, unzipper, reading, len(block))
    except DamagedError:
        reading.damaged = True
    reading.complete = unzipper.complete
    return reading


def take(event: Output, unzipper: ZipReader, reading: Reading, block: int) -> None:
    """Note one event, and make sure that it may come now."""
    match event:
        case MemberStart(name):
            reading.members.append(Found(name, reading.behind, unzipper.offset))
        case MemberEnd(name, size):
            last = reading.members[-1]
            assert (name, size, None) == (last.name, len(last.content), last.end)
            last.end = event
            reading.behind = unzipper.offset
        case data:
            assert 0 < len(data) <= max(zip_content._OUTPUT_PIECE, block + LOOKED_AHEAD)
            assert reading.members[-1].end is None
            reading.members[-1].content += data


def blocks(archive: bytes, sizes: tuple[int, ...]) -> Iterator[bytes]:
    """Cut an archive into blocks of these sizes, over and over."""
    at = 0
    for size in itertools.cycle(sizes):
        if at >= len(archive):
            return
        yield archive[at : at + size]
        at += size


def check(data: bytes) -> None:
    """Try one input: its first byte chooses how the rest is cut, and what the rest is.

    An archive as it is, or instructions to build one.
    """
    if not data:
        return
    archive = data[1:] if data[0] < HALF else built(data[1:])
    whole, cut = read(archive, CUTS[0]), read(archive, CUTS[data[0] % len(CUTS)])
    assert (whole.complete, whole.damaged) == (cut.complete, cut.damaged)
    assert [member.verdict for member in whole.members] == [
        member.verdict for member in cut.members
    ]
    compare(archive, {member.header: member for member in whole.members})


def compare(archive: bytes, found: dict[int, Found]) -> None:
    """Hold what came against what the standard library reads of the same members."""
    try:
        opened = zipfile.ZipFile(io.BytesIO(archive))
        infos = opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error):
        return
    for info in infos:
        one = found.get(info.header_offset)
        # A record of the directory may stand between two members; then this is not its header.
        if one is None or not archive.startswith(b"PK\3\4", info.header_offset):
            continue
        assert not one.whole or is_promised(archive, info, one.content)
        try:
            content = opened.read(info)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError):
            continue
        except (zlib.error, ValueError):
            continue
        if one.whole and (info.CRC, info.file_size) == (zlib.crc32(one.content), len(one.content)):
            assert one.content == content
        elif one.end is not None and is_strict(archive, info, one.begin):
            assert one.whole, one.end


def is_promised(archive: bytes, info: zipfile.ZipInfo, content: bytearray) -> bool:
    """Return whether a content has the checksum of its local header, where that has one."""
    flags, _, _, crc = struct.unpack_from("<HHII", archive, info.header_offset + 6)
    return bool(flags & 8) or zlib.crc32(content) == crc


def is_strict(archive: bytes, info: zipfile.ZipInfo, begin: int) -> bool:
    """Return whether a member is beyond doubt: its two headers agree, and its stream is exact."""
    flags, method, _, crc, packed, size = struct.unpack_from(
        "<HHIIII", archive, info.header_offset + 6
    )
    told = (info.flag_bits, info.compress_type, info.CRC, info.compress_size, info.file_size)
    if (flags, method, crc, packed, size) != told or flags & 9:
        return False
    if info.file_size > LIMITS.member_size:
        return False
    data = archive[begin : begin + packed]
    if len(data) != packed:
        return False
    if method == zipfile.ZIP_STORED:
        return len(data) == info.file_size
    stream = zlib.decompressobj(-15)
    inflated = stream.decompress(data) if data else b""
    return bool(stream.eof) and not stream.unused_data and len(inflated) == info.file_size


def built(data: bytes) -> bytes:
    """Build an archive as the bytes say, right in much and wrong in places."""
    given = atheris.FuzzedDataProvider(data)
    archive, count = b"", 0
    while given.remaining_bytes() > 0 and count < MOST_MEMBERS:
        archive += built_member(given)
        count += 1
    counts = count + given.ConsumeIntInRange(0, 1)
    return archive + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, counts, counts, 0, 0, 0)


def built_member(given: atheris.FuzzedDataProvider) -> bytes:  # type: ignore[name-defined] # loaded
    """Build one member: its sizes before or behind it, or both, and now and then wrong."""
    content = given.ConsumeBytes(given.ConsumeIntInRange(0, 80)) * given.ConsumeIntInRange(1, 6)
    method, late, known = given.ConsumeBool() * 8, given.ConsumeBool(), given.ConsumeBool()
    packed = deflated(content, given.ConsumeIntInRange(0, 9)) if method else content
    wrong = given.PickValueInList([0] * 12 + [1, 255, 1 << 31])
    sizes = (zlib.crc32(content), len(packed), len(content) ^ wrong)
    before = sizes if known or not late else (0, 0, 0)
    extra = b""
    if given.ConsumeBool():
        extra = struct.pack("<HHQQ", 1, 16, before[2], before[1])
        before = (before[0], 0xFFFFFFFF, 0xFFFFFFFF)
    flags = late * 8 | given.PickValueInList([0] * 9 + [1, 0x800])
    head = struct.pack("<4s5H3I2H", b"PK\3\4", 20, flags, method, 0, 0, *before, 1, len(extra))
    behind = b""
    if late:
        behind = given.PickValueInList([b"PK\7\x08", b"PK\7\x08", b""])
        behind += struct.pack("<IQQ" if given.ConsumeBool() else "<III", *sizes)
    return head + b"m" + extra + packed + behind


def deflated(content: bytes, level: int) -> bytes:
    """Return a raw deflate stream."""
    squeeze = zlib.compressobj(level, zlib.DEFLATED, -15)
    return squeeze.compress(content) + squeeze.flush()


class Unseekable(io.RawIOBase):
    """A sink that cannot be gone back in, so that sizes follow in data descriptors."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        """Take bytes."""
        return True

    def write(self, data: object) -> int:
        """Keep them."""
        self.written += memoryview(data)  # type: ignore[arg-type] # any buffer
        return len(self.written)


def plant(corpus: Path) -> None:
    """Put archives into the corpus to begin with: each method, late or not, zip64 or not."""
    for number, (method, late, wide) in enumerate(
        itertools.product((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), (False, True), (False, True))
    ):
        sink, seekable = Unseekable(), io.BytesIO()
        with zipfile.ZipFile(sink if late else seekable, "w", method) as archive:
            for name, content in (("empty", b""), ("é/a.fits", b"flux " * 30), ("b", b"PK\7\x08x")):
                with archive.open(name, "w", force_zip64=wide) as file:
                    file.write(content)
        written = bytes(sink.written) if late else seekable.getvalue()
        (corpus / f"zip{number}").write_bytes(bytes([number]) + written)
        (corpus / f"built{number}").write_bytes(bytes([200 + number]) + written[:200])


if __name__ == "__main__":
    if (corpus := Path(sys.argv[-1])).is_dir():
        plant(corpus)
    zip_content._INPUT_PIECE, zip_content._OUTPUT_PIECE = PIECES
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
