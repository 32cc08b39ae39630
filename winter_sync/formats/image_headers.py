"""Headers of images, of which few cards are read: plain ones here, all others by astropy.

astropy makes an object of each card and copies what it reads. A card that is written as the FITS
standard says (version 4.0, section 4) has one meaning, and in a header without anything odd only
such cards are read here: tests compare them with astropy's. All else of a header astropy judges.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from winter_sync.formats.astropy_parts import astropy_module

if TYPE_CHECKING:
    from collections.abc import Collection

_CARD = 80
_KEYWORD = 8
_END = b"END     "
_HIERARCH, _CONTINUE = b"HIERARCH", b"CONTINUE"
_KEYWORDS = re.compile(
    b"(?:%b)*+" % b"|".join(b"[A-Z0-9_-]{%d} {%d}" % (_KEYWORD - fill, fill) for fill in range(9))
)
"""Any number of standard keywords, each filled up with blanks."""
_RECORD = re.compile(rb"'[A-Za-z_][\w.]*: +[+-]?[.\d]")
"""A text for which astropy may read several cards in one (record-valued cards)."""
_STANDARD = re.compile(rb".{8}= (.*)", re.DOTALL)
_LONG = re.compile(rb"HIERARCH ([A-Z0-9_-]+) *=(.*)", re.DOTALL)
"""A card of the HIERARCH convention whose name is one word."""
_VALUE = re.compile(
    rb" *(?:'(?P<text>[ -&(-~]+|(?='[^']*\Z))'|(?P<logical>[TF])|(?P<integer>[+-]?\d+)"
    rb"|(?P<real>[+-]?(?:\d+\.\d*|\.\d+|\d+(?=E))(?:E[+-]?\d+)?)|) *(?:/[ -~]*)?"
)
"""What stands behind the "=" of a card: a value, or none, and a comment.

A text has no quote in it, nor has the comment behind an empty text: astropy takes both for one.
"""


class ImageHeader:
    """The header of one HDU.

    Parameters
    ----------
    text
        Its blocks, as far as they are read.

    Raises
    ------
    Exception
        Whatever astropy raises of a header that it cannot parse.
    """

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._keywords = _keywords_of(text)
        self._places = _places_of(text, self._keywords)
        if not self._places:
            self.astropy  # noqa: B018 - it may raise

    @cached_property
    def astropy(self) -> Any:  # noqa: ANN401 - astropy has no types
        """The same header as astropy reads it."""
        return astropy_module("astropy.io.fits").Header.fromstring(self._text)

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - any value of a card
        """Return the value of the first card of a name, as the `get` of astropy's header does."""
        if not self._places:
            return self.astropy.get(key, default)
        place = self._places.get(key.encode())
        if place is None:
            return default
        value = self._plain_value(place)
        return self.astropy.get(key, default) if value is None else _value_in(value)

    def plain_cards(self, names: Collection[bytes], others: re.Pattern[bytes]) -> bytes | None:
        """Return the cards of some names, as they are written; without those that it lacks.

        None if one of them is not plain, or not the only one, or if a name is like `others`.
        """
        if not self._places or any(map(others.fullmatch, self._places.keys() - set(names))):
            return None
        places = [(name, self._places[name]) for name in names if name in self._places]
        if not all(self._is_plain(name, place) for name, place in places):
            return None
        cards = sorted(place for _, place in places)
        return b"".join(self._text[place : place + _CARD] for place in cards)

    def _is_plain(self, name: bytes, place: int) -> bool:
        """Return whether the first card of a name is its only one, and all in it is plain."""
        is_only = self._keywords.count(name.ljust(_KEYWORD)) == 1
        is_standard = self._text.startswith(name.ljust(_KEYWORD), place)
        return is_only and is_standard and self._plain_value(place) is not None

    def _plain_value(self, place: int) -> re.Match[bytes] | None:
        """Return what is behind the "=" of a card; None if it is not plain, or goes on."""
        card, behind = self._text[place : place + _CARD], place + _CARD
        found = _LONG.fullmatch(card) or _STANDARD.fullmatch(card)
        if found is None or self._text.startswith(_CONTINUE, behind):
            return None
        return _VALUE.fullmatch(found[found.lastindex or 0])


def _keywords_of(text: bytes) -> list[bytes]:
    """Return the first eight bytes of each card before END; none if there is no END."""
    keywords = [text[at : at + _KEYWORD] for at in range(0, len(text), _CARD)]
    return keywords[: keywords.index(_END)] if _END in keywords else []


def _places_of(text: bytes, keywords: list[bytes]) -> dict[bytes, int]:
    """Return where the first card of each name is; nothing if the header is not plain."""
    if not _KEYWORDS.fullmatch(b"".join(keywords)) or _RECORD.search(text):
        return {}
    cards = range((len(keywords) - 1) * _CARD, -1, -_CARD)
    places = dict(zip(map(bytes.rstrip, reversed(keywords)), cards, strict=True))
    if _HIERARCH not in places:
        return places
    for number, keyword in enumerate(keywords):
        if keyword == _HIERARCH:
            place = number * _CARD
            card = _LONG.fullmatch(text, place, place + _CARD)
            if card is None:
                return {}
            places[card[1]] = min(place, places.get(card[1], place))
    return places


def _value_in(match: re.Match[bytes]) -> bool | int | float | str | None:
    """Return the value that a card has; None if it has none."""
    kind = match.lastgroup
    if kind is None:
        return None
    text = match[kind].decode("ascii")
    if kind == "text":
        return text.rstrip()
    if kind == "logical":
        return text == "T"
    return int(text) if kind == "integer" else float(text)
