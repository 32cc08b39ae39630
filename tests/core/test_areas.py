"""Areas of the sky that are searched, with astropy as the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from core.test_sphere import DECS, HEIGHT, POSITIONS, RAS, WIDTH, images
from hypothesis import assume, given
from hypothesis import strategies as st

from winter_sync.core.areas import RectangleArea, area_of
from winter_sync.core.queries import Cone, Rectangle
from winter_sync.core.sphere import Footprint, Position, unit_vector

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from winter_sync.core.areas import Area

CONES = st.builds(Cone, RAS, DECS, st.floats(1e-3, 90))
RECTANGLES = st.builds(
    lambda west, width, low, high: Rectangle(
        west, (west + width) % 360 or 360.0, min(low, high), max(low, high)
    ),
    RAS,
    st.floats(0.01, 359.9),
    DECS,
    DECS,
).filter(lambda it: it.dec_max - it.dec_min > 1e-3 and abs(it.ra_max - it.ra_min) > 1e-3)


def sky_of(image: tuple[WCS, Footprint]) -> tuple[np.ndarray, np.ndarray]:
    """Return positions all over an image, its edges included."""
    x, y = np.meshgrid(np.linspace(0.5, WIDTH + 0.5, 41), np.linspace(0.5, HEIGHT + 0.5, 41))
    ra, dec = image[0].all_pix2world(x.ravel(), y.ravel(), 1)
    return ra % 360, dec


def inside(area: Rectangle, ra: np.ndarray, dec: np.ndarray, margin: float) -> np.ndarray:
    """Return which positions are inside a rectangle made larger by a margin, in degrees."""
    width = (area.ra_max - area.ra_min) % 360 or 360.0
    across = (ra - area.ra_min + margin) % 360 <= width + 2 * margin
    return (dec >= area.dec_min - margin) & (dec <= area.dec_max + margin) & across


@given(CONES, images())
def test_a_cone_touches_an_image_where_some_of_it_is_within_the_radius(
    cone: Cone, image: tuple[WCS, Footprint]
) -> None:
    """Anywhere on the sky, as astropy measures it over the image."""
    ra, dec = sky_of(image)
    nearest = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(cone.ra, cone.dec, unit="deg"))
    away, step = nearest.deg.min(), 0.4
    touches = area_of(cone).touches(image[1])
    if away < cone.radius - 1e-6:
        assert touches
    if away > cone.radius + step:
        assert not touches


@given(RECTANGLES, images())
def test_a_rectangle_touches_an_image_where_some_of_it_is_between_its_edges(
    rectangle: Rectangle, image: tuple[WCS, Footprint]
) -> None:
    """At the poles, over right ascension 0, for thin rectangles through the middle of an image."""
    ra, dec = sky_of(image)
    touches = area_of(rectangle).touches(image[1])
    if inside(rectangle, ra, dec, -1e-6).any():
        assert touches
    if abs(dec).max() < 80 and not inside(rectangle, ra, dec, 2.0).any():
        assert not touches


def test_a_rectangle_thinner_than_an_image_crosses_it_without_corners() -> None:
    """No corner of either is in the other: their edges cross."""
    image = Footprint(((10.0, -1.0), (12.0, -1.0), (12.0, 1.0), (10.0, 1.0)))
    for across in (Rectangle(5, 15, 0.1, 0.2), Rectangle(11.1, 11.2, -20, 20)):
        assert area_of(across).touches(image)
    for beside in (Rectangle(5, 15, 1.1, 1.2), Rectangle(12.1, 12.2, -20, 20)):
        assert not area_of(beside).touches(image)


def test_a_rectangle_over_the_pole_touches_the_image_that_holds_the_pole() -> None:
    """The image is all around the rectangle's narrow tip."""
    polar = Footprint(((0.0, 89.0), (90.0, 89.0), (180.0, 89.0), (270.0, 89.0)))
    assert area_of(Rectangle(44, 46, 89.9, 90)).touches(polar)
    assert area_of(Rectangle(0, 360, 89.5, 90)).touches(polar)
    assert not area_of(Rectangle(0, 360, 80, 88.9)).touches(polar)


@pytest.mark.parametrize("regions", [CONES, RECTANGLES], ids=["cones", "rectangles"])
@given(data=st.data())
def test_the_bounds_of_an_area_hold_all_that_is_inside(
    regions: st.SearchStrategy[Cone | Rectangle], data: st.DataObject
) -> None:
    """Whatever the area contains is within its declinations, right ascensions and box."""
    area = area_of(data.draw(regions))
    position = data.draw(st.one_of(POSITIONS, near(area)))
    assume(area.contains(position))
    ra, dec = position
    assert area.declinations[0] <= dec <= area.declinations[1]
    assert any(west <= ra <= east for west, east in area.right_ascensions)
    lows, highs = area.box[::2], area.box[1::2]
    vector = unit_vector(position)
    assert all(low <= v <= high for low, v, high in zip(lows, vector, highs, strict=True))


def near(area: Area) -> st.SearchStrategy[Position]:
    """Return positions that are probably inside an area."""
    (west, east), (south, north) = area.right_ascensions[-1], area.declinations
    return st.tuples(
        st.floats(west, east, exclude_max=east == 360), st.floats(max(south, -90), min(north, 90))
    )


@given(RAS, st.floats(0.01, 89), st.floats(0, 0.99), RAS, st.sampled_from((-1, 1)))
def test_around_a_pole_every_right_ascension_is_searched(
    ra: float, radius: float, part: float, other: float, pole: int
) -> None:
    """The pole is inside: so is, near it, the side that is opposite the middle of the cone."""
    offset = part * radius
    area = area_of(Cone(ra, pole * (90 - offset), radius))
    position = other, pole * (90 - (radius - offset) / 2)
    assert area.contains(position)
    assert any(west <= other <= east for west, east in area.right_ascensions)
    assert area.declinations[0] <= position[1] <= area.declinations[1]


@given(CONES, POSITIONS)
def test_a_cone_contains_what_astropy_finds_within_its_radius(cone: Cone, at: Position) -> None:
    """To a thousandth of an arcsecond."""
    away = SkyCoord(*at, unit="deg").separation(SkyCoord(cone.ra, cone.dec, unit="deg")).deg
    assume(abs(away - cone.radius) > 3e-7)
    assert area_of(cone).contains(at) == (away < cone.radius)


def test_a_rectangle_goes_eastwards_from_its_first_edge() -> None:
    """Across right ascension 0 where the first is larger; all around for 0 to 360."""
    across = area_of(Rectangle(359, 1, -5, 5))
    assert [across.contains((ra, 0.0)) for ra in (358.9, 359.5, 0.0, 0.9, 1.1)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert np.allclose(across.right_ascensions, ((359, 360), (0, 1)))
    around = RectangleArea(Rectangle(0, 360, -5, 5))
    assert around.contains((359.9, 0.0))
    assert around.right_ascensions == ((0.0, 360.0),)
