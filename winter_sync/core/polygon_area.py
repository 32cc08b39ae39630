"""Convex polygons on the sky whose edges are great circles, as areas that are searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from winter_sync.core.areas import ConeArea
from winter_sync.core.queries import Cone
from winter_sync.core.sphere import cross, dot, separation, unit_vector

if TYPE_CHECKING:
    from typing import TypeAlias

    from winter_sync.core.areas import Span
    from winter_sync.core.sphere import Box, Footprint, Position, Vector

    _Arc: TypeAlias = tuple[Vector, Vector, Vector]
    """Its ends, and the pole of its great circle."""


@dataclass(frozen=True)
class PolygonArea:
    """All within a convex polygon smaller than a hemisphere."""

    polygon: Footprint

    @cached_property
    def _around(self) -> ConeArea:
        """The circle around the middle that holds all corners."""
        center = self.polygon.center
        radius = max(separation(center, corner) for corner in self.polygon.corners)
        return ConeArea(Cone(*center, min(radius, 90.0)))

    @property
    def declinations(self) -> Span:
        """See `Area`."""
        return self._around.declinations

    @property
    def right_ascensions(self) -> tuple[Span, ...]:
        """See `Area`."""
        return self._around.right_ascensions

    @property
    def box(self) -> Box:
        """See `Area`."""
        return self._around.box

    def contains(self, position: Position) -> bool:
        """See `Area`."""
        return self.polygon.contains(position)

    def touches(self, footprint: Footprint) -> bool:
        """See `Area`.

        Two polygons meet where a corner of one is in the other, or where their edges cross.
        """
        if any(self.contains(corner) for corner in footprint.corners):
            return True
        if any(footprint.contains(corner) for corner in self.polygon.corners):
            return True
        edges = _edges(footprint.corners)
        return any(_cross(edge, other) for edge in self._edges for other in edges)

    @cached_property
    def _edges(self) -> list[_Arc]:
        return _edges(self.polygon.corners)


def _edges(corners: tuple[Position, ...]) -> list[_Arc]:
    vectors = [unit_vector(corner) for corner in corners]
    return [(start, end, cross(start, end)) for start, end in pairwise((*vectors, vectors[0]))]


def _cross(one: _Arc, other: _Arc) -> bool:
    """Return whether two arcs cross."""
    x, y, z = cross(one[2], other[2])
    return any(
        _is_on(one, meeting) and _is_on(other, meeting) for meeting in ((x, y, z), (-x, -y, -z))
    )


def _is_on(arc: _Arc, meeting: Vector) -> bool:
    """Return whether a direction on the great circle of an arc is on the arc."""
    start, end, pole = arc
    return dot(cross(start, meeting), pole) >= 0 <= dot(cross(meeting, end), pole)
