"""The cards of FITS headers, each read as what it should be; what is not is noted and left out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING

from winter_sync.core import escape_unprintable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.formats.image_headers import ImageHeader

_Value = bool | int | float | str | complex
_UNKNOWN = -999.0
"""What the pipeline writes of a number that it does not know (winter-api.md, "Header cards")."""
_NO_TEXT = frozenset({"", "nan", "none", "null", "unknown", "-999"})
_LONGEST_TEXT = 80
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_YEARS = range(2000, 2100)
"""When the cameras may have observed; a clock that was never set says 1970 or 1980."""


class Cards:
    """The cards of the headers that describe one image.

    A card that several headers have counts in the first of them. No method raises: what is absent,
    or unknown by the pipeline's own convention, is None; what makes no sense is None and noted.

    Parameters
    ----------
    headers
        The headers.
    """

    def __init__(self, headers: Sequence[ImageHeader]) -> None:
        self._headers = headers
        self.notes: list[str] = []
        """What made no sense. No value of a card is quoted."""

    def unnoted(self) -> Cards:
        """Return the same cards, of which nothing is noted here."""
        return Cards(self._headers)

    def number(self, key: str, least: float, most: float) -> float | None:
        """Return a number within bounds; a text that is one counts."""
        value = self._value(key)
        if isinstance(value, str):
            value = self._number_in(key, value)
        if value is None or value == _UNKNOWN:
            return None
        if isinstance(value, bool | complex):
            self._note(f"{key} is not a number")
            return None
        # Compared before it is converted: a whole number may be too large for a float.
        if least <= value <= most and isfinite(value):
            return float(value)
        self._note(f"{key} is out of range")
        return None

    def _number_in(self, key: str, text: str) -> float | None:
        if text.strip().lower() in _NO_TEXT:
            return None
        try:
            return float(text)
        except ValueError:
            self._note(f"{key} is not a number")
            return None

    def integer(self, key: str, least: int, most: int) -> int | None:
        """Return a whole number within bounds."""
        value = self.number(key, least, most)
        if value is None:
            return None
        if not value.is_integer():
            self._note(f"{key} is not a whole number")
            return None
        return int(value)

    def text(self, key: str) -> str | None:
        """Return a text that can be shown, at most 80 characters of it."""
        value = self._value(key)
        if value is None:
            return None
        try:
            text = str(value).strip()
        except ValueError:  # a whole number of thousands of digits
            text = ""
        if isinstance(value, bool | complex) or (not text and not isinstance(value, str)):
            self._note(f"{key} is not a text")
            return None
        shown = escape_unprintable(text, _LONGEST_TEXT)
        return None if shown.lower() in _NO_TEXT else shown

    def instant(self, key: str, *, iso: bool = True) -> datetime | None:
        """Return an ISO time, UTC where it names no zone.

        `iso` says whether the card should be one; if not, another text is ignored silently.
        """
        value = self.text(key)
        if value is None:
            return None
        instant = _parse_instant(value)
        if instant is None and iso:
            self._note(f"{key} is not an ISO time of this century")
        return instant

    def _value(self, key: str) -> _Value | None:
        """Return the first value of a card that is defined; None if none is."""
        for header in self._headers:
            try:
                value = header.get(key)
            except Exception:  # noqa: BLE001 - astropy raises what it likes of a card it cannot parse
                self._note(f"{key} cannot be read")
                return None
            if isinstance(value, bool | int | float | str | complex):
                return value
        return None

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def _parse_instant(text: str) -> datetime | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text)
        instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return instant if instant.year in _YEARS else None
