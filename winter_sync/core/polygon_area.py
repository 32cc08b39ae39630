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
    from winter_sync.core.areas import Span
    from winter_sync.core.sphere import Box, Footprint, Position, Vector


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
        return (
            any(self.contains(corner) for corner in footprint.corners)
            or any(footprint.contains(corner) for corner in self.polygon.corners)
            or any(
                _cross(edge, other) for edge in self._edges for other in _edges(footprint.corners)
            )
        )

    @cached_property
    def _edges(self) -> list[tuple[Vector, Vector]]:
        return _edges(self.polygon.corners)


def _edges(corners: tuple[Position, ...]) -> list[tuple[Vector, Vector]]:
    vectors = [unit_vector(corner) for corner in corners]
    return list(pairwise((*vectors, vectors[0])))


def _cross(one: tuple[Vector, Vector], other: tuple[Vector, Vector]) -> bool:
    """Return whether two arcs cross."""
    x, y, z = cross(cross(*one), cross(*other))
    return any(
        _is_on(one, meeting) and _is_on(other, meeting) for meeting in ((x, y, z), (-x, -y, -z))
    )


def _is_on(arc: tuple[Vector, Vector], meeting: Vector) -> bool:
    """Return whether a direction on the great circle of an arc is on the arc."""
    start, end = arc
    pole = cross(start, end)
    return dot(cross(start, meeting), pole) >= 0 <= dot(cross(meeting, end), pole)
