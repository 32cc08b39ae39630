"""FITS headers: the cards that bear on the length of the data, and where they are malformed.

Sections are those of the FITS standard, version 4.0 (2018).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

from winter_sync.core import Fault, quote_bytes

if TYPE_CHECKING:
    from winter_sync.formats.reader import FileReader

MAGIC = b"SIMPLE  ="
"""How every FITS file begins (4.4.1.1)."""

BEGINS = b"XTENSION="
"""How every extension begins (4.4.1.2)."""

MAX_HEADER_BLOCKS = 10_000
"""Header blocks read of one file, all HDUs together: 29 MB; a WINTER exposure has about 40."""

BLOCK = 2880
_CARD = 80
_KEYWORDS = struct.Struct("8s72x" * (BLOCK // _CARD))
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

INTEGER = re.compile(rb"= *([+-]?[0-9]+) *(?:/.*)?", re.DOTALL)
_LOGICAL = re.compile(rb"= *([TF]) *(?:/.*)?", re.DOTALL)
STRING = re.compile(rb"= *'([^']*)' *(?:/.*)?", re.DOTALL)
CHECKSUM = b"CHECKSUM"
_NEAR_CHECKSUM = frozenset(
    CHECKSUM[:at] + bytes([letter]) + CHECKSUM[at + 1 :]
    for at in range(len(CHECKSUM))
    for letter in range(256)
) - {CHECKSUM, b"ZHECKSUM"}
"""CHECKSUM with one letter damaged; ZHECKSUM is a keyword of its own, of tiled images (10.1.2)."""
_TABLE = b"TABLE"
"""The extension whose fill is blanks, where all others have zeros (7.2.3)."""


@dataclass(slots=True)
class Header:
    """One header: its first byte, the byte after it, and what was seen of it in passing."""

    start: int
    end: int = 0
    cards: dict[bytes, bytes] = field(default_factory=dict)
    total: int = 0
    """Its ones-complement sum, not yet reduced."""
    near_checksum: bool = False
    """Whether a keyword is CHECKSUM but for one letter."""
    text: bytes = b""
    """Its first blocks, as many as were asked for."""


@dataclass(frozen=True, slots=True)
class Hdu:
    """One header and data unit: number from 0, bytes of data, byte after all."""

    number: int
    header: Header
    data_bytes: int
    end: int

    @property
    def cards(self) -> dict[bytes, bytes]:
        """The cards of its header that were kept, by keyword."""
        return self.header.cards

    @property
    def fill(self) -> bytes:
        """What fills the last block of its data (3.3.2, 7.2.3)."""
        kind = STRING.fullmatch(self.cards.get(b"XTENSION", b""))
        return b" " if kind is not None and kind[1].strip() == _TABLE else b"\0"


def read_header(
    reader: FileReader, number: int, start: int, limit: int, *, text_blocks: int = 0
) -> Header:
    """Return the header of HDU `number`, which begins at byte `start`."""
    header = Header(start)
    kept = start + text_blocks * BLOCK
    for at in range(start, start + limit * BLOCK, BLOCK):
        block = reader.read(at, BLOCK)
        if at == start:
            _refuse_other_beginning(reader, number, at, block)
        if len(block) < BLOCK:
            raise reader.damaged(Fault.SHORT, reader.size, f"it ends in the header of HDU {number}")
        header.total += int.from_bytes(block, "big")
        header.text += block if at < kept else b""
        if _take_cards(reader, at, block, header):
            header.end = at + BLOCK
            return header
    what = f"no END within {MAX_HEADER_BLOCKS} header blocks, in HDU {number}"
    raise reader.damaged(Fault.MALFORMED, start, what)


def _refuse_other_beginning(reader: FileReader, number: int, at: int, block: bytes) -> None:
    begins = BEGINS if number else MAGIC
    if block.startswith(begins):
        return
    if len(block) < len(begins) and begins.startswith(block):
        raise reader.damaged(Fault.SHORT, reader.size, f"it ends in the header of HDU {number}")
    raise reader.damaged(Fault.FOREIGN, at, "it does not begin as FITS does")


def _take_cards(reader: FileReader, at: int, block: bytes, header: Header) -> bool:
    """Take the cards we read of one block, the first of a name; return whether END was found."""
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


def data_bytes_of(reader: FileReader, number: int, header: Header) -> int:
    """Return the length of the data as its header says (4.4.1, and 6.1 for random groups).

    PCOUNT and GCOUNT count in every HDU, as cfitsio and astropy have it; no NAXIS, no data.
    """
    at, cards = header.start, header.cards
    if number == 0 and not is_true(cards, b"SIMPLE"):
        raise reader.damaged(Fault.MALFORMED, at, "SIMPLE is not T: not standard FITS")
    if number > 0 and STRING.fullmatch(cards[b"XTENSION"]) is None:
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
    if number == 0 and axes[0] == 0 and is_true(cards, b"GROUPS"):
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
        match = INTEGER.fullmatch(card) if card is not None else None
        if match is None or int(match[1]) < least or (most is not None and int(match[1]) > most):
            raise self.refused(keyword)
        return int(match[1])

    def refused(self, keyword: bytes) -> Exception:
        card = self.cards.get(b"%-8b" % keyword)
        says = "is missing" if card is None else f"is {quote_bytes(card[:22])}"
        what = f"{keyword.decode()} {says} in HDU {self.number}"
        return self.reader.damaged(Fault.MALFORMED, self.at, what)


def is_true(cards: dict[bytes, bytes], keyword: bytes) -> bool:
    """Return whether a card is T."""
    match = _LOGICAL.fullmatch(cards.get(b"%-8b" % keyword, b""))
    return match is not None and match[1] == b"T"
