"""Alerts and light curves in Python."""

from __future__ import annotations

import gzip
import io
import re
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from PIL import Image
from support.alerts import CUTOUT_NAMES, JD, alert_file, mirror_of, record
from support.makers import NIGHT, PROGRAM

from winter_sync import Mirror
from winter_sync.api import Alerts, save_cutouts
from winter_sync.core.alerts import instant_of_jd
from winter_sync.core.errors import UsageError
from winter_sync.core.queries import Cone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = [record(0, rb=0.25), record(1, ra=10.0, dec=-60.0)]
SECOND = [record(26, jd=JD + 1, magpsf=16.5), record(3, objectid="odd/../name", fid=77)]
"""The first of them is another detection of the first object."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a mirror of two files of alerts."""
    return mirror_of(tmp_path / "winter", alert_file(FIRST), alert_file(SECOND))


@pytest.fixture
def mirror(root: Path) -> Iterator[Mirror]:
    """Return that mirror, open."""
    with Mirror.open(root) as mirror:
        yield mirror


def test_a_light_curve_has_the_detections_of_an_object(mirror: Mirror) -> None:
    """From the oldest, whatever files they are in."""
    curve = mirror.light_curve("WNTR24aaaaa")
    assert [alert.magpsf for alert in curve] == [17.5, 16.5]
    assert [alert.time for alert in curve] == [instant_of_jd(JD), instant_of_jd(JD + 1)]
    assert len(set(curve.paths)) == 2
    assert repr(curve) == "<2 alerts of 1 object>"


def test_questions_are_put_as_people_write_them(mirror: Mirror) -> None:
    """Cones as text, tuples or our own; times as text or datetimes; one name or several."""
    for cone in (
        "150.96 17.83,1s",
        (150.96, 17.83, 0.001),
        (SkyCoord(150.96, 17.83, unit="deg"), 0.001),
        Cone(150.96, 17.83, 0.001),
    ):
        assert [alert.candid for alert in mirror.alerts(cone=cone)] == [1000, 1003, 1026]
    later = instant_of_jd(JD) + timedelta(hours=1)
    for since in (later, later.isoformat(), later.replace(tzinfo=None)):
        assert [alert.candid for alert in mirror.alerts(since=since)] == [1026]
    assert len(mirror.alerts(until="2024-02-26", since=datetime(2024, 1, 1, tzinfo=UTC))) == 0
    assert len(mirror.alerts(program=PROGRAM, night=str(NIGHT))) == 4
    assert len(mirror.alerts(program=[PROGRAM], target="sn2024wex", night=[NIGHT])) == 4
    assert len(mirror.alerts(min_rb=0.5, limit=2)) == 2


@pytest.mark.parametrize(
    "question",
    [
        {"cone": "here"},
        {"since": "soon"},
        {"night": "20241399"},
        {"limit": 0},
        {"program": "2025B000"},
        {"target": "M31"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    mirror: Mirror, question: dict[str, object]
) -> None:
    """With an example of how to write it."""
    with pytest.raises(UsageError) as refused:
        mirror.alerts(**question)  # type: ignore[arg-type] # what the test is about
    assert refused.value.remedy


def test_a_table_has_units_and_masks(mirror: Mirror) -> None:
    """Positions in degrees, magnitudes in mag; what is null is masked."""
    table = mirror.alerts().table()
    assert table["ra"].unit == u.deg
    assert table["magpsf"].unit == u.mag
    assert list(table["candid"]) == [1000, 1001, 1003, 1026]
    assert table["separation"].mask.all()
    assert str(table["filter"][2]) == "77"
    nearest = mirror.alerts(cone="150.96 17.83,1d").table()
    assert np.allclose(nearest["separation"].to_value(u.arcsec), 0, atol=1e-6)


def test_a_part_of_an_answer_is_an_answer(mirror: Mirror) -> None:
    """A slice has a table, too."""
    part = mirror.alerts()[1:3]
    assert isinstance(part, Alerts)
    assert len(part.table()) == 2
    position = mirror.alerts()[0].position
    assert position is not None
    assert position.ra.deg == pytest.approx(150.96)


def test_cutouts_are_saved_as_the_fits_files_that_they_are(mirror: Mirror, tmp_path: Path) -> None:
    """One of each, named after object and detection; names are safe whatever the record says."""
    directory = tmp_path / "new" / "cutouts"
    saved = [path for alert in mirror.alerts() for path in save_cutouts(alert, directory)]
    assert len(saved) == len(set(saved)) == 12
    assert {path.parent for path in saved} == {directory}
    assert any(
        re.fullmatch("odd____name_1003_[0-9a-f]{8}_science.fits", path.name) for path in saved
    )
    for name in CUTOUT_NAMES:
        path = directory / f"WNTR24aaaaa_1026_{name.removeprefix('cutout_')}.fits"
        with fits.open(path) as found, _expected(name) as expected:
            assert (found[0].data == expected[0].data).all()


def _expected(name: str) -> fits.HDUList:
    return fits.open(io.BytesIO(gzip.decompress(SECOND[0][name])))


def test_cutouts_are_drawn_as_one_picture(mirror: Mirror, tmp_path: Path) -> None:
    """Three panels side by side."""
    (path,) = save_cutouts(mirror.alerts()[0], tmp_path, png=True)
    assert path.name == "WNTR24aaaaa_1000.png"
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width > 3 * 150 > picture.height


def test_a_file_that_is_gone_or_other_than_it_was_is_told(mirror: Mirror, root: Path) -> None:
    """The alert is still known; its cutouts are not to be had."""
    first, second = mirror.alerts()[0], mirror.light_curve("WNTR24aaaaa")[1]
    first.path.unlink()
    second.path.write_bytes(alert_file([record(9)]))
    for alert, what in ((first, "is not on this machine"), (second, "has no alert 1026")):
        with pytest.raises(UsageError, match=what) as told:
            alert.cutouts()
        assert "winter-sync" in told.value.remedy
    assert len(mirror.alerts()) == 4
    assert root.is_dir()


def test_hostile_names_are_files_of_their_own(tmp_path: Path) -> None:
    """Names that differ in what no file name has, are long, or look like options."""
    names = ["a/b", "a_b", "a\x1bb", "\xe9" * 90, "\xe9" * 89, "-rf", ""]
    records = [record(number, objectid=name, candid=7) for number, name in enumerate(names)]
    root = mirror_of(tmp_path / "winter", alert_file(records))
    with Mirror.open(root) as mirror:
        saved = [
            path for alert in mirror.alerts() for path in save_cutouts(alert, tmp_path / "new")
        ]
    assert len(set(saved)) == len(saved) == 3 * len(names)
    assert {path.parent for path in saved} == {tmp_path / "new"}
    assert not [path for path in saved if path.name.startswith("-") or len(path.name) > 200]
    assert all(path.name.isascii() and path.name.isprintable() for path in saved)


def tile_of(pixels: int) -> bytes:
    """Return a FITS file of some kilobytes whose one compressed tile says it has so many pixels."""
    cards = {
        "ZIMAGE": True,
        "ZCMPTYPE": "GZIP_1",
        "ZBITPIX": -32,
        "ZNAXIS": 2,
        "ZNAXIS1": pixels,
        "ZNAXIS2": pixels,
        "ZTILE1": pixels,
        "ZTILE2": pixels,
    }
    packed = np.frombuffer(gzip.compress(bytes(4 * pixels * pixels)), "u1")
    column = fits.Column("COMPRESSED_DATA", f"1PB({len(packed)})", array=[packed])
    table = fits.BinTableHDU.from_columns([column], fits.Header(cards))
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        tile_of(5000),
        b"SIMPLE  =                    T".ljust(2880),
        fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 2, "NAXIS1": 9**9, "NAXIS2": 9**9})
        .tostring()
        .encode(),
    ],
    ids=["tile", "no header", "no pixels"],
)
def test_a_hostile_cutout_is_left_out_of_the_picture(content: bytes, tmp_path: Path) -> None:
    """It takes no memory, and the others are drawn."""
    records = [record() | {"cutout_science": gzip.compress(content)}]
    root = mirror_of(tmp_path / "winter", alert_file(records))
    with Mirror.open(root) as mirror:
        tracemalloc.start()
        (path,) = save_cutouts(mirror.alerts()[0], tmp_path, png=True)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 50_000_000
    with Image.open(path) as picture:
        assert 2 * 150 < picture.width < 3 * 150


def test_numbers_at_the_end_of_their_range_are_written(tmp_path: Path) -> None:
    """The least whole number of 64 bits stands for null in FITS tables, so it is unknown here."""
    records = [record(0, candid=-(2**63)), record(1, candid=-(2**63) + 1)]
    root = mirror_of(tmp_path / "winter", alert_file(records))
    with Mirror.open(root) as mirror:
        table = mirror.alerts().table()
    assert list(table["candid"].filled(0)) == [0, -(2**63) + 1]
