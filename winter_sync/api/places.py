"""Places on the sky as people name them: a position, or a target that the mirror knows."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from winter_sync.core import ErrorCode, UsageError, separation
from winter_sync.science import parse_position

if TYPE_CHECKING:
    from winter_sync.catalog import Catalog
    from winter_sync.core import Position

_NEAREST = 3
_ONE_PLACE = 1.5
"""Degrees between the middle of a target's places and each of them, at most: boards are listed up
to half a degree from the pointing, and dithers around it."""


@runtime_checkable
class SkyPosition(Protocol):
    """A `SkyCoord` of astropy."""

    @property
    def icrs(self) -> SkyPosition:
        """The same in ICRS."""


Where = str | tuple[float, float] | SkyPosition
"""A target's name, a position as people write it or in degrees, or astropy's SkyCoord."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position in degrees, and what it was called."""

    name: str
    position: Position


def find_place(catalog: Catalog, where: Where) -> Place:
    """Return the place that is meant.

    Raises
    ------
    UsageError
        If it is neither a position nor the name of a target that was listed or observed.
    """
    if isinstance(where, str):
        return _named(catalog, where.strip())
    ra, dec = _degrees(where)
    return Place(show_position((ra, dec)), parse_position(f"{ra:.12f} {dec:.12f}"))


def show_position(position: Position) -> str:
    """Write a position in degrees, to less than a tenth of an arcsecond."""
    return f"{position[0]:.5f} {position[1]:+.5f}"


def _degrees(where: tuple[float, float] | SkyPosition) -> Position:
    if isinstance(where, SkyPosition):
        icrs = where.icrs
        return float(icrs.ra.deg), float(icrs.dec.deg)  # type: ignore[attr-defined] # astropy has no types
    ra, dec = where
    return float(ra), float(dec)


def _named(catalog: Catalog, text: str) -> Place:
    try:
        position = parse_position(text)
    except UsageError as no_position:
        if not any(map(str.isalpha, text)):  # meant as numbers: the error says what is wrong
            raise
        return _target(catalog, text, no_position)
    return Place(show_position(position), position)


def _target(catalog: Catalog, name: str, no_position: UsageError) -> Place:
    position = catalog.searches.target_position(name)
    if position is None:
        raise UsageError(
            f"{name!r} is neither a position nor a target that this mirror knows"
            f"{_nearest(name, catalog.searches.targets())}",
            remedy=no_position.remedy,
            code=ErrorCode.USE_TARGET,
        )
    _refuse_several_places(catalog, name, position)
    return Place(name, position)


def _refuse_several_places(catalog: Catalog, name: str, position: Position) -> None:
    """Refuse a name under which different places were observed: their middle is none of them."""
    headers, listed = catalog.searches.target_positions(name)
    farthest = max(separation(position, each) for each in headers or listed)
    if farthest > _ONE_PLACE:
        raise UsageError(
            f"{name!r} was observed at places more than {_ONE_PLACE:g} degrees apart",
            remedy="Write the position that you mean. They are shown by: winter-sync list "
            f"--target {shlex.quote(name)}",
            code=ErrorCode.USE_TARGET,
        )


def _nearest(name: str, known: list[str]) -> str:
    """Return the end of a sentence about a name that is not known: those that are most like it."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=_NEAREST, cutoff=0.5)
    return f"; did you mean {' or '.join(by_lower[each] for each in close)}?" if close else ""
