"""The simulated products are honest FITS and Avro files, the same for the same seed."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import warnings
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning

import winter_sync
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Observatory, SimulatorOptions, demo_universe
from winter_sync.simulator.http.requests import separation
from winter_sync.simulator.observatory.scene import stars_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.core.products import Product

CHECKOUT = Path(winter_sync.__file__).parent.parent
FITS_TYPES = [each for each in ImageType if each is not ImageType.AVRO]
KINDS = [(instrument, each) for instrument in Instrument for each in FITS_TYPES]


def one(observatory: Observatory, instrument: Instrument, image_type: ImageType) -> Product:
    """Return some product of a kind."""
    return observatory.products(None, instrument, image_type)[0]


def images(content: bytes) -> Iterator[Any]:
    """Return the HDUs that hold an image."""
    with fits.open(io.BytesIO(content)) as hdus:
        hdus.verify("exception")
        yield from (hdu for hdu in hdus if hdu.data is not None)


@pytest.mark.parametrize(("instrument", "image_type"), KINDS)
def test_fits_files_are_whole(
    observatory: Observatory, instrument: Instrument, image_type: ImageType
) -> None:
    """Each file passes astropy's verification, fills its blocks and has no CHECKSUM."""
    product = one(observatory, instrument, image_type)
    content = observatory.content(*product.identity)
    assert len(content) % 2880 == 0
    with fits.open(io.BytesIO(content)) as hdus:
        hdus.verify("exception")
        last = hdus[-1]
        assert last.fileinfo()["datLoc"] + last.fileinfo()["datSpan"] == len(content)
        assert not any("CHECKSUM" in hdu.header for hdu in hdus)
        primary = hdus[0].header
    assert primary["PROGNAME"] in ("2024A000", "2025B001")
    assert primary["INSTRUME"] == instrument.upper()
    assert primary["DATE-OBS"].replace("-", "")[:8] in product.filename


def wcs_of(hdu: Any) -> Any:  # noqa: ANN401 - astropy has no types
    """Return an image's coordinates; astropy may complete its dates, which is no concern here."""
    with warnings.catch_warnings(action="ignore", category=FITSFixedWarning):
        return WCS(hdu.header)


def middle_of(hdu: Any) -> tuple[float, float]:  # noqa: ANN401 - astropy has no types
    """Return where the middle of an image is on the sky, degrees."""
    rows, columns = hdu.data.shape
    ra, dec = wcs_of(hdu).pixel_to_world_values((columns - 1) / 2, (rows - 1) / 2)
    return float(ra), float(dec)


def listed_place(observatory: Observatory, product: Product) -> tuple[float, float]:
    """Return the position in a product's row, degrees."""
    row = observatory.row(observatory.entry(*product.identity), "any")
    return row["ra"], row["dec"]  # type: ignore[return-value] # numbers


@pytest.mark.parametrize(("instrument", "image_type"), KINDS)
def test_images_lie_around_the_position_of_their_row(
    observatory: Observatory, instrument: Instrument, image_type: ImageType
) -> None:
    """Each image has TAN coordinates, and its middle is within a field of the listed position."""
    product = one(observatory, instrument, image_type)
    for hdu in images(observatory.content(*product.identity)):
        assert list(wcs_of(hdu).wcs.ctype) == ["RA---TAN", "DEC--TAN"]
        assert separation(middle_of(hdu), listed_place(observatory, product)) < 0.6


@pytest.mark.parametrize("instrument", list(Instrument))
@pytest.mark.parametrize("image_type", [ImageType.STACK, ImageType.DIFF])
def test_stacks_are_listed_at_their_own_centre(
    observatory: Observatory, instrument: Instrument, image_type: ImageType
) -> None:
    """The row of a stack and of its difference carries CRVAL, which is the image's middle."""
    for product in observatory.products(None, instrument, image_type):
        (hdu,) = images(observatory.content(*product.identity))
        listed = listed_place(observatory, product)
        assert (hdu.header["CRVAL1"], hdu.header["CRVAL2"]) == listed
        assert separation(middle_of(hdu), listed) < 1e-9


def test_boards_are_half_a_degree_from_their_row(observatory: Observatory) -> None:
    """The rows of one exposure's raw images carry its pointing; the boards are elsewhere."""
    exposure = one(observatory, Instrument.WINTER, ImageType.EXPOSURE)
    start = observatory.entry(*exposure.identity).holding.dither.start
    raws = [
        entry.product
        for entry in observatory.entries(None, Instrument.WINTER, ImageType.RAW)
        if entry.holding.dither.start == start
    ]
    assert len(raws) == 6
    distances = []
    for raw in raws:
        assert listed_place(observatory, raw) == listed_place(observatory, exposure)
        (hdu,) = images(observatory.content(*raw.identity))
        distances.append(separation(middle_of(hdu), listed_place(observatory, raw)))
    assert min(distances) > 0.3
    assert 0.45 < max(distances) < 0.5


def test_boards_cover_different_sky(observatory: Observatory) -> None:
    """The six boards of an exposure do not lie on each other."""
    product = one(observatory, Instrument.WINTER, ImageType.EXPOSURE)
    middles = [middle_of(hdu) for hdu in images(observatory.content(*product.identity))]
    assert len(middles) == 6
    assert min(separation(a, b) for a, b in combinations(middles, 2)) > 0.3


@pytest.mark.parametrize(
    ("instrument", "arcseconds", "shape"),
    [(Instrument.WINTER, 1.13, (1096, 1984)), (Instrument.SPRING, 0.411, (1024, 1280))],
)
@pytest.mark.parametrize("scale", [1 / 64, 0.25, 1.0])
def test_small_images_show_the_same_sky(
    instrument: Instrument, arcseconds: float, shape: tuple[int, int], scale: float
) -> None:
    """Whatever the scale, a raw image covers what the real detector covers."""
    observatory = Observatory(demo_universe(), scale=scale)
    (hdu,) = images(observatory.content(*one(observatory, instrument, ImageType.RAW).identity))
    pixel = abs(hdu.header["CD2_1"] + hdu.header["CD2_2"]) * 3600
    width, height = (hdu.header[axis] * pixel for axis in ("NAXIS1", "NAXIS2"))
    assert width == pytest.approx(shape[1] * arcseconds)
    assert height == pytest.approx(shape[0] * arcseconds, abs=pixel / 2)


@pytest.mark.parametrize("instrument", list(Instrument))
def test_stars_are_where_the_coordinates_say(instrument: Instrument) -> None:
    """The brightest pixel of each stack is on a bright star, by astropy's reading of the WCS."""
    observatory = Observatory(demo_universe(), scale=0.2)
    found = 0
    for product in observatory.products(None, instrument, ImageType.STACK)[:8]:
        holding = observatory.entry(*product.identity).holding
        (hdu,) = images(observatory.content(*product.identity))
        pixel = hdu.header["CD2_2"]
        stars = stars_of(observatory.universe.seed, holding.visit, observatory.scale, pixel)
        rows, columns = hdu.data.shape
        row, column = np.unravel_index(np.argmax(hdu.data), hdu.data.shape)
        # The inner part only: an edge star may be cut.
        if not (3 < row < rows - 3 and 3 < column < columns - 3):
            continue
        x, y = wcs_of(hdu).world_to_pixel_values(stars.ra, stars.dec)
        near = np.hypot(x - column, y - row) < 0.75
        assert stars.peak[near].max() > 0.5 * hdu.data.max()
        found += 1
    assert found >= 3


@pytest.mark.parametrize("instrument", list(Instrument))
@pytest.mark.parametrize(
    "image_type", [ImageType.RAW, ImageType.SCIENCE, ImageType.STACK, ImageType.DIFF]
)
def test_the_target_is_at_its_own_position(instrument: Instrument, image_type: ImageType) -> None:
    """Where TARGRA and TARGDEC say, there is a source: on one board, and not at the pointing."""
    observatory = Observatory(demo_universe(), scale=0.2)
    seen = 0
    for entry in observatory.entries(None, instrument, image_type):
        if entry.holding.board not in (0, 2) or entry.target is None:
            continue
        (hdu,) = images(observatory.content(*entry.product.identity))
        place = hdu.header["TARGRA"], hdu.header["TARGDEC"]
        x, y = (round(float(value)) for value in wcs_of(hdu).world_to_pixel_values(*place))
        around = hdu.data[y - 1 : y + 2, x - 1 : x + 2]
        assert np.nanmax(around) > np.nanmedian(hdu.data) + 90
        pointing = hdu.header["RADEG"], hdu.header["DECDEG"]
        assert (separation(place, pointing) > 0.3) == (instrument is Instrument.WINTER)
        seen += 1
        if seen == 6:
            break
    assert seen >= 1


def test_exposures_are_as_the_cameras_make_them(observatory: Observatory) -> None:
    """WINTER has a primary header and six boards of whole counts, SPRING one unsigned image."""
    winter = one(observatory, Instrument.WINTER, ImageType.EXPOSURE)
    with fits.open(io.BytesIO(observatory.content(*winter.identity))) as hdus:
        assert hdus[0].data is None
        assert [hdu.header["BOARD_ID"] for hdu in hdus[1:]] == [1, 2, 3, 4, 5, 6]
        assert all(hdu.data.dtype == np.dtype(">f4") for hdu in hdus[1:])
        assert all((hdu.data == np.rint(hdu.data)).all() for hdu in hdus[1:])
    spring = one(observatory, Instrument.SPRING, ImageType.EXPOSURE)
    (image,) = images(observatory.content(*spring.identity))
    assert image.data.dtype == np.uint16


def test_raw_images_are_the_boards_of_their_exposure(observatory: Observatory) -> None:
    """A raw image is a board of the exposure with its bad pixels masked out."""
    raw = one(observatory, Instrument.WINTER, ImageType.RAW)
    holding = observatory.entry(*raw.identity).holding
    (unpacked,) = images(observatory.content(*raw.identity))
    exposure = next(
        entry.product
        for entry in observatory.entries(None, Instrument.WINTER, ImageType.EXPOSURE)
        if entry.holding.dither == holding.dither
    )
    boards = images(observatory.content(*exposure.identity))
    board = next(hdu for hdu in boards if hdu.header["BOARD_ID"] == holding.board)
    masked = np.isnan(unpacked.data)
    assert 0 < masked.sum() < 0.1 * masked.size
    assert (unpacked.data[~masked] == board.data[~masked]).all()


def test_real_sizes() -> None:
    """At full scale the products have the documented sizes (winter-api.md, "Products")."""
    observatory = Observatory(demo_universe(), scale=1.0)
    megabytes = {
        each: len(observatory.content(*one(observatory, Instrument.WINTER, each).identity)) / 1e6
        for each in ImageType
    }
    assert 52 <= megabytes[ImageType.EXPOSURE] < 53
    assert 17 <= megabytes[ImageType.RAW] < 18
    assert 17 <= megabytes[ImageType.SCIENCE] < 18
    assert 9 <= megabytes[ImageType.STACK] <= 11
    assert 9 <= megabytes[ImageType.DIFF] <= 22
    assert 0.9 <= megabytes[ImageType.AVRO] <= 20


def test_a_new_revision_is_another_content(observatory: Observatory) -> None:
    """What the pipeline makes anew differs, what it was made from does not."""
    for image_type in ImageType:
        product = one(observatory, Instrument.WINTER, image_type)
        before = observatory.content(*product.identity)
        assert observatory.content(*product.identity) == before
        observatory.rerun(product)
        after = observatory.content(*product.identity)
        if image_type is not ImageType.EXPOSURE:
            assert after != before
        assert observatory.content(*product.identity, 0) == before


def test_contents_depend_on_the_seed_alone() -> None:
    """Two processes make the same bytes of one seed, and others of another."""
    digests = [digests_in_a_process(seed) for seed in (1, 1, 2)]
    assert digests[0] == digests[1]
    assert not set(digests[0]) & set(digests[2])


def digests_in_a_process(seed: int) -> list[str]:
    """Return the digests of some products of every type, made in a fresh interpreter."""
    code = f"""
import json
from winter_sync.simulator import Observatory, demo_universe
observatory = Observatory(demo_universe(seed={seed}))
products = observatory.products()[::7]
print(json.dumps([observatory.digest(*each.identity).sha256 for each in products]))
"""
    told = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    digests: list[str] = json.loads(told.stdout)
    assert len(digests) > 20
    return digests


def test_digest_is_that_of_the_content(observatory: Observatory) -> None:
    """The manifest's digest is the SHA-256 of the bytes served, revision by revision."""
    product = one(observatory, Instrument.SPRING, ImageType.STACK)
    for _ in range(2):
        content = observatory.content(*product.identity)
        digest = observatory.digest(*product.identity)
        assert digest.size == len(content)
        assert digest.sha256 == hashlib.sha256(content).hexdigest()
        observatory.rerun(product)


def test_options_build_what_they_say() -> None:
    """The command line's options reach the observatory."""
    options = SimulatorOptions(seed=5, programs=("2026A007",), products_a_night=40, scale=0.02)
    observatory = options.observatory()
    assert observatory.universe.seed == 5
    assert observatory.scale == 0.02
    assert [record.name for record in observatory.accounts.programs] == ["2026A007"]
