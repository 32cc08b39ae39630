"""Whether a finished file really is the FITS or Avro file that its name says, and whole.

The last check before a file is published. It is one of the structure, not of the data: headers and
markers are read, pixels and records are skipped. A gzip file is inflated for that, piece by piece,
and its CRC-32 verified. What the structure cannot show is described in `winter_sync.formats.fits`
and `winter_sync.formats.avro`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from winter_sync.core import SUFFIXES, Fault, FileFormat
from winter_sync.formats import avro, fits, fits_headers, gzip_stream
from winter_sync.formats.avro import AvroShape
from winter_sync.formats.fits import FitsShape
from winter_sync.formats.gzip_stream import GzipReader
from winter_sync.formats.reader import FileReader

if TYPE_CHECKING:
    from collections.abc import Callable

Verdict = FitsShape | AvroShape
"""What a whole file turned out to be."""

_GZIP = (".fits.gz",)
_HEAD = 512
"""Bytes examined to recognise what arrived instead."""

_BEGINNINGS = (
    (fits_headers.MAGIC, "FITS"),
    (avro.MAGIC, "Avro"),
    (b"PK\x03\x04", "a zip"),
    (b"PK\x05\x06", "an empty zip"),
    (b"\x1f\x8b", "gzip"),
    (b"\x1f\x9d", "compress (.Z)"),
    (b"BZh", "bzip2"),
    (b"\x28\xb5\x2f\xfd", "zstandard"),
    (b"%PDF-", "a PDF"),
    (b"\x89HDF", "HDF5"),
    (b"\x89PNG", "a PNG picture"),
    (b"XTENSION=", "a FITS extension without its primary header"),
)
_TEXTS = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<head", "an HTML page"),
    (b"<?xml", "XML"),
    (b"<", "HTML or XML"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"HTTP/", "an HTTP answer, headers and all"),
)
_PRINTABLE = bytes(range(0x20, 0x7F)) + b"\t\n\r\f"


def check_file(
    file: int | BinaryIO,
    filename: str,
    *,
    extensions: int | None = None,
    sums: bool = True,
    redact: Callable[[str], str] = str,
) -> Verdict:
    """Return what a whole file is, or refuse it.

    Parameters
    ----------
    file
        A descriptor open for reading, or a file that has one; what was written through it must
        have been flushed. Its position is neither used nor moved.
    filename
        The name, whose ending says what the file must be: one of `SUFFIXES`.
    extensions
        For FITS: how many HDUs usually follow the primary one, where the caller knows (6 for a
        WINTER exposure: winter-api.md, "Products"). Nothing else shows that a file was cut between
        two HDUs, unless its header has NEXTEND.
    sums
        For FITS: whether CHECKSUM and DATASUM cards are verified.
    redact
        Takes secrets out of a text; applied to what is quoted of the file.

    Raises
    ------
    DamagedFileError
        If it is anything else, or not whole.
    OSError
        If the disk fails to read.
    """
    reader = FileReader(file if isinstance(file, int) else file.fileno(), filename, redact)
    name = filename.lower()
    if name.endswith(_GZIP):
        return _judge_gzip(reader, extensions=extensions, sums=sums)
    if name.endswith(FileFormat.FITS.suffixes):
        _refuse_foreign(reader, fits_headers.MAGIC, "FITS")
        return fits.check(reader, extensions=extensions, sums=sums)
    if name.endswith(FileFormat.AVRO.suffixes):
        _refuse_foreign(reader, avro.MAGIC, "Avro")
        return avro.check(reader)
    what = f"the name is of no format known here ({', '.join(SUFFIXES)})"
    raise reader.damaged(Fault.FOREIGN, 0, what)


def _judge_gzip(reader: FileReader, *, extensions: int | None, sums: bool) -> FitsShape:
    """Judge FITS inside gzip: the whole stream first, then its content."""
    _refuse_foreign(reader, gzip_stream.MAGIC, "gzip")
    inside = GzipReader(reader)
    _refuse_foreign(inside, fits_headers.MAGIC, "FITS inside gzip")
    shape = fits.check(inside, extensions=extensions, sums=sums)
    notes = inside.refuse_what_follows()
    return replace(shape, size=reader.size, notes=(*shape.notes, *notes))


def _refuse_foreign(reader: FileReader, magic: bytes, wanted: str) -> None:
    head = reader.read(0, _HEAD)
    if head.startswith(magic):
        return
    if magic.startswith(head):
        what = f"it ends in its first {len(magic)} bytes" if head else "there is nothing at all"
        raise reader.damaged(Fault.SHORT, len(head), f"not {wanted}: {what}")
    raise reader.damaged(Fault.FOREIGN, 0, f"not {wanted}: it seems to be {recognise(head)}")


def recognise(head: bytes) -> str:
    """Name what the first bytes of a file look like, for people."""
    for beginning, name in _BEGINNINGS:
        if head.startswith(beginning):
            return name
    if not head.strip(b"\0"):
        return "zeros, a file made but never filled"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginning, name in _TEXTS:
        if text[: len(beginning)].lower() == beginning.lower():
            return name
    return "nothing we know" if text.translate(None, _PRINTABLE) else "text"
