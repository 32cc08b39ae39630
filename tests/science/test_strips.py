"""Strips of images: what each pixel looks like, and where north is."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from science.test_cutouts import HEIGHT, SCALE, SIZE, WIDTH, file_of, wcs_of

from winter_sync.science.cutouts import cut_out
from winter_sync.science.strips import Panel, colours, draw_strip, north_up

CENTER = (150.0, 17.0)


@given(st.floats(0, 360), st.booleans())
@settings(max_examples=25, deadline=None)
def test_north_is_up_and_east_is_left(turn: float, mirrored: bool) -> None:  # noqa: FBT001 - drawn
    """However the camera was turned, a star in the north-east is at the upper left."""
    wcs = wcs_of(CENTER, turn, mirrored=mirrored)
    star = CENTER[0] + 4 * SCALE / np.cos(np.radians(CENTER[1])), CENTER[1] + 7 * SCALE
    star_x, star_y = (float(value) for value in wcs.all_world2pix(*star, 0))
    y, x = np.indices((HEIGHT, WIDTH))
    sky = np.exp(-((x - star_x) ** 2 + (y - star_y) ** 2) / 4).astype("f4")
    file = io.BytesIO(file_of(fits.PrimaryHDU(sky, wcs.to_header())))
    upright = north_up(cut_out(file, 0, CENTER, 2 * SIZE), CENTER, SIZE)
    assert upright.shape == (21, 21)
    assert np.isfinite(upright).all()
    row, column = divmod(int(np.argmax(upright)), upright.shape[1])
    assert (row, column) == (10 + 7, 10 - 4)
    assert upright[row, column] > 0.8


def test_what_no_image_shows_is_not_a_number_north_up_either() -> None:
    """Beyond the edge of an image nothing is made up."""
    wcs = wcs_of(CENTER, 0.0)
    corner = tuple(float(value) for value in wcs.all_pix2world(0, 0, 0))
    position = corner[0], corner[1]
    file = io.BytesIO(file_of(fits.PrimaryHDU(np.ones((HEIGHT, WIDTH), "f4"), wcs.to_header())))
    upright = north_up(cut_out(file, 0, position, 2 * SIZE), position, SIZE)
    assert np.isnan(upright[:9]).all()
    assert np.isnan(upright[:, :9]).all()
    assert (upright[11:, 11:] == 1).all()


def test_what_is_not_a_number_has_a_colour_of_its_own() -> None:
    """It cannot be taken for a dark sky; everything else is grey."""
    data = np.arange(100.0).reshape(10, 10)
    data[0, 0] = np.nan
    shown = colours(data)
    assert len({*shown[0, 0]}) > 1
    grey = shown.reshape(-1, 3)[1:]
    assert (grey == grey[:, :1]).all()
    assert (np.diff(grey[:, 0].astype(int)) >= 0).all()
    assert grey[-1, 0] == 255


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_an_image_of_one_value_is_drawn(value: float) -> None:
    """Also one that has no pixels at all."""
    assert colours(np.full((5, 5), value)).shape == (5, 5, 3)


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (8, 8, 1), (9, 8, 2)])
def test_a_strip_has_rows_of_eight(count: int, columns: int, rows: int) -> None:
    """Each image has the same room, with its words under it."""
    file = io.BytesIO()
    panels = [Panel(np.full((30, 20), np.nan), ("2024-02-11 06:14:25", "J  stack"))] * count
    draw_strip(panels, file)
    picture = Image.open(file)
    assert picture.format == "PNG"
    assert picture.size == (columns * 188 + 8, rows * 218 + 8)
    words = np.asarray(picture)[8 + 180 : 8 + 210, 8:]
    assert (words > 200).any()


def test_the_lowest_row_of_an_image_is_drawn_lowest() -> None:
    """As every FITS viewer shows it."""
    data = np.zeros((60, 60))
    data[:20] = 100.0
    file = io.BytesIO()
    draw_strip([Panel(data, ())], file)
    drawn = np.asarray(Image.open(file))
    assert drawn[20, 90, 0] < 50
    assert drawn[180, 90, 0] > 200
