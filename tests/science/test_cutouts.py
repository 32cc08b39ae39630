"""Cutouts, with astropy on the whole image as the judge."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from winter_sync.core.sphere import separation
from winter_sync.science.cutouts import Cutout, NoCutoutError, cut_out

WIDTH, HEIGHT = 120, 90
SCALE = 1.13 / 3600
SIZE = 21 * SCALE


def wcs_of(center: tuple[float, float], turn: float, *, mirrored: bool = False) -> WCS:
    """Make the WCS of a rotated image; mirrored ones have east on the other side."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = center
    wcs.wcs.crpix = [WIDTH / 2 + 3.3, HEIGHT / 2 - 1.7]
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs.wcs.cd = rotation @ np.diag([SCALE if mirrored else -SCALE, SCALE])
    return wcs


def pixels(dtype: str = "f4") -> np.ndarray[Any, Any]:
    """Make an image of which no two pixels are the same."""
    return np.arange(WIDTH * HEIGHT, dtype=dtype).reshape(HEIGHT, WIDTH)


def file_of(*hdus: fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU) -> bytes:
    """Return the bytes of a FITS file."""
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def cut(
    content: bytes, position: tuple[float, float], extension: int = 0, size: float = SIZE
) -> Cutout:
    """Cut out of a file, write the cutout and read it again."""
    made = cut_out(io.BytesIO(content), extension, position, size)
    written = io.BytesIO()
    made.hdu.writeto(written)
    (hdu,) = fits.open(io.BytesIO(written.getvalue()))
    np.testing.assert_array_equal(hdu.data, made.data)
    return Cutout(hdu.data, hdu.header, made.corner)


@st.composite
def places(draw: st.DrawFn) -> tuple[WCS, float, float]:
    """Draw an image anywhere, of any orientation, and a pixel of it, from 0, also at its edges."""
    center = draw(st.floats(0, 360, exclude_max=True)), draw(st.floats(-90, 90))
    wcs = wcs_of(center, draw(st.floats(0, 360)), mirrored=draw(st.booleans()))
    x, y = draw(st.floats(-0.49, WIDTH - 0.51)), draw(st.floats(-0.49, HEIGHT - 0.51))
    # Between two pixels either may be the nearest: rounding decides.
    assume(abs(x % 1 - 0.5) > 1e-6)
    assume(abs(y % 1 - 0.5) > 1e-6)
    return wcs, x, y


def assert_right(wcs: WCS, made: Cutout, x: float, y: float) -> None:
    """Assert that a cutout around a pixel shows the sky where the whole image shows it."""
    ra, dec = (float(value) for value in wcs.all_pix2world(x, y, 0))
    judge = Cutout2D(pixels(), (x, y), (21, 21), wcs=wcs, mode="partial", fill_value=np.nan)
    np.testing.assert_array_equal(made.data, judge.data)
    assert made.corner == tuple(judge._origin_original_true)
    across, up = (float(value) for value in made.wcs.all_world2pix(ra, dec, 0))
    assert abs(across - 10) <= 0.5 + 1e-6
    assert abs(up - 10) <= 0.5 + 1e-6
    for row, column in np.argwhere(np.isfinite(made.data))[::37]:
        original_y, original_x = divmod(int(made.data[row, column]), WIDTH)
        there = tuple(float(v) for v in made.wcs.all_pix2world(column, row, 0))
        whole = tuple(float(v) for v in wcs.all_pix2world(original_x, original_y, 0))
        assert separation((there[0], there[1]), (whole[0], whole[1])) < 0.001 * SCALE


@given(places())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_pixel_is_where_the_whole_image_has_it(place: tuple[WCS, float, float]) -> None:
    """To a thousandth of a pixel: rotated, mirrored, at the edges, at the poles, over RA 0."""
    wcs, x, y = place
    ra, dec = (float(value) for value in wcs.all_pix2world(x, y, 0))
    made = cut(file_of(fits.PrimaryHDU(pixels(), wcs.to_header())), (ra, dec))
    assert_right(wcs, made, x, y)


@pytest.mark.parametrize(
    ("center", "turn"),
    [((0.0, 10.0), 0.0), ((359.999, -5.0), 33.0), ((120.0, 90.0), 250.0), ((10.0, -89.999), 5.0)],
)
def test_a_cutout_at_a_difficult_place(center: tuple[float, float], turn: float) -> None:
    """On right ascension 0 and on the poles themselves."""
    wcs = wcs_of(center, turn)
    x, y = (float(value) for value in wcs.all_world2pix(*center, 0))
    made = cut(file_of(fits.PrimaryHDU(pixels(), wcs.to_header())), center)
    assert_right(wcs, made, x, y)


def test_distortion_is_kept() -> None:
    """The polynomials of SIP count from the reference pixel, which moves with the cutout."""
    wcs = wcs_of((150.0, 17.0), 12.0)
    header = wcs.to_header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header.update({"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 3e-4, "B_0_2": -2e-4, "B_1_1": 1e-4})
    distorted = WCS(header)
    made = cut(
        file_of(fits.PrimaryHDU(pixels(), header)),
        tuple(float(v) for v in distorted.all_pix2world(100.0, 80.0, 0)),  # type: ignore[arg-type]
    )
    assert_right(distorted, made, 100.0, 80.0)


def test_a_board_of_an_exposure_is_cut_out() -> None:
    """Of its own HDU, with its own WCS, and the cards of the primary one that hold for it."""
    boards = [wcs_of((10.0, 20.0), 0.0), wcs_of((11.0, 20.0), 90.0)]
    primary = fits.PrimaryHDU()
    primary.header.update({"TARGNAME": "SN2024wex", "AIRMASS": 1.2, "CRVAL1": 99.0, "CD1_1": 7.0})
    images = [fits.ImageHDU(pixels(), wcs.to_header()) for wcs in boards]
    images[1].header["BOARD_ID"] = 2
    made = cut(file_of(primary, *images), (11.0, 20.0), extension=2)
    x, y = (float(value) for value in boards[1].all_world2pix(11.0, 20.0, 0))
    assert_right(boards[1], made, x, y)
    assert (made.header["TARGNAME"], made.header["BOARD_ID"]) == ("SN2024wex", 2)
    assert "CD1_1" not in made.header


@pytest.mark.parametrize("kind", ["gzip", "tiles", "scaled", "u2", "i2", "i4", "f8"])
def test_an_image_is_cut_out_however_it_is_stored(kind: str) -> None:
    """Compressed as a whole or in tiles, as integers, scaled: the numbers are the same."""
    wcs = wcs_of((150.0, 17.0), 30.0)
    x, y = 60.2, 2.7
    position = tuple(float(v) for v in wcs.all_pix2world(x, y, 0))
    image = fits.PrimaryHDU(pixels(kind if kind[0] in "uif" else "f4"), wcs.to_header())
    content, extension = file_of(image), 0
    if kind == "gzip":
        content = gzip.compress(content)
    if kind == "tiles":
        tiled = fits.CompImageHDU(pixels("i4"), wcs.to_header(), compression_type="RICE_1")
        content, extension = file_of(fits.PrimaryHDU(), tiled), 1
    if kind == "scaled":
        scaled = fits.PrimaryHDU(pixels(), wcs.to_header())
        scaled.scale("int16", bzero=5000, bscale=0.5)
        content = file_of(scaled)
    made = cut(content, (position[0], position[1]), extension)
    judge = Cutout2D(pixels(), (x, y), (21, 21), mode="partial", fill_value=np.nan)
    np.testing.assert_allclose(made.data, judge.data, atol=0.5 if kind == "scaled" else 0)


def test_only_the_rows_that_are_needed_are_read() -> None:
    """A cutout of a large file reads its header and some rows."""

    class Counting(io.BytesIO):
        read_bytes = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.read_bytes += len(data)
            return data

    wcs = wcs_of((150.0, 17.0), 0.0)
    image = fits.PrimaryHDU(np.zeros((4000, 2000), "f4"), wcs.to_header())
    file = Counting(file_of(image))
    cut_out(file, 0, (150.0, 17.0), SIZE)
    assert file.read_bytes < 100_000


def test_cards_of_the_image_are_kept_but_for_those_of_its_structure() -> None:
    """What observers, pipelines and commentators wrote stays; sums and limits of all pixels go."""
    header = wcs_of((150.0, 17.0), 0.0).to_header()
    header.update(
        {"MAGLIM": 19.8, "DATASUM": "123", "CHECKSUM": "abc", "LTV1": 0.0, "DATAMAX": 5.0}
    )
    header["HIERARCH ZP_AUTO_STD"] = 0.02
    header["HISTORY"] = "flat-fielded"
    header["HISTORY"] = "stacked"
    made = cut(file_of(fits.PrimaryHDU(pixels(), header)), (150.0, 17.0))
    assert (made.header["MAGLIM"], made.header["ZP_AUTO_STD"]) == (19.8, 0.02)
    assert list(made.header["HISTORY"]) == ["flat-fielded", "stacked"]
    assert not {"DATASUM", "CHECKSUM", "DATAMAX"} & set(made.header)
    assert made.header["LTV1"] == made.header["CRPIX1"] - header["CRPIX1"]


def test_a_card_that_cannot_be_read_is_left_out() -> None:
    """It costs nothing else."""
    header = wcs_of((150.0, 17.0), 0.0).to_header()
    header.update({"SCORMEAN": 1.5, "MAGLIM": 19.8})
    right, odd = f"SCORMEAN= {1.5:20}".encode(), b"SCORMEAN= 1.5.5 'null".ljust(30)
    content = file_of(fits.PrimaryHDU(pixels(), header))
    assert content.count(right) == 1
    made = cut(content.replace(right, odd), (150.0, 17.0))
    assert "MAGLIM" in made.header
    assert made.data[10, 10] > 0


def without_wcs() -> bytes:
    """Return an image that says nothing of the sky."""
    return file_of(fits.PrimaryHDU(pixels()))


def with_tables() -> bytes:
    """Return an image whose distortion stands in a table."""
    header = wcs_of((150.0, 17.0), 0.0).to_header()
    header["CPDIS1"] = "LOOKUP"
    return file_of(fits.PrimaryHDU(pixels(), header))


def cut_short() -> bytes:
    """Return an image that ends too early."""
    return file_of(fits.PrimaryHDU(pixels(), wcs_of((150.0, 17.0), 0.0).to_header()))[:8000]


def elsewhere() -> bytes:
    """Return an image of another part of the sky."""
    return file_of(fits.PrimaryHDU(pixels(), wcs_of((330.0, -17.0), 0.0).to_header()))


@pytest.mark.parametrize(
    ("content", "extension", "reason"),
    [
        (without_wcs(), 0, "no WCS of the sky"),
        (with_tables(), 0, "tables of distortion"),
        (file_of(fits.PrimaryHDU()), 0, "no image of two dimensions"),
        (without_wcs(), 3, "no HDU 3"),
        (elsewhere(), 0, "the position is not in the image"),
        (cut_short(), 0, "it is not the FITS image|it cannot be read"),
        (b"not FITS" * 1000, 0, "it cannot be read"),
        (gzip.compress(elsewhere())[:300], 0, "it cannot be read"),
        (b"", 0, "it cannot be read"),
    ],
)
def test_what_cannot_be_cut_out_is_refused_with_a_reason(
    content: bytes, extension: int, reason: str
) -> None:
    """Whatever the file is, the error is the same kind and says why."""
    with pytest.raises(NoCutoutError, match=reason):
        cut_out(io.BytesIO(content), extension, (150.0, 17.0), SIZE)


def test_a_cutout_larger_than_any_image_is_refused() -> None:
    """Before memory for it is taken."""
    with pytest.raises(NoCutoutError, match="more than a cutout may have"):
        cut_out(io.BytesIO(elsewhere()), 0, (330.0, -17.0), 20.0)


def with_late_cards(*cards: str) -> bytes:
    """Return an image with cards behind as many as are read to find its footprint."""
    header = wcs_of((150.0, 20.0), 0.0).to_header()
    for _ in range(7200):
        header.append(("COMMENT", "filler"), end=True)
    plain = file_of(fits.PrimaryHDU(pixels(), header))
    end = plain.index(b"END".ljust(80))
    text = plain[:end] + b"".join(card.encode().ljust(80) for card in cards) + b"END".ljust(80)
    data = plain[-(-len(plain[: end + 80]) // 2880) * 2880 :]
    return text + b" " * (-len(text) % 2880) + data


def in_one_tile() -> bytes:
    """Return an image whose only tile has more pixels than any memory."""
    hdu = fits.CompImageHDU(pixels(), wcs_of((150.0, 20.0), 0.0).to_header(), tile_shape=(90, 120))
    content = file_of(fits.PrimaryHDU(), hdu)
    for axis in (1, 2):
        for key in (f"ZNAXIS{axis}", f"ZTILE{axis}"):
            old = content[content.index(f"{key:8}=".encode()) :][:80]
            content = content.replace(old, f"{key:8}= {10**6:20}".ljust(80).encode())
    return content


PARAMETERS = [f"{f'PV{axis}_{number}':8}= 1.0" for axis in range(1, 10) for number in range(100)]


@pytest.mark.parametrize(
    ("content", "extension"),
    [
        (with_late_cards(*PARAMETERS * 7), 0),
        (with_late_cards("A_ORDER = 30000", "B_ORDER = 30000"), 0),
        (in_one_tile(), 1),
    ],
    ids=["parameters", "order", "tile"],
)
def test_a_hostile_header_costs_no_more_than_its_cutout(content: bytes, extension: int) -> None:
    """What no footprint was made of is not given to libraries that would end this process."""
    with pytest.raises(NoCutoutError):
        cut_out(io.BytesIO(content), extension, (150.0, 20.0), SIZE)


def test_cards_of_other_axes_never_reach_the_wcs_of_a_cutout() -> None:
    """The primary header's own distortion and axes are no part of a cutout of an extension."""
    primary = fits.PrimaryHDU()
    primary.header.update({"CPDIS1": "TPD", "PV9_99": 1.0, "CRVAL77": 1.0, "OBSERVER": "me"})
    image = fits.ImageHDU(pixels(), wcs_of((150.0, 20.0), 0.0).to_header())
    made = cut_out(io.BytesIO(file_of(primary, image)), 1, (150.0, 20.0), SIZE)
    assert made.header["OBSERVER"] == "me"
    assert not {"CPDIS1", "PV9_99", "CRVAL77"} & set(made.header)
    assert made.wcs.has_celestial
