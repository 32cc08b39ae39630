"""Writes zip archives member by member, in every manner a server might choose."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

CHUNK_SIZE = 64 * 1024
STORED, DEFLATED = 0, 8
_METHODS = {"stored": STORED, "deflated": DEFLATED}
_LIMIT = 0xFFFFFFFF
_COUNT_LIMIT = 0xFFFF
ENCRYPTED_FLAG, DESCRIPTOR_FLAG, _UTF8_FLAG = 0x0001, 0x0008, 0x0800
_PLAIN_VERSION, _ZIP64_VERSION = 20, 45


@dataclass(frozen=True, slots=True)
class ZipStyle:
    """How download answers are written; nothing of it is documented (winter-api.md, "Endpoints").

    Parameters
    ----------
    method, level
        Stored, or deflated at a zlib level (1 to 9).
    data_descriptors
        Sizes and CRC follow a member instead of preceding it.
    layout
        Members at the top level, in a folder named after the zip, or under their whole savepath.
    built
        The whole zip is made before the first byte is sent, or it is streamed as it is made.
    chunk_size
        Bytes in one HTTP chunk.
    zip64
        Zip64 records where they are needed, or always.
    """

    method: Literal["stored", "deflated"] = "deflated"
    level: int = 1
    data_descriptors: bool = False
    layout: Literal["flat", "folder", "savepath"] = "flat"
    built: Literal["before", "streamed"] = "before"
    chunk_size: int = CHUNK_SIZE
    zip64: Literal["auto", "always"] = "auto"

    def member_name(self, savepath: str, archive: str) -> str:
        """Return the name of a product inside the zip called `archive`."""
        filename = savepath.rpartition("/")[2]
        folder = f"{archive.removesuffix('.zip')}/{filename}"
        return {"flat": filename, "folder": folder, "savepath": savepath.lstrip("/")}[self.layout]


@dataclass(frozen=True, slots=True)
class Packed:
    """A member's data as it goes into the zip, with what the zip must say of it."""

    size: int
    crc: int
    packed_size: int
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Member:
    """One file to be zipped; `pack` is called when its turn comes, so one is held at a time.

    The rest is for members that are unlike the others of their zip: `flags` are set beside those
    of its style, and `method` is written instead of the style's, whatever the data are.
    """

    name: str
    modified: datetime
    pack: Callable[[], Packed]
    flags: int = 0
    method: int | None = None
    zip64: bool = False


def pack(content: bytes, style: ZipStyle) -> Packed:
    """Compress a content in the way of a style."""
    data = deflated(content, style.level) if style.method == "deflated" else content
    return Packed(len(content), zlib.crc32(content), len(data), lambda: iter((data,)))


def deflated(content: bytes, level: int) -> bytes:
    """Return the raw deflate stream of a content."""
    squeeze = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return squeeze.compress(content) + squeeze.flush()


def zipped(members: Iterable[Member], style: ZipStyle) -> Iterator[bytes]:
    """Return the bytes of a zip in pieces of any size; one member is in memory at a time."""
    offset, directory, count = 0, bytearray(), 0
    for member in members:
        packed = member.pack()
        heading = _Heading.of(member, packed, style)
        directory += heading.central(offset)
        count += 1
        for piece in (heading.local(), *packed.pieces(), heading.descriptor()):
            offset += len(piece)
            yield piece
    yield bytes(directory) + _ending(count, len(directory), offset, style)


@dataclass(frozen=True, slots=True)
class _Heading:
    """The three records a zip keeps of a member (PKWARE APPNOTE 4.3.7, 4.3.9, 4.3.12)."""

    name: bytes
    flags: int
    method: int
    stamp: int
    crc: int
    packed_size: int
    size: int
    zip64: bool
    always: bool

    @classmethod
    def of(cls, member: Member, packed: Packed, style: ZipStyle) -> _Heading:
        name = member.name.encode()
        flags = 0 if member.name.isascii() else _UTF8_FLAG
        flags |= member.flags | (DESCRIPTOR_FLAG if style.data_descriptors else 0)
        always = member.zip64 or style.zip64 == "always"
        return cls(
            name,
            flags,
            _METHODS[style.method] if member.method is None else member.method,
            _dos_time(member.modified),
            packed.crc,
            packed.packed_size,
            packed.size,
            always or max(packed.size, packed.packed_size) >= _LIMIT,
            always,
        )

    def local(self) -> bytes:
        late = bool(self.flags & DESCRIPTOR_FLAG)
        crc, packed_size, size = (0, 0, 0) if late else (self.crc, self.packed_size, self.size)
        extra = struct.pack("<HHQQ", 1, 16, size, packed_size) if self.zip64 else b""
        if self.zip64:
            packed_size = size = _LIMIT
        fixed = struct.pack(
            "<4s3HI3I2H",
            b"PK\3\4",
            self._version,
            self.flags,
            self.method,
            self.stamp,
            crc,
            packed_size,
            size,
            len(self.name),
            len(extra),
        )
        return fixed + self.name + extra

    def descriptor(self) -> bytes:
        if not self.flags & DESCRIPTOR_FLAG:
            return b""
        sizes = "QQ" if self.zip64 else "II"
        return struct.pack(f"<4sI{sizes}", b"PK\7\x08", self.crc, self.packed_size, self.size)

    def central(self, offset: int) -> bytes:
        size, packed_size, extra = self.size, self.packed_size, b""
        if self.zip64:
            extra += struct.pack("<QQ", size, packed_size)
            size = packed_size = _LIMIT
        if self.always or offset >= _LIMIT:
            extra += struct.pack("<Q", offset)
            offset = _LIMIT
        if extra:
            extra = struct.pack("<HH", 1, len(extra)) + extra
        version = _ZIP64_VERSION if extra else _PLAIN_VERSION
        fixed = struct.pack(
            "<4s4HI3I5HII",
            b"PK\1\2",
            # Made on Unix: so the mode below is understood.
            (3 << 8) | version,
            version,
            self.flags,
            self.method,
            self.stamp,
            self.crc,
            packed_size,
            size,
            len(self.name),
            len(extra),
            0,
            0,
            0,
            0o100644 << 16,
            offset,
        )
        return fixed + self.name + extra

    @property
    def _version(self) -> int:
        return _ZIP64_VERSION if self.zip64 else _PLAIN_VERSION


def _ending(count: int, size: int, offset: int, style: ZipStyle) -> bytes:
    ending = b""
    if style.zip64 == "always" or count >= _COUNT_LIMIT or max(size, offset) >= _LIMIT:
        version = (3 << 8) | _ZIP64_VERSION
        ending += struct.pack(
            "<4sQ2H2I4Q", b"PK\6\6", 44, version, 45, 0, 0, count, count, size, offset
        )
        ending += struct.pack("<4sIQI", b"PK\6\7", 0, offset + size, 1)
        count, size, offset = _COUNT_LIMIT, _LIMIT, _LIMIT
    return ending + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, offset, 0)


def _dos_time(instant: datetime) -> int:
    day = ((instant.year - 1980) << 9) | (instant.month << 5) | instant.day
    return (day << 16) | (instant.hour << 11) | (instant.minute << 5) | (instant.second // 2)
