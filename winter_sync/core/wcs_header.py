"""The cards of a FITS header that make its WCS, and nothing else that an archive wrote.

wcslib reads a header more liberally than the standard says, and writes beyond its own memory where
a header has more axes or parameters than it expects. So it is given only these. Keywords are those
of the FITS standard, version 4.0 (2018), section 8, and of the SIP convention.
"""

from __future__ import annotations

import re
from typing import Any

WCS_KEYWORD = re.compile(
    r"WCSAXES|WCSNAME|NAXIS|LONPOLE|LATPOLE|RADESYS|RADECSYS|EQUINOX|EPOCH"
    r"|(NAXIS|CTYPE|CRPIX|CRVAL|CDELT|CUNIT|CROTA)[1-9]|(CD|PC)[1-9]_[1-9]|P[VS][1-9]_\d\d?"
    r"|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)"
)
"""The name of a card that bears on a WCS."""
_PARAMETER = re.compile(r"P[VS]\d_\d+")
_MOST_PARAMETERS = 128
"""Of PV and PS; TPV has 80."""
_ORDERS = ("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER")
_HIGHEST_ORDER = 9
_MOST_AXES = 9
_CARD = 80


class CostlyWcsError(ValueError):
    """A WCS that must not be given to a library; the text says why, without any of its values."""


def wcs_header(header: Any) -> Any:  # noqa: ANN401 - astropy has no types
    """Return a header with the WCS of a header: of up to nine axes, and no alternative one.

    Parameters
    ----------
    header
        As astropy reads it.

    Raises
    ------
    CostlyWcsError
        If the WCS would take minutes, gigabytes, or more than wcslib has room for.
    """
    cards = [card for card in header.cards if WCS_KEYWORD.fullmatch(card.keyword)]
    if sum(bool(_PARAMETER.fullmatch(card.keyword)) for card in cards) > _MOST_PARAMETERS:
        raise CostlyWcsError("its WCS has too many parameters")
    if any(len(card.image) != _CARD for card in cards):
        raise CostlyWcsError("its WCS has a text of more than one card")
    found = type(header)(cards)
    if any(not 0 <= int(found.get(key, 0)) <= _HIGHEST_ORDER for key in _ORDERS):
        raise CostlyWcsError("the order of its SIP distortion is out of range")
    if not 0 <= int(found.get("WCSAXES", 0)) <= _MOST_AXES:
        raise CostlyWcsError("WCSAXES is out of range")
    return found
