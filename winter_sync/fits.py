"""Whether a file is whole FITS: its headers against its length, its sums against its bytes.

Sections are those of the FITS standard, version 4.0 (2018). Stricter than the standard in what
shows a half-written file: no special records or fill after the last HDU (3.5), and the last block
is complete. More lenient in what does not: the order of the mandatory cards, what fills a header
after END, keywords and values that do not bear on the length.

What structure cannot tell: data that are all there but zeros (a file preallocated and not yet
filled), and a file cut exactly between two HDUs, which is FITS in itself. The second is caught
where a count is known: see `check`.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from math import prod
from operator import ne
from typing import TYPE_CHECKING

from winter_sync.pieces import Fault, Pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"SIMPLE  ="
"""How every FITS file begins (4.4.1.1)."""

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

_CHECKSUM = b"CHECKSUM"
_ONES = 0xFFFFFFFF
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


@dataclass(frozen=True, slots=True)
class _Hdu:
    """One header and data unit: number from 0, first byte, byte of the data, byte after all."""

    number: int
    start: int
    data: int
    data_bytes: int
    end: int
    cards: dict[bytes, bytes]


def check(pieces: Pieces, *, extensions: int | None = None, sums: bool = True) -> FitsShape:
    """Give the shape of a whole FITS file.

    Reads only the headers and seeks over the data, unless there are sums to verify.

    Parameters
    ----------
    pieces
        The file.
    extensions
        How many HDUs must follow the primary one. When None, the primary header's own word
        counts: NEXTEND, and EXTEND = T where there is no data. That word binds only a primary
        HDU without data of its own: the pipeline splits an exposure into single images and
        copies its primary cards into each.
    sums
        Whether CHECKSUM and DATASUM are verified where present (4.4.2.7).

    Raises
    ------
    DamagedError
        If the file is not FITS, not whole, or more than whole.
    """
    hdus = data_bytes = summed = 0
    announced = _Announced(extensions, certain=extensions is not None)
    for hdu in _hdus(pieces):
        if hdu.number == 0 and extensions is None:
            announced = _announced(hdu)
        summed += sums and _sums_are_right(pieces, hdu)
        data_bytes += hdu.data_bytes
        hdus += 1
    _refuse_other_count(pieces, announced, hdus - 1)
    return FitsShape(pieces.size, hdus, data_bytes, summed)


def _hdus(pieces: Pieces) -> Iterator[_Hdu]:
    number = at = blocks = 0
    while at < pieces.size or number == 0:
        cards, data = _header(pieces, number, at, MAX_HEADER_BLOCKS - blocks)
        blocks += (data - at) // _BLOCK
        data_bytes = _data_bytes(pieces, number, at, cards)
        end = data + -(-data_bytes // _BLOCK) * _BLOCK
        if end > pieces.size:
            raise _short_of_data(pieces, number, data + data_bytes, end)
        yield _Hdu(number, at, data, data_bytes, end, cards)
        number, at = number + 1, end


def _short_of_data(pieces: Pieces, number: int, data_end: int, end: int) -> Exception:
    if data_end <= pieces.size:
        what = f"the padding of HDU {number} is {end - pieces.size} bytes short"
    elif data_end < _UNTOLD:
        what = f"the data of HDU {number} are {data_end - pieces.size} bytes short"
    else:
        what = f"HDU {number} says that it has more data than any file can hold"
    return pieces.damaged(Fault.SHORT, pieces.size, what)


def _header(pieces: Pieces, number: int, start: int, limit: int) -> tuple[dict[bytes, bytes], int]:
    """Give the cards we read of the header at `start`, and the byte after its last block."""
    cards: dict[bytes, bytes] = {}
    for at in range(start, start + limit * _BLOCK, _BLOCK):
        block = pieces.read(at, _BLOCK)
        if at == start:
            _refuse_other_beginning(pieces, number, at, block)
        if len(block) < _BLOCK:
            raise pieces.damaged(Fault.SHORT, pieces.size, f"it ends in the header of HDU {number}")
        if _take_cards(pieces, at, block, cards):
            return cards, at + _BLOCK
    what = f"no END within {MAX_HEADER_BLOCKS} header blocks, in HDU {number}"
    raise pieces.damaged(Fault.MALFORMED, start, what)


def _refuse_other_beginning(pieces: Pieces, number: int, at: int, block: bytes) -> None:
    begins = b"XTENSION=" if number else MAGIC
    if block.startswith(begins):
        return
    if len(block) < len(begins) and begins.startswith(block):
        raise pieces.damaged(Fault.SHORT, pieces.size, f"it ends in the header of HDU {number}")
    if number == 0:
        raise pieces.damaged(Fault.FOREIGN, at, "it does not begin as FITS does")
    after = f"{pieces.size - at} bytes follow HDU {number - 1} and are no extension"
    raise pieces.damaged(Fault.LONG, at, after)


def _take_cards(pieces: Pieces, at: int, block: bytes, cards: dict[bytes, bytes]) -> bool:
    """Put the cards we read of one block into `cards`, first come first kept; tell of END."""
    keywords = _KEYWORDS.unpack(block)
    last = keywords.index(_END) if _END in keywords else len(keywords)
    if (hole := block.find(b"\0", 0, last * _CARD)) >= 0:
        raise pieces.damaged(Fault.MALFORMED, at + hole, "a header has a hole: zeros in its text")
    for keyword in _WANTED.intersection(keywords[:last]):
        card = keywords.index(keyword) * _CARD
        cards.setdefault(keyword, block[card + len(keyword) : card + _CARD])
    if last == len(keywords):
        return False
    end = last * _CARD
    if block[end : end + _CARD].rstrip() != b"END":
        raise pieces.damaged(Fault.MALFORMED, at + end, "an END card with more than END")
    return True


def _data_bytes(pieces: Pieces, number: int, at: int, cards: dict[bytes, bytes]) -> int:
    """Give the length of the data as its header says (4.4.1, and 6.1 for random groups).

    PCOUNT and GCOUNT count in every HDU, as cfitsio and astropy have it; no NAXIS, no data.
    """
    if number == 0 and not _is_true(cards, b"SIMPLE"):
        raise pieces.damaged(Fault.MALFORMED, at, "SIMPLE is not T: not standard FITS")
    if number > 0 and _STRING.fullmatch(cards[b"XTENSION"]) is None:
        raise pieces.damaged(Fault.MALFORMED, at, "XTENSION is not a string")
    whole = _Integers(pieces, number, at, cards)
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

    pieces: Pieces
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
        return self.pieces.damaged(Fault.MALFORMED, self.at, what)


def _is_true(cards: dict[bytes, bytes], keyword: bytes) -> bool:
    match = _LOGICAL.fullmatch(cards.get(b"%-8b" % keyword, b""))
    return match is not None and match[1] == b"T"


@dataclass(frozen=True, slots=True)
class _Announced:
    """How many extensions there should be: None unknown; `certain` means neither more nor fewer."""

    extensions: int | None
    certain: bool


def _announced(primary: _Hdu) -> _Announced:
    if primary.data_bytes:
        return _Announced(None, certain=False)
    match = _INTEGER.fullmatch(primary.cards.get(b"NEXTEND ", b""))
    if match is not None:
        return _Announced(int(match[1]), certain=True)
    return _Announced(1 if _is_true(primary.cards, b"EXTEND") else None, certain=False)


def _refuse_other_count(pieces: Pieces, announced: _Announced, found: int) -> None:
    if announced.extensions is None or found == announced.extensions:
        return
    if found > announced.extensions and not announced.certain:
        return
    least = "" if announced.certain else "at least "
    what = f"{found} extensions where {least}{announced.extensions} should be"
    raise pieces.damaged(Fault.EXTENSIONS, pieces.size, what)


def _sums_are_right(pieces: Pieces, hdu: _Hdu) -> bool:
    """Verify CHECKSUM and DATASUM (4.4.2.7 and appendix J); False when there is neither."""
    datasum, has_checksum = _datasum(pieces, hdu), _has_checksum(pieces, hdu)
    if datasum is None and not has_checksum:
        return False
    data = _add_up(pieces, hdu.data, hdu.end)
    if datasum is not None and data != datasum % _ONES:
        what = f"the data of HDU {hdu.number} do not add up to its DATASUM"
        raise pieces.damaged(Fault.CHECKSUM, hdu.data, what)
    if has_checksum and (_add_up(pieces, hdu.start, hdu.data) + data) % _ONES:
        what = f"HDU {hdu.number} does not add up to its CHECKSUM"
        raise pieces.damaged(Fault.CHECKSUM, hdu.start, what)
    return True


def _datasum(pieces: Pieces, hdu: _Hdu) -> int | None:
    """Give the value of DATASUM; None when there is none, or it is blank: not determined."""
    card = hdu.cards.get(b"DATASUM ")
    if card is None:
        return None
    match = _STRING.fullmatch(card) or _INTEGER.fullmatch(card)
    text = match[1].strip() if match is not None else b"?"
    if text and not text.isdigit():
        raise pieces.damaged(Fault.CHECKSUM, hdu.start, f"DATASUM of HDU {hdu.number} is no number")
    return int(text) if text else None


def _has_checksum(pieces: Pieces, hdu: _Hdu) -> bool:
    """Tell whether all bytes of the HDU must add up: with a CHECKSUM that is not blank.

    A DATASUM may stand alone, but a CHECKSUM with one damaged letter beside it is damage too,
    which the sum will show. ZHECKSUM is a keyword of its own, of tiled images (10.1.2).
    """
    card = hdu.cards.get(_CHECKSUM)
    if card is not None:
        match = _STRING.fullmatch(card)
        return match is None or bool(match[1].strip())
    return b"DATASUM " in hdu.cards and any(
        sum(map(ne, keyword, _CHECKSUM)) == 1 and keyword != b"ZHECKSUM"
        for at in range(hdu.start, hdu.data, _BLOCK)
        for keyword in _KEYWORDS.unpack(pieces.read(at, _BLOCK))
    )


def _add_up(pieces: Pieces, start: int, end: int) -> int:
    """Give the ones-complement sum of the 32-bit words from `start` to `end`, modulo 2^32 - 1.

    2^32 is 1 modulo 2^32 - 1, so a piece read as one long number is the sum of its words. Both
    bounds are on blocks.
    """
    total = 0
    for at in range(start, end, _SUM_PIECE):
        total += int.from_bytes(pieces.read(at, min(_SUM_PIECE, end - at)), "big")
    return total % _ONES
