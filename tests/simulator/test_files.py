"""The simulated products are honest FITS and Avro files, the same for the same seed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastavro
import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import winter_sync
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Observatory, SimulatorOptions, demo_universe
from winter_sync.simulator.http.requests import separation
from winter_sync.simulator.observatory.frames import frame_of
from winter_sync.simulator.sky.starfield import stars_of

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


@pytest.mark.parametrize(("instrument", "image_type"), KINDS)
def test_images_lie_where_their_row_says(
    observatory: Observatory, instrument: Instrument, image_type: ImageType
) -> None:
    """Each image's TAN coordinates put its middle within a degree of the listed pointing."""
    product = one(observatory, instrument, image_type)
    entry = observatory.entry(*product.identity)
    row = observatory.row(entry, "any")
    for hdu in images(observatory.content(*product.identity)):
        wcs = WCS(hdu.header)
        assert list(wcs.wcs.ctype) == ["RA---TAN", "DEC--TAN"]
        rows, columns = hdu.data.shape
        middle = wcs.pixel_to_world_values((columns - 1) / 2, (rows - 1) / 2)
        away = separation((float(middle[0]), float(middle[1])), (row["ra"], row["dec"]))  # type: ignore[arg-type]
        assert away < 0.75


def test_boards_cover_different_sky(observatory: Observatory) -> None:
    """The six boards of an exposure do not lie on each other."""
    product = one(observatory, Instrument.WINTER, ImageType.EXPOSURE)
    middles = []
    for hdu in images(observatory.content(*product.identity)):
        rows, columns = hdu.data.shape
        east, north = WCS(hdu.header).pixel_to_world_values((columns - 1) / 2, (rows - 1) / 2)
        middles.append((float(east), float(north)))
    assert len(middles) == 6
    assert min(separation(a, b) for a, b in combinations(middles, 2)) > 0.3


def test_stars_are_where_the_coordinates_say() -> None:
    """The brightest star of a stack is at the place its catalogue and the header give it."""
    observatory = Observatory(demo_universe(), scale=0.2)
    found = 0
    for product in observatory.products(None, Instrument.WINTER, ImageType.STACK)[:5]:
        holding = observatory.entry(*product.identity).holding
        stars = stars_of(observatory.universe.seed, holding.visit.key, observatory.scale)
        (hdu,) = images(observatory.content(*product.identity))
        rows, columns = hdu.data.shape
        wcs = WCS(hdu.header)
        row, column = np.unravel_index(np.argmax(hdu.data), hdu.data.shape)
        # The inner part only: an edge star may be cut.
        if not (3 < row < rows - 3 and 3 < column < columns - 3):
            continue
        plane = wcs.wcs.cd @ (np.array([column + 1, row + 1]) - wcs.wcs.crpix)
        near = (
            np.hypot(stars.east - plane[0], stars.north - plane[1])
            < frame_of(Instrument.WINTER, holding.board, observatory.scale, 1.06).pixel
        )
        assert stars.peak[near].max() > 0.5 * hdu.data.max()
        found += 1
    assert found >= 3


def test_exposures_are_as_the_cameras_make_them(observatory: Observatory) -> None:
    """WINTER has a primary header and six boards of whole counts, SPRING one unsigned image."""
    winter = one(observatory, Instrument.WINTER, ImageType.EXPOSURE)
    with fits.open(io.BytesIO(observatory.content(*winter.identity))) as hdus:
        assert hdus[0].data is None
        assert [hdu.header["BOARD_ID"] for hdu in hdus[1:]] == [0, 1, 2, 3, 4, 5]
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
    board = list(images(observatory.content(*exposure.identity)))[holding.board or 0]
    masked = np.isnan(unpacked.data)
    assert 0 < masked.sum() < 0.1 * masked.size
    assert (unpacked.data[~masked] == board.data[~masked]).all()


@pytest.mark.parametrize("instrument", list(Instrument))
def test_avro_files_hold_alerts(observatory: Observatory, instrument: Instrument) -> None:
    """An Avro file is an uncompressed container of `winter.alert` with readable cutouts."""
    product = one(observatory, instrument, ImageType.AVRO)
    reader = fastavro.reader(io.BytesIO(observatory.content(*product.identity)))
    assert reader.codec == "null"
    assert json.loads(reader.metadata["avro.schema"])["name"] == "winter.alert"
    alerts: list[Any] = list(reader)
    assert len(alerts) >= 2
    row = observatory.row(observatory.entry(*product.identity), "any")
    for alert in alerts:
        candidate = alert["candidate"]
        place = candidate["ra"], candidate["dec"]
        assert separation(place, (row["ra"], row["dec"])) < 1.0  # type: ignore[arg-type]
        assert candidate["candid"] == alert["candid"]
        assert candidate["ndethist"] == 1 + len(alert["prv_candidates"] or [])
        for name in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
            # No moment in the gzip header: the content must not depend on it.
            assert alert[name][4:8] == bytes(4)
            (cutout,) = images(gzip.decompress(alert[name]))
            assert np.isfinite(cutout.data).all()
    assert len({alert["candid"] for alert in alerts}) == len(alerts)


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
    assert 1 <= megabytes[ImageType.AVRO] <= 20


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
