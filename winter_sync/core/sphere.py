"""Geometry on the sphere: unit vectors, separations, and polygons whose edges are great circles.

Angles are degrees, ICRS right ascension and declination. The edges of a tangential (TAN) image are
great circles exactly, since that projection maps great circles to straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import asin, atan2, cos, degrees, fsum, hypot, radians, sin, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Position = tuple[float, float]
"""Right ascension and declination, degrees."""
Vector = tuple[float, float, float]
"""A direction, as a vector of length 1 unless said otherwise."""
Box = tuple[float, float, float, float, float, float]
"""The least and the greatest x, y and z, in this order: x, x, y, y, z, z."""

_AROUND = 360.0
_POLE = 90.0
_FLAT = 1e-15
"""Three directions are on one great circle if their determinant is less; that of three corners of a
pixel of 0.1 arcseconds is 2e-13."""
_ROUNDING = 1e-12
"""More than the rounding of a coordinate of a unit vector."""


def position_on_sky(ra: float | None, dec: float | None) -> tuple[float, float] | tuple[None, None]:
    """Return a position that others wrote, 0 <= ra < 360; None twice if there is none such.

    Right ascensions from -360 to 360 are taken: some write those of the western sky below 0.
    """
    if ra is None or dec is None or not (abs(ra) <= _AROUND and abs(dec) <= _POLE):
        return None, None
    return ra % _AROUND % _AROUND, dec


def unit_vector(position: Position) -> Vector:
    """Return the direction of a position."""
    ra, dec = radians(position[0]), radians(position[1])
    return cos(dec) * cos(ra), cos(dec) * sin(ra), sin(dec)


def position_of(vector: Vector) -> Position:
    """Return the position of a direction, of any length but zero; 0 <= ra < 360."""
    x, y, z = vector
    return degrees(atan2(y, x)) % 360.0 % 360.0, degrees(atan2(z, hypot(x, y)))


def mean_position(positions: Iterable[Position]) -> Position:
    """Return the middle of positions that are less than a hemisphere apart, at least one."""
    x, y, z = (fsum(axis) for axis in zip(*map(unit_vector, positions), strict=True))
    return position_of((x, y, z))


def separation(one: Position, other: Position) -> float:
    """Return the angle between two positions, in degrees; exact for small and large angles."""
    return angle(unit_vector(one), unit_vector(other))


def angle(one: Vector, other: Vector) -> float:
    """Return the angle between two directions, in degrees."""
    return degrees(atan2(_length(cross(one, other)), dot(one, other)))


def box_of_cap(position: Position, radius: float) -> Box:
    """Return a box around all directions within a radius, at most 90 degrees, of a position."""
    chord = 2.0 * sin(radians(min(radius, 180.0)) / 2.0) + _ROUNDING
    x, y, z = unit_vector(position)
    return x - chord, x + chord, y - chord, y + chord, z - chord, z + chord


@dataclass(frozen=True)
class Footprint:
    """The part of the sky that an image shows: a convex polygon, smaller than a hemisphere.

    Parameters
    ----------
    corners
        At least three positions, in their order around the image, either way.
    extension
        The HDU of the file that the image is in; 0 is the primary one.
    """

    corners: tuple[Position, ...]
    extension: int = 0

    @property
    def is_convex(self) -> bool:
        """Whether the corners make a convex polygon with an inside, smaller than a hemisphere."""
        vectors = self._vectors
        if len(set(vectors)) < len(vectors) or _length(_sum(vectors)) < _ROUNDING:
            return False
        edges = tuple(pairwise((*vectors, vectors[0])))
        turns = [
            dot(cross(start, end), corner)
            for start, end in edges
            for corner in vectors
            if corner not in (start, end)
        ]
        is_one_way = all(turn > _FLAT for turn in turns) or all(turn < -_FLAT for turn in turns)
        return is_one_way and all(dot(corner, self._middle) > 0 for corner in vectors)

    @property
    def center(self) -> Position:
        """The middle of the corners."""
        return position_of(self._middle)

    @cached_property
    def _vectors(self) -> tuple[Vector, ...]:
        return tuple(unit_vector(corner) for corner in self.corners)

    @cached_property
    def _middle(self) -> Vector:
        x, y, z = _sum(self._vectors)
        length = _length((x, y, z))
        return x / length, y / length, z / length

    @cached_property
    def box(self) -> Box:
        """A box around the directions of all positions of the image.

        A position inside is a mean of the corners' directions, made as long as 1: at most by the
        factor that the middle of the polygon's cap needs.
        """
        nearest = min(dot(corner, self._middle) for corner in self._vectors)
        excess = 1.0 / max(nearest, 1e-9) - 1.0 + _ROUNDING
        x, y, z = ((min(axis), max(axis)) for axis in zip(*self._vectors, strict=True))
        return (
            *(x[0] - excess, x[1] + excess),
            *(y[0] - excess, y[1] + excess),
            *(z[0] - excess, z[1] + excess),
        )

    def contains(self, position: Position) -> bool:
        """Return whether a position is inside, or on the edge."""
        return _is_within(unit_vector(position), tuple(map(unit_vector, self.corners)))

    def edge_distance(self, position: Position) -> float:
        """Return how far a position is from the nearest edge, in degrees; negative outside."""
        vector = unit_vector(position)
        edges = pairwise((*self._vectors, self._vectors[0]))
        nearest = min(_distance_to_arc(vector, start, end) for start, end in edges)
        return nearest if self.contains(position) else -nearest

    def touches_cap(self, position: Position, radius: float) -> bool:
        """Return whether any part is within a radius, in degrees, of a position."""
        return -self.edge_distance(position) <= radius


def _is_within(vector: Vector, corners: tuple[Vector, ...]) -> bool:
    """Return whether a direction is on the same side of all edges, and not opposite the polygon.

    Written out: thousands of footprints are looked at where a target was observed often.
    """
    x, y, z = vector
    x1, y1, z1 = corners[-1]
    left = right = False
    before = 0.0
    for x2, y2, z2 in corners:
        side = x * (y1 * z2 - z1 * y2) + y * (z1 * x2 - x1 * z2) + z * (x1 * y2 - y1 * x2)
        left = left or side > 0
        right = right or side < 0
        if left and right:
            return False
        before += x * x2 + y * y2 + z * z2
        x1, y1, z1 = x2, y2, z2
    return before > 0


def _distance_to_arc(vector: Vector, start: Vector, end: Vector) -> float:
    """Return the angle between a direction and the shorter arc between two others, in degrees."""
    pole = cross(start, end)
    length = _length(pole)
    ends = min(angle(vector, start), angle(vector, end))
    if length == 0.0:
        return ends
    is_beside = dot(cross(pole, start), vector) >= 0 and dot(cross(end, pole), vector) >= 0
    if not is_beside:
        return ends
    return min(ends, degrees(abs(asin(max(-1.0, min(1.0, dot(vector, pole) / length))))))


def _sum(vectors: Iterable[Vector]) -> Vector:
    x, y, z = (fsum(axis) for axis in zip(*vectors, strict=True))
    return x, y, z


def dot(one: Vector, other: Vector) -> float:
    """Return the scalar product of two vectors."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]


def cross(one: Vector, other: Vector) -> Vector:
    """Return the vector product of two vectors."""
    return (
        one[1] * other[2] - one[2] * other[1],
        one[2] * other[0] - one[0] * other[2],
        one[0] * other[1] - one[1] * other[0],
    )


def _length(vector: Vector) -> float:
    return sqrt(dot(vector, vector))
