"""Pictures of FITS files, with astropy as the judge of what is where."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from winter_sync.core.sphere import separation
from winter_sync.science.pictures import NoPictureError, draw_picture
from winter_sync.science.sky_grid import sky_grid

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, HEIGHT = 200, 110
SCALE = 1.13 / 3600


def file_of(*hdus: Any) -> bytes:  # noqa: ANN401 - astropy has no types
    """Return the bytes of a FITS file."""
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def marked() -> np.ndarray[Any, Any]:
    """Make an image with one bright corner, the pixel at 0, 0; others are noise."""
    data = np.random.default_rng(1).normal(100, 3, (HEIGHT, WIDTH)).astype("f4")
    data[:20, :20] = 500
    data[60:, 150:] = np.nan
    return data


def drawn(content: bytes, longest: int = 1000, **options: Any) -> tuple[Any, Any]:  # noqa: ANN401 - as above
    """Draw a file; return the picture and its pixels."""
    picture = draw_picture(io.BytesIO(content), longest, **options)
    image = Image.open(io.BytesIO(picture.jpeg))
    assert image.size == picture.size
    return picture, np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("longest", [1000, 60])
@pytest.mark.parametrize("packed", [lambda content: content, gzip.compress])
def test_the_first_pixel_is_at_the_lower_left(
    longest: int, packed: Callable[[bytes], bytes]
) -> None:
    """As every program shows it; what has no value is violet, whatever the scale."""
    picture, pixels = drawn(packed(file_of(fits.PrimaryHDU(marked()))), longest)
    (panel,) = picture.panels
    assert max(picture.size) <= longest
    wide = pixels.shape[1]
    assert pixels[-3, 2].min() > 240
    assert pixels[2, 2].max() < 240
    assert np.abs(pixels[3, wide - 4] - (60, 40, 90)).max() < 25
    assert (panel.extension, panel.shape) == (0, (WIDTH, HEIGHT))


def test_a_reduced_picture_is_the_mean_of_what_is_known() -> None:
    """Pixels that fall on one are averaged; those without a value count for nothing."""
    data = np.zeros((64, 64), "f4")
    data[:, 32:] = 1000
    data[::2, 16:48] = np.nan
    _, pixels = drawn(file_of(fits.PrimaryHDU(data)), 32)
    assert pixels.shape == (32, 32, 3)
    assert pixels[:, :14].max() < 30
    assert pixels[:, 18:].min() > 225


def test_boards_are_drawn_side_by_side_or_alone() -> None:
    """Each of a file's images has a place of its own; one can be chosen by its HDU."""
    boards = [fits.ImageHDU(marked(), fits.Header({"BOARD_ID": number})) for number in (2, 3, 5)]
    content = file_of(fits.PrimaryHDU(), *boards)
    picture, _ = drawn(content, 400)
    assert [(panel.extension, panel.board) for panel in picture.panels] == [(1, 2), (2, 3), (3, 5)]
    places = {
        (x, y)
        for panel in picture.panels
        for x in range(panel.corner[0], panel.corner[0] + WIDTH // panel.factor)
        for y in range(panel.corner[1], panel.corner[1] + HEIGHT // panel.factor)
    }
    assert len(places) == 3 * (WIDTH // 2) * (HEIGHT // 2)
    alone, _ = drawn(content, 400, extension=2)
    assert [panel.board for panel in alone.panels] == [3]
    with pytest.raises(NoPictureError, match="no HDU 9"):
        drawn(content, extension=9)


@pytest.mark.parametrize("kind", ["u2", "i4", "f8"])
def test_images_of_all_types_are_drawn(kind: str) -> None:
    """Integers with an offset, compressed ones, and numbers too large to add up."""
    data = marked()
    data[~np.isfinite(data)] = 0
    data = data.astype(kind)
    if kind == "f8":
        data[5, 5], data[13, 13] = 1e300, -np.inf
    for hdu in (fits.PrimaryHDU(data), fits.CompImageHDU(data)):
        content = file_of(*([] if isinstance(hdu, fits.PrimaryHDU) else [fits.PrimaryHDU()]), hdu)
        _, pixels = drawn(content)
        assert pixels[-12, 12].min() > 240
        _, reduced = drawn(content, WIDTH // 4)
        assert reduced[-5:, :5].min() > 225


def changed(**cards: object) -> bytes:
    """Return a file whose header says something else than what is in it."""
    content = file_of(fits.PrimaryHDU(marked()))
    for name, value in cards.items():
        at = content.index(f"{name:8}=".encode())
        content = content[:at] + f"{name:8}= {value:>20}".ljust(80).encode() + content[at + 80 :]
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (changed(NAXIS1=2_000_000_000), "too many"),
        (changed(NAXIS1=9000, NAXIS2=9000), "."),
        (changed(NAXIS=999), "."),
        (changed(NAXIS2=0), "."),
        (changed(NAXIS1=-5), "."),
        (changed(BITPIX=7), "."),
        (file_of(fits.PrimaryHDU(marked()))[:-40_000], "cut short"),
        (file_of(fits.PrimaryHDU(marked()))[:100], "."),
        (gzip.compress(file_of(fits.PrimaryHDU(marked())))[:-2000], "."),
        (file_of(fits.PrimaryHDU()), "no image of two dimensions"),
        (file_of(fits.PrimaryHDU(np.zeros((2, 3, 4)))), "no image of two dimensions"),
        (gzip.compress(file_of(fits.PrimaryHDU(marked()))[:40_000]) + b"ab" * 99, "its gzip"),
        (b"SIMPLE  =                    T" + b" " * 5_000_000, "."),
        (b"<html>404</html>", "."),
        (b"", "."),
    ],
)
def test_a_hostile_file_has_no_picture_and_a_reason(content: bytes, said: str) -> None:
    """Whatever a header claims or a file lacks: one kind of error, with words."""
    with pytest.raises(NoPictureError, match=said):
        draw_picture(io.BytesIO(content), 160)


def test_a_file_of_many_hdus_is_not_read_to_its_end() -> None:
    """However many a file has: no more are looked at than may be drawn."""
    furthest = 0

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal furthest
            content = super().read(size)
            furthest = max(furthest, self.tell())
            return content

    content = file_of(fits.PrimaryHDU(marked()), *(fits.ImageHDU() for _ in range(300)))
    draw_picture(Watched(content), 160)
    assert 0 < furthest < len(content) / 2


# --- where pixels are on the sky -----------------------------------------------------------------


def wcs_header(
    projection: str, centre: tuple[float, float], turn: float, distortion: float
) -> fits.Header:
    """Make the WCS of a rotated image, off its middle, bent by so many pixels at the corners."""
    wcs = WCS(naxis=2)
    sip = "-SIP" if distortion else ""
    wcs.wcs.ctype = [f"RA---{projection}{sip}", f"DEC--{projection}{sip}"]
    wcs.wcs.crval = centre
    wcs.wcs.crpix = [700.3, 400.7]
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.cd = rotation @ np.diag([-SCALE, SCALE])
    header = wcs.to_header()
    if distortion:
        header.update({"A_ORDER": 3, "B_ORDER": 3, "A_2_0": distortion / 1000**2})
        header.update({"A_1_1": distortion / 2000**2, "B_0_3": distortion / 1000**3})
    return header


@settings(max_examples=12)
@given(
    projection=st.sampled_from(["TAN", "SIN", "ZEA", "CAR"]),
    centre=st.tuples(st.floats(0, 359.99), st.floats(-89.9, 89.9)),
    turn=st.floats(0, 360),
    distortion=st.sampled_from([0.0, 8.0]),
)
def test_the_grid_says_what_astropy_says(
    projection: str, centre: tuple[float, float], turn: float, distortion: float
) -> None:
    """Everywhere in a full-size image, at the poles and over right ascension 0: within a pixel."""
    centre = (centre[0], centre[1] / 3) if projection == "CAR" else centre
    header = wcs_header(projection, centre, turn, distortion)
    shape = (2103, 1162)
    grid = sky_grid(header, shape)
    assert grid is not None
    x = np.linspace(-0.5, shape[0] - 0.5, 23)
    y = np.linspace(-0.5, shape[1] - 0.5, 23)
    for place in zip(x, y[::-1], strict=True):
        truth = WCS(header).all_pix2world(*place, 0)
        found = grid.position(*place)
        assert separation(found, (float(truth[0]), float(truth[1]))) < SCALE


def test_a_plain_image_needs_four_nodes() -> None:
    """What a browser gets is small where nothing is bent."""
    grid = sky_grid(wcs_header("TAN", (10.0, 20.0), 33.0, 0.0), (2103, 1162))
    assert grid is not None
    assert len(grid.east) == 2
    assert sky_grid(fits.Header({"CTYPE1": "LINEAR"}), (10, 10)) is None
    assert sky_grid(wcs_header("AIT", (10.0, 20.0), 0.0, 0.0), (300_000, 300_000)) is None
