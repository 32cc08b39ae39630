"""CHECKSUM and DATASUM of FITS HDUs, verified (4.4.2.7 and appendix J of the standard)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import Fault
from winter_sync.formats.fits_headers import BLOCK, CHECKSUM, INTEGER, STRING

if TYPE_CHECKING:
    from winter_sync.formats.findings import Findings
    from winter_sync.formats.fits_headers import Hdu
    from winter_sync.formats.reader import FileReader

_ONES = 0xFFFFFFFF
_SUM_PIECE = 16 * BLOCK
"""Bytes added up at once: in the L2 cache, and few enough additions to count for nothing."""


def sums_are_right(reader: FileReader, hdu: Hdu, findings: Findings) -> bool:
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


def _datasum(hdu: Hdu, findings: Findings) -> int | None:
    """Return the value of DATASUM; None when there is none, or it is blank: not determined."""
    card = hdu.cards.get(b"DATASUM ")
    if card is None:
        return None
    match = STRING.fullmatch(card) or INTEGER.fullmatch(card)
    text = match[1].strip() if match is not None else b"?"
    if text and not text.isdigit():
        what = f"DATASUM of HDU {hdu.number} is no number"
        findings.doubt(Fault.CHECKSUM, hdu.header.start, what)
        return None
    return int(text) if text else None


def _has_checksum(hdu: Hdu) -> bool:
    """Return whether all bytes of the HDU must add up: with a CHECKSUM that is not blank.

    A DATASUM may stand alone, but a CHECKSUM with one damaged letter beside it is damage too,
    which the sum will show.
    """
    card = hdu.cards.get(CHECKSUM)
    if card is None:
        return b"DATASUM " in hdu.cards and hdu.header.near_checksum
    match = STRING.fullmatch(card)
    return match is None or bool(match[1].strip())


def _add_up(reader: FileReader, hdu: Hdu) -> int:
    """Return the ones-complement sum of the 32-bit words of the data, modulo 2^32 - 1.

    2^32 is 1 modulo 2^32 - 1, so a piece read as one long number is the sum of its words. Both
    bounds are on blocks.
    """
    total = 0
    for at in range(hdu.header.end, hdu.end, _SUM_PIECE):
        length = min(_SUM_PIECE, hdu.end - at)
        total += int.from_bytes(reader.read(at, length).ljust(length, hdu.fill), "big")
    return total % _ONES
