"""Whether a file is a whole Avro container: its blocks stepped over, from marker to marker.

The source of the format is the Apache Avro specification, "Object Container Files". Blocks are not
decoded, so a codec of any known name will do.

What the structure cannot show: data that are all there but zeros, and a file cut exactly after a
block, which is a container in itself. One cut after its header is such a case: a container without
a block is accepted, for a field without candidates is no error. Zeros from the last block to the
very end leave the records before them whole, and the fault says so (`Fault.leaves_data_whole`);
anything else that follows may be a damaged block.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import Fault, quote_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.formats.reader import FileReader

MAGIC = b"Obj\x01"
"""How every container begins."""

MAX_HEADER = 256 * 1024
"""Bytes of the header, schema included; the schema of an alert has some 20 kB."""
MAX_BLOCKS = 200_000
"""Blocks of one file. A writer closes a block at some 16 kB, so this is far above any product."""

_CODECS = frozenset({b"null", b"deflate", b"snappy", b"bzip2", b"xz", b"zstandard", b"lz4"})
"""Those of the specification, and lz4, which fastavro writes too."""
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAMELESS = _PRIMITIVES | {"enum", "fixed", "array", "map"}
_SYNC = 16
_VARINT = 10
"""The most bytes that a 64-bit number takes."""
_MORE = 0x80
"""The bit of a number's byte that says that another follows."""


@dataclass(frozen=True, slots=True)
class AvroShape:
    """A whole Avro container: its length in bytes, and what was seen of its inside."""

    size: int
    blocks: int
    records: int
    schema: str
    """The full name of the record; else the kind of type that is written instead."""
    codec: str
    notes: tuple[str, ...] = ()
    """What is odd about it, though nothing is missing."""


def check(reader: FileReader) -> AvroShape:
    """Return the shape of a whole Avro container, reading only its header and its block markers.

    Raises
    ------
    DamagedFileError
        If the file is not a container, not whole, or more than whole.
    """
    header = read_header(reader)
    schema = _schema(reader, header.schema)
    blocks = records = 0
    for block in read_blocks(reader, header):
        blocks, records = blocks + 1, records + block.records
    return AvroShape(reader.size, blocks, records, schema, header.codec)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a container: its schema as it stands there, and the marker of its blocks."""

    schema: bytes | None
    codec: str
    sync: bytes
    end: int
    """The byte where the first block begins."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a container: how many records it has, and the bytes that they take there."""

    records: int
    start: int
    length: int


def read_header(reader: FileReader) -> Header:
    """Return the header of a container.

    Raises
    ------
    DamagedFileError
        If there is none.
    """
    header = _Cursor(reader, 0, MAX_HEADER, "the header")
    if header.take(len(MAGIC)) != MAGIC:
        raise reader.damaged(Fault.FOREIGN, 0, "it does not begin as Avro does")
    metadata = _metadata(header)
    codec = metadata.get(b"avro.codec", b"null")
    if codec not in _CODECS:
        raise reader.damaged(
            Fault.MALFORMED, 0, f"its codec {quote_bytes(codec[:20])} is none of Avro's"
        )
    sync = header.take(_SYNC)
    return Header(metadata.get(b"avro.schema"), codec.decode(), sync, header.at)


def read_blocks(reader: FileReader, header: Header) -> Iterator[Block]:
    """Yield the blocks of a container, the closing marker of each seen.

    Raises
    ------
    DamagedFileError
        If the file is not whole, or more than whole.
    """
    sync, start = header.sync, header.end
    front = _Cursor(reader, start, 2 * _VARINT, "block 0")
    number = 0
    while front.at < reader.size:
        start = front.at
        if front.may_be_zeros and any(sync) and reader.zeros_from(start):
            what = f"{reader.size - start} zeros follow the last block"
            raise reader.damaged(Fault.LONG, start, what)
        count, length = front.long(), front.long()
        if count < 0 or length < 0 or number == MAX_BLOCKS:
            what = f"block {number} begins with the numbers {count} and {length}"
            raise reader.damaged(Fault.MALFORMED, start, what)
        data, marker = front.at, front.at + length
        front = _Cursor(reader, marker, _SYNC + 2 * _VARINT, f"block {number}")
        if front.take(_SYNC) != sync:
            what = f"block {number} is not closed by the file's marker"
            raise reader.damaged(Fault.MALFORMED, marker, what)
        yield Block(count, data, length)
        number += 1
        front.where = f"block {number}"


class _Cursor:
    """A few bytes from `start`, taken from front to back; `at` is the byte to be taken next.

    `where` names this part of the file for people.
    """

    def __init__(self, reader: FileReader, start: int, length: int, where: str) -> None:
        self.at = start
        self._bytes = reader.read(start, length)
        self._start = start
        self._reader = reader
        self.where = where

    @property
    def may_be_zeros(self) -> bool:
        """Whether nothing but zeros is among these bytes from `at` on."""
        return not self._bytes[self.at - self._start :].strip(b"\0")

    def take(self, length: int) -> bytes:
        """Take the given number of bytes."""
        first = self.at - self._start
        if length < 0:
            what = f"a length below 0 in {self.where}"
            raise self._reader.damaged(Fault.MALFORMED, self.at, what)
        if first + length > len(self._bytes):
            raise self._ends()
        self.at += length
        return self._bytes[first : first + length]

    def long(self) -> int:
        """Take a whole number: seven bits a byte, least first, zigzag, at most 64 bits."""
        raw = 0
        first = self.at - self._start
        for shift, byte in enumerate(self._bytes[first : first + _VARINT]):
            raw |= (byte & ~_MORE) << (7 * shift)
            if byte < _MORE and raw < 1 << 64:
                self.at += shift + 1
                return (raw >> 1) ^ -(raw & 1)
        if len(self._bytes) - first < _VARINT:
            raise self._ends()
        what = f"a number of more than 64 bits in {self.where}"
        raise self._reader.damaged(Fault.MALFORMED, self.at, what)

    def _ends(self) -> Exception:
        if self._start + len(self._bytes) < self._reader.size:
            what = f"{self.where} goes on past {len(self._bytes)} bytes"
            return self._reader.damaged(Fault.MALFORMED, self.at, what)
        return self._reader.damaged(Fault.SHORT, self._reader.size, f"it ends in {self.where}")


def _metadata(header: _Cursor) -> dict[bytes, bytes]:
    """Take the map of metadata: blocks of pairs, closed by an empty one.

    A pair takes two bytes at least, so the header's own end bounds this whatever a count says.
    """
    metadata = {}
    while count := header.long():
        if count < 0:
            header.long()
        for _ in range(abs(count)):
            key = header.take(header.long())
            metadata[key] = header.take(header.long())
    return metadata


def _schema(reader: FileReader, text: bytes | None) -> str:
    if text is None:
        raise reader.damaged(Fault.MALFORMED, 0, "its header has no avro.schema")
    try:
        name = _type_name(json.loads(text.decode()))
    except (ValueError, RecursionError):
        name = None
    if name is None:
        raise reader.damaged(
            Fault.MALFORMED, 0, f"its avro.schema is no schema: {quote_bytes(text[:60])}"
        )
    return name


def _type_name(schema: object) -> str | None:
    """Name the type that a schema's outermost part declares, None when it declares none."""
    match schema:
        case {"type": "record" | "error", "name": str(name), "fields": list(), **rest}:
            space = rest.get("namespace")
            return f"{space}.{name}" if space and "." not in name else name
        case str(kind) | {"type": str(kind)}:
            known = _PRIMITIVES if kind is schema else _NAMELESS
            return kind if kind in known else None
        case {"type": dict() | list() as inner}:
            return _type_name(inner)
    return "union" if isinstance(schema, list) else None
