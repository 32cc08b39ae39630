"""Whether a file is whole FITS: its headers against its length, its sums against its bytes.

Sections are those of the FITS standard, version 4.0 (2018). What shows that headers or data are
missing is refused for good. What leaves all announced data whole and yet may show a half-written
file is refused with a fault that says so (`Fault.leaves_data_whole`): something after the last HDU
(3.5), a sum that is wrong, extensions that are missing. What is no trace of missing data is only
noted: the fill of the last block left out, a few blocks of zeros as writers for tape left them,
more extensions than announced. Lenient in the rest: the order of the mandatory cards, what fills
a header after END, keywords and values that do not bear on the length.

A file is read from front to back, so that it may also be the inside of a compressed one.

What structure cannot tell: data that are all there but zeros (a file preallocated and not yet
filled), and a file cut exactly between two HDUs, which is FITS in itself. The second is caught
where a count is known: see `check`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from winter_sync.core import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.formats.reader import FileReader

MAGIC = b"SIMPLE  ="
"""How every FITS file begins (4.4.1.1)."""

_BEGINS = b"XTENSION="
"""How every extension begins (4.4.1.2)."""

MAX_HEADER_BLOCKS = 10_000
"""Header blocks read of one file, all HDUs together: 29 MB; a WINTER exposure has about 40."""

_BLOCK = 2880
_CARD = 80
_KEYWORDS = struct.Struct("8s72x" * (_BLOCK // _CARD))
_END = b"END     "
_NAXIS = [b"NAXIS   ", *(b"%-8b" % (b"NAXIS%d" % axis) for axis in range(1, 1000))]
_WANTED = frozenset(_NAXIS).union(
    b"%-8b" % keyword
    for keyword in (
        *(b"SIMPLE", b"XTENSION", b"BITPIX", b"PCOUNT", b"GCOUNT", b"GROUPS", b"EXTEND"),
        *(b"NEXTEND", b"CHECKSUM", b"DATASUM"),
    )
)
_BITPIX = frozenset({8, 16, 32, 64, -32, -64})

_INTEGER = re.compile(rb"= *([+-]?[0-9]+) *(?:/.*)?", re.DOTALL)
_LOGICAL = re.compile(rb"= *([TF]) *(?:/.*)?", re.DOTALL)
_STRING = re.compile(rb"= *'([^']*)' *(?:/.*)?", re.DOTALL)
_UNTOLD = 1 << 63
"""Lengths from here on are not named: no file has them, and they can have thousands of digits."""

_DOUBTS_TOLD = 3

_CHECKSUM = b"CHECKSUM"
_ONES = 0xFFFFFFFF
_NEAR_CHECKSUM = frozenset(
    _CHECKSUM[:at] + bytes([letter]) + _CHECKSUM[at + 1 :]
    for at in range(len(_CHECKSUM))
    for letter in range(256)
) - {_CHECKSUM, b"ZHECKSUM"}
"""CHECKSUM with one letter damaged; ZHECKSUM is a keyword of its own, of tiled images (10.1.2)."""
_TABLE = b"TABLE"
"""The extension whose fill is blanks, where all others have zeros (7.2.3)."""
_TAPE_RECORD = 10 * _BLOCK
"""The longest record of FITS on tape, ten blocks: writers for tape filled the last one up."""
_SUM_PIECE = 16 * _BLOCK
"""Bytes added up at once: in the L2 cache, and few enough additions to count for nothing."""


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


@dataclass(slots=True)
class _Header:
    """One header: its first byte, the byte after it, and what was seen of it in passing."""

    start: int
    end: int = 0
    cards: dict[bytes, bytes] = field(default_factory=dict)
    total: int = 0
    """Its ones-complement sum, not yet reduced."""
    near_checksum: bool = False
    """Whether a keyword is CHECKSUM but for one letter."""


@dataclass(frozen=True, slots=True)
class _Hdu:
    """One header and data unit: number from 0, bytes of data, byte after all."""

    number: int
    header: _Header
    data_bytes: int
    end: int

    @property
    def cards(self) -> dict[bytes, bytes]:
        return self.header.cards

    @property
    def fill(self) -> bytes:
        """What fills the last block of its data (3.3.2, 7.2.3)."""
        kind = _STRING.fullmatch(self.cards.get(b"XTENSION", b""))
        return b" " if kind is not None and kind[1].strip() == _TABLE else b"\0"


@dataclass(slots=True)
class _Findings:
    """What is not as it should be in a file whose announced data are all there."""

    reader: FileReader
    notes: list[str] = field(default_factory=list)
    """What is harmless."""
    doubts: list[tuple[Fault, int, str]] = field(default_factory=list)
    """What may show that more should follow: the fault, at which byte, in words."""

    def doubt(self, fault: Fault, at: int, what: str) -> None:
        self.doubts.append((fault, at, what))

    def refuse_doubtful(self) -> None:
        """Raise the first doubt, with the words of the next ones."""
        if self.doubts:
            fault, at, _ = self.doubts[0]
            what = "; ".join(words for _, _, words in self.doubts[:_DOUBTS_TOLD])
            raise self.reader.damaged(fault, at, what)


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
    findings = _Findings(reader)
    primary = None
    for hdu in _hdus(reader, findings):
        primary = primary or hdu
        summed += sums and _sums_are_right(reader, hdu, findings)
        data_bytes += hdu.data_bytes
        hdus += 1
    if primary is not None:
        _weigh_count(findings, primary, extensions, hdus - 1)
    findings.refuse_doubtful()
    return FitsShape(reader.size, hdus, data_bytes, summed, tuple(findings.notes))


def _hdus(reader: FileReader, findings: _Findings) -> Iterator[_Hdu]:
    number = at = blocks = 0
    while at < reader.size or number == 0:
        if number and _is_trailing(reader, number, at, findings):
            return
        header = _header(reader, number, at, MAX_HEADER_BLOCKS - blocks)
        blocks += (header.end - at) // _BLOCK
        data_bytes = _data_bytes(reader, number, header)
        end = header.end + -(-data_bytes // _BLOCK) * _BLOCK
        if header.end + data_bytes > reader.size:
            raise _short_of_data(reader, number, header.end + data_bytes)
        if end > reader.size:
            short = end - reader.size
            findings.notes.append(f"the fill of HDU {number}, the last, is {short} bytes short")
        yield _Hdu(number, header, data_bytes, end)
        number, at = number + 1, end


def _is_trailing(reader: FileReader, number: int, at: int, findings: _Findings) -> bool:
    """Return whether what stands at `at`, behind an HDU, is no extension; weigh it then."""
    begins = reader.read(at, len(_BEGINS))
    if _BEGINS.startswith(begins):
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


def _header(reader: FileReader, number: int, start: int, limit: int) -> _Header:
    """Read the header at `start`."""
    header = _Header(start)
    for at in range(start, start + limit * _BLOCK, _BLOCK):
        block = reader.read(at, _BLOCK)
        if at == start:
            _refuse_other_beginning(reader, number, at, block)
        if len(block) < _BLOCK:
            raise reader.damaged(Fault.SHORT, reader.size, f"it ends in the header of HDU {number}")
        header.total += int.from_bytes(block, "big")
        if _take_cards(reader, at, block, header):
            header.end = at + _BLOCK
            return header
    what = f"no END within {MAX_HEADER_BLOCKS} header blocks, in HDU {number}"
    raise reader.damaged(Fault.MALFORMED, start, what)


def _refuse_other_beginning(reader: FileReader, number: int, at: int, block: bytes) -> None:
    begins = _BEGINS if number else MAGIC
    if block.startswith(begins):
        return
    if len(block) < len(begins) and begins.startswith(block):
        raise reader.damaged(Fault.SHORT, reader.size, f"it ends in the header of HDU {number}")
    raise reader.damaged(Fault.FOREIGN, at, "it does not begin as FITS does")


def _take_cards(reader: FileReader, at: int, block: bytes, header: _Header) -> bool:
    """Take the cards we read of one block, first come first kept; return whether END came."""
    keywords = _KEYWORDS.unpack(block)
    header.near_checksum = header.near_checksum or not _NEAR_CHECKSUM.isdisjoint(keywords)
    last = keywords.index(_END) if _END in keywords else len(keywords)
    if (hole := block.find(b"\0", 0, last * _CARD)) >= 0:
        raise reader.damaged(Fault.MALFORMED, at + hole, "a header has a hole: zeros in its text")
    for keyword in _WANTED.intersection(keywords[:last]):
        card = keywords.index(keyword) * _CARD
        header.cards.setdefault(keyword, block[card + len(keyword) : card + _CARD])
    if last == len(keywords):
        return False
    end = last * _CARD
    if block[end : end + _CARD].rstrip() != b"END":
        raise reader.damaged(Fault.MALFORMED, at + end, "an END card with more than END")
    return True


def _data_bytes(reader: FileReader, number: int, header: _Header) -> int:
    """Return the length of the data as its header says (4.4.1, and 6.1 for random groups).

    PCOUNT and GCOUNT count in every HDU, as cfitsio and astropy have it; no NAXIS, no data.
    """
    at, cards = header.start, header.cards
    if number == 0 and not _is_true(cards, b"SIMPLE"):
        raise reader.damaged(Fault.MALFORMED, at, "SIMPLE is not T: not standard FITS")
    if number > 0 and _STRING.fullmatch(cards[b"XTENSION"]) is None:
        raise reader.damaged(Fault.MALFORMED, at, "XTENSION is not a string")
    whole = _Integers(reader, number, at, cards)
    bitpix = whole.of(b"BITPIX", -64, 64)
    if bitpix not in _BITPIX:
        raise whole.refused(b"BITPIX")
    naxis = whole.of(b"NAXIS", 0, 999)
    axes = [whole.of(keyword.rstrip()) for keyword in _NAXIS[1 : naxis + 1]]
    pcount, gcount = whole.of(b"PCOUNT", missing=0), whole.of(b"GCOUNT", missing=1)
    if not axes:
        return 0
    if number == 0 and axes[0] == 0 and _is_true(cards, b"GROUPS"):
        axes = axes[1:] or [0]
    return abs(bitpix) // 8 * gcount * (pcount + prod(axes))


@dataclass(frozen=True, slots=True)
class _Integers:
    """The whole numbers of one header, or an error that names the card."""

    reader: FileReader
    number: int
    at: int
    cards: dict[bytes, bytes]

    def of(
        self, keyword: bytes, least: int = 0, most: int | None = None, missing: int | None = None
    ) -> int:
        card = self.cards.get(b"%-8b" % keyword)
        if card is None and missing is not None:
            return missing
        match = _INTEGER.fullmatch(card) if card is not None else None
        if match is None or int(match[1]) < least or (most is not None and int(match[1]) > most):
            raise self.refused(keyword)
        return int(match[1])

    def refused(self, keyword: bytes) -> Exception:
        card = self.cards.get(b"%-8b" % keyword)
        says = "is missing" if card is None else f"is {card[:22]!r}"
        what = f"{keyword.decode()} {says} in HDU {self.number}"
        return self.reader.damaged(Fault.MALFORMED, self.at, what)


def _is_true(cards: dict[bytes, bytes], keyword: bytes) -> bool:
    match = _LOGICAL.fullmatch(cards.get(b"%-8b" % keyword, b""))
    return match is not None and match[1] == b"T"


def _weigh_count(findings: _Findings, primary: _Hdu, usual: int | None, found: int) -> None:
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


def _announced(primary: _Hdu) -> tuple[int | None, int]:
    """Return how many extensions a primary header announces, None unknown, and how many at least.

    One with data of its own announces nothing.
    """
    if primary.data_bytes:
        return None, 0
    match = _INTEGER.fullmatch(primary.cards.get(b"NEXTEND ", b""))
    if match is not None:
        return int(match[1]), 0
    return None, int(_is_true(primary.cards, b"EXTEND"))


def _sums_are_right(reader: FileReader, hdu: _Hdu, findings: _Findings) -> bool:
    """Verify CHECKSUM and DATASUM (4.4.2.7 and appendix J); False when neither is there and right.

    Fill that is missing at the end of the file counts as if it were there.
    """
    datasum, has_checksum = _datasum(hdu, findings), _has_checksum(hdu)
    if datasum is None and not has_checksum:
        return False
    data = _add_up(reader, hdu)
    if datasum is not None and data != datasum % _ONES:
        what = f"the data of HDU {hdu.number} do not add up to its DATASUM"
        findings.doubt(Fault.CHECKSUM, hdu.header.end, what)
        return False
    if has_checksum and (hdu.header.total + data) % _ONES:
        what = f"HDU {hdu.number} does not add up to its CHECKSUM"
        findings.doubt(Fault.CHECKSUM, hdu.header.start, what)
        return False
    return True


def _datasum(hdu: _Hdu, findings: _Findings) -> int | None:
    """Return the value of DATASUM; None when there is none, or it is blank: not determined."""
    card = hdu.cards.get(b"DATASUM ")
    if card is None:
        return None
    match = _STRING.fullmatch(card) or _INTEGER.fullmatch(card)
    text = match[1].strip() if match is not None else b"?"
    if text and not text.isdigit():
        what = f"DATASUM of HDU {hdu.number} is no number"
        findings.doubt(Fault.CHECKSUM, hdu.header.start, what)
        return None
    return int(text) if text else None


def _has_checksum(hdu: _Hdu) -> bool:
    """Return whether all bytes of the HDU must add up: with a CHECKSUM that is not blank.

    A DATASUM may stand alone, but a CHECKSUM with one damaged letter beside it is damage too,
    which the sum will show.
    """
    card = hdu.cards.get(_CHECKSUM)
    if card is None:
        return b"DATASUM " in hdu.cards and hdu.header.near_checksum
    match = _STRING.fullmatch(card)
    return match is None or bool(match[1].strip())


def _add_up(reader: FileReader, hdu: _Hdu) -> int:
    """Return the ones-complement sum of the 32-bit words of the data, modulo 2^32 - 1.

    2^32 is 1 modulo 2^32 - 1, so a piece read as one long number is the sum of its words. Both
    bounds are on blocks.
    """
    total = 0
    for at in range(hdu.header.end, hdu.end, _SUM_PIECE):
        length = min(_SUM_PIECE, hdu.end - at)
        total += int.from_bytes(reader.read(at, length).ljust(length, hdu.fill), "big")
    return total % _ONES
