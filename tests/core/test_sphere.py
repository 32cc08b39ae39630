"""Geometry on the sphere, with astropy as the judge."""

from __future__ import annotations

from math import isclose

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import assume, given
from hypothesis import strategies as st

from winter_sync.core.sphere import (
    Footprint,
    Position,
    box_of_cap,
    position_of,
    separation,
    unit_vector,
)

RAS = st.floats(0, 360, exclude_max=True)
DECS = st.floats(-90, 90)
POSITIONS = st.tuples(RAS, DECS)
WIDTH, HEIGHT = 1984, 1096


def tangential(center: Position, scale: float, turn: float) -> WCS:
    """Make the WCS of an image around a center, its pixels of so many degrees, turned."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = center
    wcs.wcs.crpix = [WIDTH / 2, HEIGHT / 2]
    wcs.wcs.cdelt = [-scale, scale]
    wcs.wcs.crota = [0, turn]
    return wcs


@st.composite
def images(draw: st.DrawFn) -> tuple[WCS, Footprint]:
    """Draw an image anywhere, also around a pole or over right ascension 0, and its footprint."""
    wcs = tangential(draw(POSITIONS), draw(st.floats(1e-4, 5e-3)), draw(st.floats(0, 360)))
    return wcs, Footprint(tuple((ra, dec) for ra, dec in wcs.calc_footprint(axes=(WIDTH, HEIGHT))))


@given(POSITIONS, POSITIONS)
def test_a_separation_is_that_of_astropy(one: Position, other: Position) -> None:
    """To a thousandth of an arcsecond, for positions near each other and opposite ones, too."""
    judge = SkyCoord(*one, unit="deg").separation(SkyCoord(*other, unit="deg")).deg
    assert separation(one, other) == pytest.approx(judge, abs=3e-7)


@given(POSITIONS)
def test_a_position_comes_back_from_its_vector(position: Position) -> None:
    """The right ascension is never 360."""
    there = position_of(unit_vector(position))
    assert separation(there, position) < 1e-7
    assert 0 <= there[0] < 360


@given(images(), st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))
def test_what_is_inside_is_what_the_wcs_puts_on_a_pixel(
    image: tuple[WCS, Footprint], across: float, up: float
) -> None:
    """Everywhere on the sky: at the poles, over right ascension 0, for any orientation."""
    wcs, footprint = image
    x, y = across * WIDTH, up * HEIGHT
    assume(min(abs(across), abs(across - 1), abs(up), abs(up - 1)) > 1e-3)
    ra, dec = (float(value) for value in wcs.all_pix2world(x, y, 1))
    inside = 0 < across < 1 and 0 < up < 1
    assert footprint.contains((ra, dec)) == inside
    assert (footprint.edge_distance((ra, dec)) > 0) == inside
    x1, x2, y1, y2, z1, z2 = footprint.box
    vector = unit_vector((ra, dec))
    in_box = all(
        low <= v <= high for low, v, high in zip((x1, y1, z1), vector, (x2, y2, z2), strict=True)
    )
    assert in_box or not inside


@given(images())
def test_an_image_contains_its_center_and_not_what_is_opposite(
    image: tuple[WCS, Footprint],
) -> None:
    """A polygon means the smaller of the two parts into which it cuts the sky."""
    _, footprint = image
    ra, dec = footprint.center
    assert footprint.contains((ra, dec))
    assert not footprint.contains(((ra + 180) % 360, -dec))


@given(images(), POSITIONS, st.floats(0, 5))
def test_a_cap_touches_an_image_if_any_part_of_it_is_near(
    image: tuple[WCS, Footprint], position: Position, radius: float
) -> None:
    """No corner within the radius is overlooked; and the distance is that to the nearest edge."""
    _, footprint = image
    nearest = min(separation(position, corner) for corner in footprint.corners)
    if nearest <= radius or footprint.contains(position):
        assert footprint.touches_cap(position, radius)
    assert abs(footprint.edge_distance(position)) <= nearest + 1e-9


@given(POSITIONS, st.floats(0, 90), st.floats(0, 1), st.floats(0, 360))
def test_a_box_holds_its_cap(
    position: Position, radius: float, part: float, direction: float
) -> None:
    """Whatever is within the radius is inside the box."""
    there = SkyCoord(*position, unit="deg").directional_offset_by(
        direction * u.deg, part * radius * 0.999999 * u.deg
    )
    other = float(there.ra.deg), float(there.dec.deg)
    x1, x2, y1, y2, z1, z2 = box_of_cap(position, radius)
    x, y, z = unit_vector(other)
    assert x1 <= x <= x2
    assert y1 <= y <= y2
    assert z1 <= z <= z2


def test_the_edge_distance_of_a_known_image() -> None:
    """A square degree on the equator: half a degree from the middle to each edge."""
    square = Footprint(((359.5, -0.5), (0.5, -0.5), (0.5, 0.5), (359.5, 0.5)))
    assert isclose(square.edge_distance((0, 0)), 0.5, abs_tol=1e-4)
    assert isclose(square.edge_distance((2.5, 0)), -2.0, abs_tol=1e-4)


@given(images())
def test_an_image_is_convex_either_way_around(image: tuple[WCS, Footprint]) -> None:
    """Two corners exchanged make a bow tie, which is no image."""
    _, footprint = image
    a, b, c, d = footprint.corners
    assert footprint.is_convex
    assert Footprint((d, c, b, a)).is_convex
    assert not Footprint((a, c, b, d)).is_convex


@pytest.mark.parametrize(
    "corners",
    [
        ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)),
        ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)),
        ((0.0, 0.0), (1.0, 1.0), (0.0, 0.0), (1.0, 1.0)),
        ((0.0, 0.0), (2.0, 0.0), (0.5, 0.5), (0.0, 2.0)),
        ((0.0, 0.0), (90.0, 0.0), (180.0, 0.0), (270.0, 0.0)),
    ],
    ids=["line", "twice", "there and back", "dented", "a great circle"],
)
def test_what_is_no_image_is_not_convex(corners: tuple[Position, ...]) -> None:
    """Corners on a line, two in one place, a dent, or a whole circle."""
    assert not Footprint(corners).is_convex
