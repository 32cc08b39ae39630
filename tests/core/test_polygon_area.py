"""Polygons on the sky: what touches them, and the bounds within which it is looked for."""

from __future__ import annotations

from math import cos, radians, sin

from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core import Footprint, PolygonArea, separation, unit_vector
from winter_sync.core.sphere import cross, position_of

CENTERS = st.tuples(st.floats(0, 359.9), st.floats(-89, 89))


def around(center: tuple[float, float], radius: float, corners: int) -> Footprint:
    """Return a polygon whose corners are at a distance from a position."""
    middle = unit_vector(center)
    east = unit_vector((center[0] + 90.0, 0.0))
    north = cross(middle, east)
    out, along = sin(radians(radius)), cos(radians(radius))
    turns = [radians(360.0 * number / corners) for number in range(corners)]
    found = [
        tuple(
            along * m + out * (cos(turn) * e + sin(turn) * n)
            for m, e, n in zip(middle, east, north, strict=True)
        )
        for turn in turns
    ]
    return Footprint(tuple(position_of((x, y, z)) for x, y, z in found))


@given(CENTERS, st.floats(0.1, 20), st.floats(0.1, 2), st.floats(0, 360), st.floats(0, 30))
def test_polygons_touch_as_far_as_their_sizes_allow(
    center: tuple[float, float], size: float, other_size: float, turn: float, distance: float
) -> None:
    """Those of circles within them or around them that meet, or do not; either asks the other."""
    area = PolygonArea(around(center, size, 5))
    there = around(center, max(distance, 0.001), 360).corners[int(turn) % 360]
    other = around(there, other_size, 4)
    apart = separation(center, there)
    touches = area.touches(other)
    assert touches == PolygonArea(other).touches(area.polygon)
    if apart < 0.8 * size + 0.7 * other_size:
        assert touches
    if apart > size + other_size:
        assert not touches
    x1, x2, y1, y2, z1, z2 = area.box
    for x, y, z in map(unit_vector, area.polygon.corners):
        assert x1 <= x <= x2
        assert y1 <= y <= y2
        assert z1 <= z <= z2
    assert area.declinations[0] <= min(dec for _, dec in area.polygon.corners)


def test_edges_that_cross_are_enough() -> None:
    """Two long strips, of which neither holds a corner of the other."""
    upright = PolygonArea(Footprint(((10.0, -5.0), (11.0, -5.0), (11.0, 5.0), (10.0, 5.0))))
    lying = Footprint(((5.0, -0.5), (15.0, -0.5), (15.0, 0.5), (5.0, 0.5)))
    assert upright.touches(lying)
    assert not upright.touches(Footprint(((5.0, 6.0), (15.0, 6.0), (15.0, 7.0), (5.0, 7.0))))
    assert not upright.contains((190.0, 0.0))
