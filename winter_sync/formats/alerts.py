"""Alerts of an Avro file: what its records say, and their cutouts, read when asked for.

A record of another schema than expected costs the fields that cannot be found, a record that cannot
be decoded itself, and a file that cannot be read a note; nothing of this is an error. Records,
bytes and what is decompressed are bounded: a file of the archive is read, and is not trusted.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from dataclasses import dataclass, fields
from io import BytesIO
from math import isfinite
from typing import TYPE_CHECKING, Any, BinaryIO

import fastavro

from winter_sync.core import (
    Alert,
    AlertFile,
    Cutouts,
    DamagedFileError,
    Facts,
    escape_unprintable,
    exposure_time,
    instant_of_jd,
    jd_of_instant,
)
from winter_sync.formats.alert_schema import (
    RecordSchema,
    UnreadableError,
    plain_name,
    read_schema,
)
from winter_sync.formats.avro import read_blocks, read_header
from winter_sync.formats.reader import FileReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from winter_sync.formats.avro import Block

MAX_RECORDS = 100_000
"""Records of one file; a difference image has some hundreds of sources."""
MAX_BLOCK = 64 * 1024**2
"""Bytes of one block, decompressed; the largest file of alerts has some 20 MB."""
MAX_BYTES = 1024**3
"""Bytes of all blocks of one file, decompressed."""
MAX_CUTOUT = 16 * 1024**2
"""Bytes of one cutout, decompressed; one of 81 x 81 pixels has 29 kB."""

_KINDS = {field.name: str(field.type).partition(" ")[0] for field in fields(Alert)}
_SINGLE = tuple(
    name for name, kind in _KINDS.items() if kind == "float" and name not in {"jd", "ra", "dec"}
)
"""Numbers that the schema has in single precision, or may have."""
_FLOAT = struct.Struct("<f")
_DIGITS = (6, 7, 8)
"""Nine always suffice, and are no shorter than what they stand for."""
_CUTOUTS = {f"cutout{field.name}": field.name for field in fields(Cutouts)}
_NAMES = frozenset(_KINDS)
_UNKNOWN = -999
"""What mirar writes for a number that it does not know."""
_XZ_MEMORY = 128 * 1024**2
"""Bytes for the dictionary of an xz stream; its strongest preset takes half of that."""
_LONGEST_TEXT = 100
_LONGEST_NOTE = 500
_LARGEST = 2**63
"""Beyond whole numbers of 64 bits; the least of them stands for null in FITS tables."""
_EARLIEST_JD, _LATEST_JD = 2_415_020.5, 2_488_069.5
"""The years 1900 to 2099: any other date is no date of an observation."""
_MJD_0 = 2_400_000.5
_TRUTHS: dict[object, bool] = {"t": True, "f": False, "1": True, "0": False, 1: True, 0: False}
"""How ZTF and others write whether something is so."""
_GZIP = b"\x1f\x8b"
_GZIP_BITS = 31


def read_alerts(file: int | BinaryIO, filename: str) -> AlertFile:
    """Return the alerts of an Avro file, as far as they can be read.

    Parameters
    ----------
    file
        A descriptor open for reading, or a file that has one. Its position is neither used nor
        moved.
    filename
        The name of the file, which says the time.

    Raises
    ------
    OSError
        If the disk fails to read.
    """
    alerts: list[Alert] = []
    note = None
    try:
        for record in _records(FileReader(_descriptor(file), filename), _NAMES):
            alerts.append(_alert(record.fields))
            note = note or record.note
    except (DamagedFileError, UnreadableError) as unreadable:
        note = escape_unprintable(str(unreadable), _LONGEST_NOTE)
    return AlertFile(tuple(alerts), _facts(alerts, filename, note))


def read_cutouts(file: int | BinaryIO, filename: str, number: int, candid: int | None) -> Cutouts:
    """Return the cutouts of an alert, as FITS files; none of those that cannot be read.

    Parameters
    ----------
    file, filename
        As for `read_alerts`.
    number
        The place of the record in the file, from 0.
    candid
        The number of the detection, by which the record is known.

    Raises
    ------
    UnreadableError
        If there is no such record in the file.
    DamagedFileError
        If the file is damaged.
    OSError
        If the disk fails to read.
    """
    reader = FileReader(_descriptor(file), filename)
    wanted = frozenset({*_CUTOUTS, "candid"})
    for place, record in enumerate(_records(reader, wanted, start=number)):
        if place == number:
            if _value("int", record.fields.get("candid")) != candid:
                break
            return Cutouts(
                **{name: _fits(record.fields.get(field)) for field, name in _CUTOUTS.items()}
            )
    raise UnreadableError(f"{filename} has no alert {candid} any more")


def _descriptor(file: int | BinaryIO) -> int:
    return file if isinstance(file, int) else file.fileno()


@dataclass(frozen=True, slots=True)
class _Record:
    """The wanted fields of one record, by plain name; none if it could not be read, and why."""

    fields: dict[str, Any]
    note: str | None = None


def _records(reader: FileReader, wanted: frozenset[str], *, start: int = 0) -> Iterator[_Record]:
    """Yield the records of a file; those of blocks before the record `start`, without fields.

    Raises
    ------
    DamagedFileError
        If the file is damaged.
    UnreadableError
        If nothing, or nothing more, can be read.
    """
    header = read_header(reader)
    schema = read_schema(header.schema, wanted)
    seen = size = 0
    for block in read_blocks(reader, header):
        seen += block.records
        if seen > MAX_RECORDS:
            raise UnreadableError(f"only {MAX_RECORDS} records of a file are read")
        if seen <= start:
            yield from [_Record({})] * block.records
            continue
        data = _block_data(reader, block, header.codec)
        size += len(data)
        if size > MAX_BYTES:
            raise UnreadableError(f"only {MAX_BYTES} bytes of a file are read")
        yield from _decoded(data, block.records, schema)


def _block_data(reader: FileReader, block: Block, codec: str) -> bytes:
    """Return the records of a block as bytes.

    Raises
    ------
    UnreadableError
        If it is too large, or its codec none that is known here.
    """
    if block.length > MAX_BLOCK:
        raise UnreadableError(f"only blocks of {MAX_BLOCK} bytes are read")
    packed = reader.read(block.start, block.length)
    if codec == "null":
        return packed
    return _inflated(packed, codec, MAX_BLOCK)


_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "deflate": lambda: zlib.decompressobj(-zlib.MAX_WBITS),
    "gzip": lambda: zlib.decompressobj(_GZIP_BITS),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY),
}
"""Those that can stop at a number of bytes."""


def _inflated(packed: bytes, codec: str, most: int) -> bytes:
    """Return decompressed bytes.

    Raises
    ------
    UnreadableError
        If there are more than may be, they are damaged, or the codec is not known here.
    """
    if codec not in _DECOMPRESSORS:
        raise UnreadableError(f"its codec {codec} cannot be read here")
    decompressor = _DECOMPRESSORS[codec]()
    try:
        data: bytes = decompressor.decompress(packed, most + 1)
    except (zlib.error, OSError, lzma.LZMAError) as broken:
        raise UnreadableError(f"its compressed data are damaged: {broken}") from broken
    if len(data) > most:
        raise UnreadableError(f"more than {most} bytes come out of a part of it")
    if not decompressor.eof:
        raise UnreadableError("its compressed data are cut")
    return data


def _decoded(data: bytes, records: int, schema: RecordSchema) -> Iterator[_Record]:
    """Yield the records of a block; those after one that cannot be decoded, without fields."""
    stream = BytesIO(data)
    for done in range(records):
        try:
            found: Any = fastavro.schemaless_reader(
                stream, schema.writer, schema.reader, handle_unicode_errors="replace"
            )
        except Exception:  # noqa: BLE001 - fastavro raises whatever the bytes lead it to
            lost = records - done
            yield from [_Record({}, f"records of a block that cannot be decoded: {lost}")] * lost
            return
        yield _Record(_by_name(found))


def _by_name(record: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record and of its candidate by plain name; the candidate's count.

    Of several fields with one plain name, the one that is written like it counts.
    """
    inner: dict[str, Any] = {}
    outer: dict[str, Any] = {}
    for name in sorted(record, key=lambda name: name == plain_name(name)):
        value = record[name]
        if isinstance(value, dict):
            inner |= _by_name(value)
        else:
            outer[plain_name(name)] = value
    return outer | {name: value for name, value in inner.items() if value is not None}


def _alert(record: dict[str, Any]) -> Alert:
    """Return an alert; each field that is not what it should be is None."""
    values = {name: _value(kind, record.get(name)) for name, kind in _KINDS.items()}
    for name in _SINGLE:
        if values[name] is not None:
            values[name] = _shortest(values[name])
    if not (_is_within(values["ra"], 0, 360) and _is_within(values["dec"], -90, 90)):
        values["ra"] = values["dec"] = None
    if not _is_within(values["jd"], _EARLIEST_JD, _LATEST_JD):
        values["jd"] = None
    return Alert(**values)


def _shortest(value: float) -> float:
    """Return a number of single precision as it was written: 17.9257, not 17.92569923400879.

    One of double precision stays as it is.
    """
    try:
        packed = _FLOAT.pack(value)
    except OverflowError:
        return value
    if _FLOAT.unpack(packed)[0] != value:
        return value
    written = (float(f"{value:.{digits}g}") for digits in _DIGITS)
    return next((short for short in written if _FLOAT.pack(short) == packed), value)


def _is_within(value: float | None, least: float, most: float) -> bool:
    return value is not None and least <= value <= most


def _value(kind: str, raw: object) -> Any:  # noqa: ANN401 - of the kind
    """Return what a field says; None if it says nothing, or something of another kind."""
    match kind, raw:
        case "float" | "int", int() | float() if isinstance(raw, bool) or raw == _UNKNOWN:
            return None
        case "float", int() | float() if isfinite(raw):
            return float(raw)
        case "int", int() | float() if isfinite(raw) and raw == int(raw):
            return int(raw) if abs(raw) < _LARGEST else None
        case "str", str() if raw.strip():
            return escape_unprintable(raw.strip(), _LONGEST_TEXT)
        case "bool", bool() | int() | str():
            return _TRUTHS.get(raw)
    return None


def _facts(alerts: Sequence[Alert], filename: str, note: str | None) -> Facts:
    """Return what the alerts of an image have in common, and the time of its name."""
    started = exposure_time(filename)
    if started is None and (times := [alert.jd for alert in alerts if alert.jd is not None]):
        started = instant_of_jd(min(times))
    return Facts(
        started_at=started,
        mjd=jd_of_instant(started) - _MJD_0 if started else None,
        filter=_common([alert.filter for alert in alerts]),
        exposure_time=_common([alert.exptime for alert in alerts]),
        board=_common([alert.boardid for alert in alerts]),
        limiting_magnitude=_common([alert.diffmaglim for alert in alerts]),
        note=note,
    )


def _common(values: Sequence[Any]) -> Any:  # noqa: ANN401 - of their kind
    """Return the value that all have, whatever is None; None if they differ."""
    known = {value for value in values if value is not None}
    return known.pop() if len(known) == 1 else None


def _fits(raw: object) -> bytes | None:
    """Return a cutout as a FITS file; None if it is none."""
    if not isinstance(raw, bytes) or not raw:
        return None
    try:
        content = _inflated(raw, "gzip", MAX_CUTOUT) if raw.startswith(_GZIP) else raw
    except UnreadableError:
        return None
    return content if content.startswith(b"SIMPLE  =") else None
