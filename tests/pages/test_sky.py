"""The sky: what the images here show of it, as a map, as footprints, and as a table."""

from __future__ import annotations

import re
from dataclasses import replace
from math import cos, radians, sin, tan
from typing import TYPE_CHECKING

import astropy.units as u
import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st
from pages.by_hand import context_of, made_by_hand
from pages.client import browsing
from support.answers import at, enter, publish, square
from support.makers import NIGHT, product

from winter_sync.core import Facts, ImageType, utc_now
from winter_sync.pages.projection import PartOfSky, galactic_plane, map_outline, on_map

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from winter_sync.catalog import Catalog
    from winter_sync.pages import PageContext

POSITIONS = st.tuples(st.floats(0, 359.999), st.floats(-90, 90))


def add(
    catalog: Catalog, number: int, ra: float, dec: float, boards: int = 1, **facts: object
) -> str:
    """Add an image of a position to a mirror; return the path of its product."""
    one = replace(product(number, ImageType.STACK), night=NIGHT)
    enter(catalog, [at(one, ra, dec, "listed")])
    shown = (square(ra, dec),) * boards
    here = Facts(ra=ra, dec=dec, footprints=shown, **facts)  # type: ignore[arg-type]
    publish(catalog, one, here)
    return catalog.history.of(one).path


@given(POSITIONS)
def test_every_position_is_on_the_map(position: tuple[float, float]) -> None:
    """Within its edge, east of the middle to the left, north above."""
    x, y = on_map(position)
    a, b = (x - 380) / 360, (y - 200) / 180
    assert a * a + b * b <= 1.0001
    assert (x <= 380) == (position[0] >= 180) or abs(x - 380) < 1e-6
    assert (y <= 200) == (position[1] >= 0) or abs(y - 200) < 1e-6


@given(POSITIONS, st.floats(0, 359.999), st.floats(0, 10))
def test_a_part_of_the_sky_shows_positions_where_they_are(
    center: tuple[float, float], angle: float, distance: float
) -> None:
    """North is up, east is left, and distances are those of astropy's own gnomonic projection."""
    middle = SkyCoord(*center, unit="deg")
    there = middle.directional_offset_by(angle * u.deg, distance * u.deg)
    place = PartOfSky(center, 10.0).place((float(there.ra.deg), float(there.dec.deg)))
    assert place is not None
    away = 320 * tan(radians(distance)) / tan(radians(10.0))
    assert 320 - place[0] == pytest.approx(away * sin(radians(angle)), abs=0.01)
    assert 320 - place[1] == pytest.approx(away * cos(radians(angle)), abs=0.01)


def test_the_galactic_equator_is_where_astropy_has_it() -> None:
    """Each point of the line on the map is one of latitude 0."""
    line = re.findall(r"[ML]([\d.]+) ([\d.]+)", galactic_plane())
    longitudes = range(0, 361, 3)
    equator = SkyCoord(longitudes, [0.0] * len(line), unit="deg", frame="galactic").icrs
    for (x, y), ra, dec in zip(line, equator.ra.deg, equator.dec.deg, strict=True):
        assert (float(x), float(y)) == pytest.approx(on_map((ra, dec)), abs=0.11)
    assert map_outline().endswith("z")


@settings(max_examples=40)
@given(st.tuples(st.floats(0, 359.9), st.floats(-90, 90)), st.floats(0.01, 20))
def test_every_part_of_the_sky_has_a_grid(center: tuple[float, float], radius: float) -> None:
    """Lines of both kinds whose labels are on the map, of not too many."""
    grid = PartOfSky(center, radius).grid
    assert 2 <= len(grid.lines) <= 60
    assert all(0 <= label.x <= 600 and 0 <= label.y <= 640 for label in grid.labels)
    assert len(grid.labels) >= 1


async def test_the_map_and_the_table_say_the_same(tmp_path: Path) -> None:
    """Cells by filter, age or depth with words beside the colours; targets with their depth."""
    with made_by_hand(tmp_path) as catalog:
        add(catalog, 0, 150.0, 17.0, target="SN1", filter="J", limiting_magnitude=19.25)
        add(catalog, 1, 150.1, 17.0, target="SN1", filter="Y", limiting_magnitude=18.5)
        add(catalog, 2, 150.1, 17.0, target="SN1", filter="H")
        add(catalog, 3, 10.0, -20.0, target="<b>M31</b>", filter="u", limiting_magnitude=20.5)
        add(catalog, 4, 10.0, -20.0, target="sky", filter="dark")
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        page = await browser.page("/sky")
        assert "4 images of 2 targets, in 2 cells" in page.said
        for line in ("Y (1 cell)", "J (1 cell)", "Hs (1 cell)", "other filters: u (1 cell)"):
            assert line in page.said
        assert re.search(rf"SN1 150\.[01]0 \+17\.00 H, J, Y 3 19\.25 {NIGHT.day}", page.said)
        assert "<b>M31</b> 10.00 -20.00 u 1 20.50" in page.said
        assert "b" not in page.tags
        depth = await browser.page("/sky?colour=depth")
        assert "20 mag or fainter (1 cell) 19 to 20 mag (1 cell)" in depth.said
        age = await browser.page("/sky?colour=age&filter=J")
        assert "1 image in J of 1 target" in age.said
        assert "more than 365 nights ago (1 cell)" in age.said
        assert "M31" not in age.said
        wrong = await browser.page("/sky?colour=none", 404)
        assert "Choose filter, age or depth" in wrong.said


async def test_footprints_lead_to_their_images(tmp_path: Path) -> None:
    """Of what is asked for, and no others; each once in the map and once in the table."""
    with made_by_hand(tmp_path) as catalog:
        here = add(catalog, 0, 150.0, 17.0, filter="J")
        edge = add(catalog, 1, 151.2, 17.0, filter="Y", target="<i>x</i>")
        far = add(catalog, 2, 153.0, 17.0, filter="J")
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        page = await browser.page("/sky?ra=10h00m00s&dec=%2B17&radius=1")
        assert [path for path in (here, edge, far) if f"/product/{path}" in page.links] == [
            here,
            edge,
        ]
        assert page.links.count(f"/product/{here}") == 2
        assert page.tags.count("polygon") == 2
        assert "i" not in page.tags
        assert "2 images within 1°." in page.said
        of_filter = await browser.page("/sky?ra=150&dec=17&radius=60m&filter=J&type=stack")
        assert of_filter.tags.count("polygon") == 1
        nothing = await browser.page("/sky?ra=150&dec=-17")
        assert "No footprint of an image here touches" in nothing.said


async def test_names_are_no_markup_in_a_drawing(tmp_path: Path) -> None:
    """Neither those of filters in the legend, nor what a footprint is called."""
    with made_by_hand(tmp_path) as catalog:
        add(catalog, 0, 150.0, 17.0, target="<i>x</i>", filter="<u>y</u>")
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        for address in ("/sky", "/sky?ra=150&dec=17"):
            body = (await browser.get(address)).body
            assert b"<i>" not in body
            assert b"<u>" not in body
            assert b"&lt;u&gt;y" in body


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("ra=150&dec=95", "Write it in degrees"),
        ("ra=150", "Write it in degrees"),
        ("ra=150&dec=1&radius=60", "Write a radius between 0.01 and 20 degrees"),
        ("ra=150&dec=1&radius=x", "x"),
        ("ra=150&dec=1&type=x", "Choose one of exposure"),
    ],
)
async def test_a_part_that_is_none_is_explained(tmp_path: Path, query: str, said: str) -> None:
    """With what to write instead."""
    with made_by_hand(tmp_path):
        pass
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        page = await browser.page(f"/sky?{query}", 404)
        assert said in page.said


async def test_many_images_are_shown_in_part(tmp_path: Path) -> None:
    """The last 200 footprints that were read, and the page says so."""
    with made_by_hand(tmp_path) as catalog:
        for number in range(3):
            add(catalog, number, 90.0, 89.5, filter="J", boards=70)
    async with browsing(context_of(tmp_path), utc_now()) as browser:
        page = await browser.page("/sky?ra=90&dec=89.9&radius=2")
        assert page.tags.count("polygon") == 200
        assert "The 3 images within 2°" in page.said
        assert "there may be more" in page.said


async def test_a_mirrored_night_is_on_the_map(mirrored: tuple[PageContext, datetime]) -> None:
    """As many images as headers of images were read."""
    async with browsing(*mirrored) as browser:
        page = await browser.page("/sky")
        assert int(page.said.partition(" images of ")[0].rpartition(" ")[2]) > 10
        (zone, *_) = (link for link in page.links if link.startswith("/sky?ra="))
        region = await browser.page(zone)
        assert region.tags.count("polygon") > 3
