"""Areas of the sky that are searched: what is inside, what touches them, bounds for an index.

The edges of a rectangle are meridians and parallels; those of an image are great circles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import acos, asin, atan2, cos, degrees, inf, pi, radians, sin
from typing import TYPE_CHECKING, Protocol

from winter_sync.core.queries import Cone, Rectangle
from winter_sync.core.sphere import (
    box_of_cap,
    cross,
    dot,
    position_of,
    separation,
    unit_vector,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.core.sphere import Box, Footprint, Position, Vector

_ROUNDING = 1e-9
"""Degrees, and lengths: more than the rounding of what is computed here."""
_ALL_AROUND = 360.0
_POLE = 90.0

Span = tuple[float, float]
"""From a least to a greatest value."""


class Area(Protocol):
    """An area of the sky."""

    @property
    def declinations(self) -> Span:
        """The least and the greatest declination, degrees."""

    @property
    def right_ascensions(self) -> tuple[Span, ...]:
        """Spans between 0 and 360 degrees that hold all right ascensions of the area."""

    @property
    def box(self) -> Box:
        """A box around the directions of all positions."""

    def contains(self, position: Position) -> bool:
        """Return whether a position is inside, or on the edge."""

    def touches(self, footprint: Footprint) -> bool:
        """Return whether any part of an image is inside."""


def area_of(region: Cone | Rectangle) -> Area:
    """Return the area that a region is; a rectangle may cross right ascension 0."""
    return ConeArea(region) if isinstance(region, Cone) else RectangleArea(region)


@dataclass(frozen=True)
class ConeArea:
    """All within a radius, at most 90 degrees, of a position."""

    cone: Cone

    @property
    def center(self) -> Position:
        """The middle."""
        return self.cone.ra, self.cone.dec

    @property
    def declinations(self) -> Span:
        """See `Area`."""
        reach = self.cone.radius + _ROUNDING
        return self.cone.dec - reach, self.cone.dec + reach

    @property
    def right_ascensions(self) -> tuple[Span, ...]:
        """See `Area`."""
        lowest, highest = self.declinations
        if lowest <= -_POLE or highest >= _POLE:
            return ((0.0, _ALL_AROUND),)
        ratio = sin(radians(self.cone.radius)) / cos(radians(self.cone.dec))
        reach = degrees(asin(min(1.0, ratio))) + _ROUNDING
        return _wrapped(self.cone.ra - reach, self.cone.ra + reach)

    @property
    def box(self) -> Box:
        """See `Area`."""
        return box_of_cap(self.center, self.cone.radius)

    def contains(self, position: Position) -> bool:
        """See `Area`."""
        return separation(position, self.center) <= self.cone.radius

    def touches(self, footprint: Footprint) -> bool:
        """See `Area`."""
        return self.contains(footprint.corners[0]) or footprint.touches_cap(
            self.center, self.cone.radius
        )


@dataclass(frozen=True)
class RectangleArea:
    """All between two meridians, eastwards from the first, and between two parallels."""

    rectangle: Rectangle

    @property
    def width(self) -> float:
        """The difference of right ascension, degrees; 360 all around."""
        width = self.rectangle.ra_max - self.rectangle.ra_min
        return width if 0 < width <= _ALL_AROUND else width % _ALL_AROUND or _ALL_AROUND

    @property
    def declinations(self) -> Span:
        """See `Area`."""
        return self.rectangle.dec_min - _ROUNDING, self.rectangle.dec_max + _ROUNDING

    @property
    def right_ascensions(self) -> tuple[Span, ...]:
        """See `Area`."""
        west = self.rectangle.ra_min
        return _wrapped(west - _ROUNDING, west + self.width + _ROUNDING)

    @cached_property
    def box(self) -> Box:
        """See `Area`."""
        low, high = radians(self.rectangle.dec_min), radians(self.rectangle.dec_max)
        west, width = self.rectangle.ra_min, self.width
        quarters = (quarter * 90.0 for quarter in range(9))
        angles = [west, west + width, *(q for q in quarters if west < q < west + width)]
        radii = [cos(low), cos(high), *([1.0] if low < 0 < high else [])]
        x = [radius * cos(radians(angle)) for radius in radii for angle in angles]
        y = [radius * sin(radians(angle)) for radius in radii for angle in angles]
        (x1, x2), (y1, y2), (z1, z2) = (
            (min(axis) - _ROUNDING, max(axis) + _ROUNDING) for axis in (x, y, [sin(low), sin(high)])
        )
        return x1, x2, y1, y2, z1, z2

    def contains(self, position: Position) -> bool:
        """See `Area`."""
        ra, dec = position
        return (
            self.rectangle.dec_min <= dec <= self.rectangle.dec_max
            and (ra - self.rectangle.ra_min) % _ALL_AROUND <= self.width
        )

    def touches(self, footprint: Footprint) -> bool:
        """See `Area`.

        Two areas meet where a corner of one is in the other, or where their edges cross.
        """
        return (
            any(self.contains(corner) for corner in footprint.corners)
            or any(footprint.contains(corner) for corner in self._corners)
            or any(
                self._is_crossed(unit_vector(start), unit_vector(end))
                for start, end in pairwise((*footprint.corners, footprint.corners[0]))
            )
        )

    @cached_property
    def _corners(self) -> tuple[Position, ...]:
        """The corners; of a rectangle all around one position of each parallel."""
        bounds = self.rectangle
        return tuple(
            (ra % _ALL_AROUND, dec)
            for ra in (bounds.ra_min, bounds.ra_min + self.width)
            for dec in (bounds.dec_min, bounds.dec_max)
        )

    def _is_crossed(self, start: Vector, end: Vector) -> bool:
        """Return whether the shorter arc between two directions has a part on an edge."""
        crossings = [
            *(x for dec in self._parallels for x in _crossings_of_parallel(start, end, dec)),
            *(x for ra in self._meridians for x in _crossings_of_meridian(start, end, ra)),
        ]
        slightly_larger = RectangleArea(
            Rectangle(
                self.rectangle.ra_min - (0.0 if self.width == _ALL_AROUND else _ROUNDING),
                self.rectangle.ra_min + min(self.width + _ROUNDING, _ALL_AROUND),
                *self.declinations,
            )
        )
        return any(slightly_larger.contains(position_of(crossing)) for crossing in crossings)

    @property
    def _parallels(self) -> tuple[float, float]:
        return self.rectangle.dec_min, self.rectangle.dec_max

    @property
    def _meridians(self) -> tuple[float, ...]:
        if self.width == _ALL_AROUND:
            return ()
        return self.rectangle.ra_min, self.rectangle.ra_max


def _wrapped(west: float, east: float) -> tuple[Span, ...]:
    """Return a span of right ascension in parts between 0 and 360."""
    if east - west >= _ALL_AROUND:
        return ((0.0, _ALL_AROUND),)
    turns = west // _ALL_AROUND * _ALL_AROUND
    west, east = west - turns, east - turns
    if east < _ALL_AROUND:
        return ((west, east),)
    return ((west, _ALL_AROUND), (0.0, east - _ALL_AROUND))


def _crossings_of_parallel(start: Vector, end: Vector, dec: float) -> Iterator[Vector]:
    """Yield where the shorter arc between two directions meets a parallel."""
    pole = cross(start, end)
    forward = _unit(cross(pole, start))
    if forward is None:
        return
    highest = (start[2] ** 2 + forward[2] ** 2) ** 0.5
    length, top = acos(max(-1.0, min(1.0, dot(start, end)))), atan2(forward[2], start[2])
    ratio = sin(radians(dec)) / highest if highest else inf
    if abs(ratio) > 1.0:
        return
    for at in (top - acos(ratio), top + acos(ratio)):
        along = at % (2 * pi)
        if along <= length:
            yield (
                start[0] * cos(along) + forward[0] * sin(along),
                start[1] * cos(along) + forward[1] * sin(along),
                start[2] * cos(along) + forward[2] * sin(along),
            )


def _crossings_of_meridian(start: Vector, end: Vector, ra: float) -> Iterator[Vector]:
    """Yield where the shorter arc between two directions meets half a great circle."""
    east, north = (-sin(radians(ra)), cos(radians(ra)), 0.0), unit_vector((ra, 0.0))
    pole = cross(start, end)
    meeting = _unit(cross(pole, east))
    if meeting is None:
        return
    for crossing in (meeting, (-meeting[0], -meeting[1], -meeting[2])):
        is_on_arc = dot(cross(start, crossing), pole) >= 0 <= dot(cross(crossing, end), pole)
        if is_on_arc and dot(crossing, north) >= 0:
            yield crossing


def _unit(vector: Vector) -> Vector | None:
    """Return a vector made as long as 1; None if it has no length."""
    length = dot(vector, vector) ** 0.5
    return (vector[0] / length, vector[1] / length, vector[2] / length) if length else None
