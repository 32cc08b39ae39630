"""Whether a file is whole FITS: its headers against its length, its sums against its bytes.

Sections are those of the FITS standard, version 4.0 (2018). What shows that headers or data are
missing is refused for good. What leaves all announced data whole and yet may show a half-written
file is refused with a fault that says so (`Fault.leaves_data_whole`): something after the last HDU
(3.5), a sum that is wrong, extensions that are missing. What is no trace of missing data is only
noted: the fill of the last block left out, a few blocks of zeros as writers for tape left them,
more extensions than announced. Lenient in the rest: the order of the mandatory cards, what fills
a header after END, keywords and values that do not bear on the length.

A file is read from front to back, so that it may also be the inside of a compressed one.

What the structure cannot show: data that are all there but zeros (a file preallocated and not yet
filled), and a file cut exactly between two HDUs, which is FITS in itself. The second is caught
where a count is known: see `check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import Fault
from winter_sync.formats.findings import Findings
from winter_sync.formats.fits_headers import (
    BEGINS,
    BLOCK,
    INTEGER,
    MAX_HEADER_BLOCKS,
    Hdu,
    data_bytes_of,
    is_true,
    read_header,
)
from winter_sync.formats.fits_sums import sums_are_right

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.formats.reader import FileReader

_UNTOLD = 1 << 63
"""Lengths from here on are not named: no file has them, and they can have thousands of digits."""
_TAPE_RECORD = 10 * BLOCK
"""The longest record of FITS on tape, ten blocks: writers for tape filled the last one up."""


@dataclass(frozen=True, slots=True)
class FitsShape:
    """A whole FITS file: its length in bytes, and what was seen of its inside."""

    size: int
    hdus: int
    data_bytes: int
    """Bytes of data in all HDUs, without padding."""
    summed: int
    """HDUs whose CHECKSUM or DATASUM was there and right."""
    notes: tuple[str, ...] = ()
    """What is odd about it, though nothing is missing."""


def check(reader: FileReader, *, extensions: int | None = None, sums: bool = True) -> FitsShape:
    """Return the shape of a FITS file of which nothing is missing.

    Reads only the headers and steps over the data, unless there are sums to verify.

    Parameters
    ----------
    reader
        The file.
    extensions
        How many HDUs usually follow the primary one. With fewer the file is refused, unless
        NEXTEND says that there are no more. When None, the primary header's own word counts:
        NEXTEND, and EXTEND = T where there is no data. That word binds only a primary HDU without
        data of its own: the pipeline splits an exposure into single images and copies its primary
        cards into each.
    sums
        Whether CHECKSUM and DATASUM are verified where present (4.4.2.7).

    Raises
    ------
    DamagedFileError
        If the file is not FITS or not whole. Where all that its headers announce is there, its
        fault says so, and it is raised only once the last HDU has been looked at.
    """
    hdus = data_bytes = summed = 0
    findings = Findings(reader)
    primary = None
    for hdu in hdus_of(reader, findings):
        primary = primary or hdu
        summed += sums and sums_are_right(reader, hdu, findings)
        data_bytes += hdu.data_bytes
        hdus += 1
    if primary is not None:
        _weigh_count(findings, primary, extensions, hdus - 1)
    findings.refuse_doubtful()
    return FitsShape(reader.size, hdus, data_bytes, summed, tuple(findings.notes))


def hdus_of(reader: FileReader, findings: Findings, *, text_blocks: int = 0) -> Iterator[Hdu]:
    """Yield the HDUs of a file one by one; raise a `DamagedFileError` where the next is broken.

    Parameters
    ----------
    reader
        The file.
    findings
        Takes what is odd.
    text_blocks
        How many blocks of each header to keep as they are, for `Header.text`.
    """
    number = at = blocks = 0
    while at < reader.size or number == 0:
        if number and _is_trailing(reader, number, at, findings):
            return
        limit = MAX_HEADER_BLOCKS - blocks
        header = read_header(reader, number, at, limit, text_blocks=text_blocks)
        blocks += (header.end - at) // BLOCK
        data_bytes = data_bytes_of(reader, number, header)
        end = header.end + -(-data_bytes // BLOCK) * BLOCK
        if header.end + data_bytes > reader.size:
            raise _short_of_data(reader, number, header.end + data_bytes)
        if end > reader.size:
            short = end - reader.size
            findings.notes.append(f"the fill of HDU {number}, the last, is {short} bytes short")
        yield Hdu(number, header, data_bytes, end)
        number, at = number + 1, end


def _is_trailing(reader: FileReader, number: int, at: int, findings: Findings) -> bool:
    """Return whether what stands at `at`, behind an HDU, is no extension; weigh it then."""
    begins = reader.read(at, len(BEGINS))
    if BEGINS.startswith(begins):
        return False
    count = reader.size - at
    if not reader.zeros_from(at):
        what = f"{count} bytes follow HDU {number - 1} and are no extension"
        findings.doubt(Fault.LONG, at, what)
    elif count < _TAPE_RECORD:
        findings.notes.append(f"{count} zeros follow HDU {number - 1}, the last")
    else:
        findings.doubt(Fault.LONG, at, f"{count} zeros follow HDU {number - 1}")
    return True


def _short_of_data(reader: FileReader, number: int, data_end: int) -> Exception:
    if data_end < _UNTOLD:
        what = f"the data of HDU {number} are {data_end - reader.size} bytes short"
    else:
        what = f"HDU {number} says that it has more data than any file can hold"
    return reader.damaged(Fault.SHORT, reader.size, what)


def _weigh_count(findings: Findings, primary: Hdu, usual: int | None, found: int) -> None:
    """Weigh the number of extensions against what is usual and what the primary header says."""
    said, least = _announced(primary)
    if usual is not None:
        if found == usual:
            return
        if found > usual or (found and found == said):
            findings.notes.append(f"{found} extensions where {usual} are usual")
            return
        said = usual
    if said is None and found < least:
        what = f"{found} extensions where at least {least} should be"
        findings.doubt(Fault.EXTENSIONS, findings.reader.size, what)
    elif said is not None and found < said:
        what = f"{found} extensions where {said} should be"
        findings.doubt(Fault.EXTENSIONS, findings.reader.size, what)
    elif said is not None and found > said:
        findings.notes.append(f"{found} extensions where its header says {said}")


def _announced(primary: Hdu) -> tuple[int | None, int]:
    """Return how many extensions a primary header announces, None unknown, and how many at least.

    One with data of its own announces nothing.
    """
    if primary.data_bytes:
        return None, 0
    match = INTEGER.fullmatch(primary.cards.get(b"NEXTEND ", b""))
    if match is not None:
        return int(match[1]), 0
    return None, int(is_true(primary.cards, b"EXTEND"))
