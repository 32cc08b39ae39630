"""Parts of the sky as SIA 2.0 takes them: CIRCLE, RANGE and POLYGON, in degrees, ICRS."""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING

from winter_sync.core import Cone, ErrorCode, Footprint, PolygonArea, Rectangle, UsageError, area_of
from winter_sync.vo.intervals import parse_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.core import Area

_CIRCLE, _RANGE = 3, 4
_LEAST_CORNERS = 3
_MOST_CORNERS = 100
_AROUND, _POLE, _LARGEST = 360.0, 90.0, 90.0
_REMEDY = (
    "Write POS=CIRCLE RA DEC RADIUS, POS=RANGE RA1 RA2 DEC1 DEC2, or POS=POLYGON RA1 DEC1 RA2 DEC2 "
    "RA3 DEC3 ..., in degrees, ICRS, such as POS=CIRCLE 150.96 17.82 0.5"
)


def parse_place(text: str) -> Area:
    """Read a value of POS.

    Raises
    ------
    UsageError
        If it is no part of the sky that can be searched.
    """
    shape, _, rest = text.strip().partition(" ")
    numbers = parse_numbers(rest, f"POS={text}", _REMEDY)
    match shape.upper():
        case "CIRCLE" if len(numbers) == _CIRCLE:
            return _circle(text, *numbers)
        case "RANGE" if len(numbers) == _RANGE:
            return _range(text, *numbers)
        case "POLYGON" if len(numbers) >= 2 * _LEAST_CORNERS and len(numbers) % 2 == 0:
            return _polygon(text, numbers)
    raise UsageError(f"POS={text} is no part of the sky", remedy=_REMEDY, code=ErrorCode.USE_PLACE)


def _circle(text: str, ra: float, dec: float, radius: float) -> Area:
    _refuse_beyond(text, [(ra, dec)])
    if not 0 <= radius <= _LARGEST:
        raise UsageError(
            f"POS={text} has no radius that can be searched",
            remedy=f"Write a radius from 0 to {_LARGEST:g} degrees.",
            code=ErrorCode.USE_PLACE,
        )
    return area_of(Cone(ra % _AROUND, dec, radius))


def _range(text: str, west: float, east: float, south: float, north: float) -> Area:
    """Return an area; infinite ends are those of the sky."""
    west, east = (0.0 if west == -inf else west), (_AROUND if east == inf else east)
    south, north = (-_POLE if south == -inf else south), (_POLE if north == inf else north)
    _refuse_beyond(text, [(west, south), (east, north)])
    if south > north or west > east:
        raise UsageError(
            f"POS={text} holds nothing",
            remedy="Write the smaller number first; across right ascension 0 write two ranges: "
            "POS=RANGE 359 360 -1 1 and POS=RANGE 0 1 -1 1",
            code=ErrorCode.USE_PLACE,
        )
    # A rectangle needs a width: one of no width would be taken for all around.
    east = east if east > west else west + 1e-9
    return area_of(Rectangle(west, east, south, north))


def _polygon(text: str, numbers: Sequence[float]) -> Area:
    corners = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if len(corners) > _MOST_CORNERS:
        raise UsageError(
            f"POS=POLYGON has {len(corners)} corners",
            remedy=f"Write at most {_MOST_CORNERS}, or ask in parts: POS may be given several "
            "times.",
            code=ErrorCode.USE_PLACE,
        )
    _refuse_beyond(text, corners)
    polygon = Footprint(corners)
    if not polygon.is_convex:
        raise UsageError(
            f"POS={text} is not a convex polygon smaller than a hemisphere",
            remedy="Write its corners in their order around it, and one that is not convex in "
            "parts: POS may be given several times.",
            code=ErrorCode.USE_PLACE,
        )
    return PolygonArea(polygon)


def _refuse_beyond(text: str, positions: Sequence[tuple[float, float]]) -> None:
    for ra, dec in positions:
        if not (isfinite(ra) and 0 <= ra <= _AROUND and abs(dec) <= _POLE):
            raise UsageError(
                f"POS={text} is not on the sky",
                remedy="Write right ascensions from 0 to 360 and declinations from -90 to 90.",
                code=ErrorCode.USE_PLACE,
            )
