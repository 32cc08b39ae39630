"""Products as ObsCore rows: what the standard demands, and what our files are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io.votable.ucd import check_ucd
from astropy.time import Time
from astropy.units import Unit
from hypothesis import given
from hypothesis import strategies as some
from support.makers import product

from winter_sync.core.datasets import Dataset
from winter_sync.core.facts import Facts
from winter_sync.core.sphere import Footprint, separation
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.science import MANDATORY_COLUMNS, OBSCORE_COLUMNS, Kind, describe

# Corners from north over west: the other way round than a polygon is written.
FOOTPRINT = Footprint(((151.0, 18.0), (150.0, 18.0), (150.0, 17.0), (151.0, 17.0)))
OTHER = Footprint(((152.0, 17.0), (153.0, 17.0), (153.0, 18.0), (152.0, 18.0)), extension=2)
ROOT = Path("/m ü")
STARTED = datetime(2024, 2, 12, 12, 0, tzinfo=UTC)
FACTS = Facts(
    started_at=STARTED,
    filter="J",
    exposure_time=864.0,
    ra=150.5,
    dec=17.5,
    seeing=1.4,
    width=1984,
    height=1096,
    footprints=(FOOTPRINT,),
)
STACK = product(1, ImageType.STACK)
X = "/data/loki/data/winter/20240211/{}/{}WINTERcamera_20240212-125216-785_mef{}"
FILES = {
    ImageType.EXPOSURE: X.format("raw", "", ".fits"),
    ImageType.RAW: X.format("raw_unpacked", "", "_4_0_0.fits"),
    ImageType.SCIENCE: X.format("astrostats", "temp_", "_4_0_0.fits"),
    ImageType.STACK: X.format("final", "", "_4_0_0_stack.fits"),
    ImageType.DIFF: X.format("diffs", "", "_4_0_0_stack.diff.fits"),
    ImageType.AVRO: X.format("avro", "", "_4_0_0_stack.diff.avro"),
}


def row(image_type: ImageType = ImageType.STACK, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - of any column
    """Return the row of a product of a type."""
    one = replace(product(1, image_type), savepath=FILES[image_type])
    return describe(Dataset(one, "downloaded", **changes), ROOT)


def test_the_columns_are_those_of_the_standard() -> None:
    """All thirty of ObsCore 1.1, Table 4, in its order and with its units."""
    units = {column.name: column.unit for column in MANDATORY_COLUMNS}
    assert list(units) == [
        *("dataproduct_type", "calib_level", "obs_collection", "obs_id", "obs_publisher_did"),
        *("access_url", "access_format", "access_estsize", "target_name", "s_ra", "s_dec"),
        *("s_fov", "s_region", "s_resolution", "s_xel1", "s_xel2", "t_min", "t_max", "t_exptime"),
        *("t_resolution", "t_xel", "em_min", "em_max", "em_res_power", "em_xel", "o_ucd"),
        *("pol_states", "pol_xel", "facility_name", "instrument_name"),
    ]
    assert {name: unit for name, unit in units.items() if unit} == {
        "access_estsize": "kbyte",
        **dict.fromkeys(("s_ra", "s_dec", "s_fov"), "deg"),
        "s_resolution": "arcsec",
        **dict.fromkeys(("t_min", "t_max"), "d"),
        **dict.fromkeys(("t_exptime", "t_resolution"), "s"),
        **dict.fromkeys(("em_min", "em_max"), "m"),
    }
    integers = {"calib_level", "access_estsize"} | {f"{axis}_xel" for axis in ("t", "em", "pol")}
    assert {
        column.name for column in MANDATORY_COLUMNS if column.kind is Kind.INTEGER
    } == integers | {"s_xel1", "s_xel2"}


@pytest.mark.parametrize("column", OBSCORE_COLUMNS, ids=lambda column: column.name)
def test_each_column_says_what_it_is(column: Any) -> None:  # noqa: ANN401 - a Column
    """A UCD of the IVOA's list, a unit of VOUnits, a sentence; others begin with winter_."""
    assert check_ucd(column.ucd, check_controlled_vocabulary=True, has_colon=False)
    assert column.description
    assert (column.utype or "").startswith("obscore:") != column.name.startswith("winter_")
    if column.unit:
        Unit(column.unit, format="vounit")


@given(image_type=some.sampled_from(ImageType), instrument=some.sampled_from(Instrument))
def test_what_must_not_be_null_is_not(image_type: ImageType, instrument: Instrument) -> None:
    """Of a product of which nothing more is known than that it is listed, too."""
    known = describe(Dataset(product(1, image_type, instrument=instrument), "pending"), ROOT)
    assert set(known) | {"pol_states"} == {column.name for column in OBSCORE_COLUMNS}
    for name in ("calib_level", "obs_collection", "obs_id", "obs_publisher_did"):
        assert known[name] is not None
    assert known["obs_collection"] == f"Palomar/{instrument.upper()}"


def test_types_and_levels_are_those_of_the_standard() -> None:
    """Alerts are measurements, of level 4; what combines exposures is of level 3."""
    rows = {image_type: row(image_type) for image_type in ImageType}
    assert [known["calib_level"] for known in rows.values()] == [1, 1, 2, 3, 3, 4]
    assert [known["dataproduct_type"] for known in rows.values()] == [
        *["image"] * 5,
        "measurements",
    ]
    assert [known["access_format"] for known in rows.values()] == [
        "application/x-fits-mef",
        *["image/fits"] * 4,
        "application/x-avro",
    ]


def test_products_of_one_exposure_share_its_name_and_those_of_a_stack_the_stacks() -> None:
    """A stack is an observation of its own, with what is derived from it."""
    exposure, stack = "WINTERcamera_20240212-125216-785", "_mef_4_0_0_stack"
    assert [row(image_type)["obs_id"] for image_type in ImageType] == [
        *[exposure] * 3,
        *[exposure + stack] * 3,
    ]


def test_each_product_has_its_own_identifier() -> None:
    """SPRING's directories may repeat a file name; characters that URIs lack are escaped."""
    one = replace(STACK, savepath="/data/é x.fits")
    other = replace(one, instrument=Instrument.SPRING)
    names = [describe(Dataset(each, "pending"), ROOT)["obs_publisher_did"] for each in (one, other)]
    assert names == [
        "ivo://winter.caltech.edu/winter?/data/%C3%A9%20x.fits",
        "ivo://winter.caltech.edu/spring?/data/%C3%A9%20x.fits",
    ]


def test_a_stack_is_described() -> None:
    """With its place, its depth, its wavelengths; when its last exposure ended is not known."""
    known = row(facts=FACTS, target="SN2024wex", file="x.fits", size=10_000_001)
    assert known["access_url"] == "file:///m%20%C3%BC/x.fits"
    assert known["access_estsize"] == 10_001
    assert (known["target_name"], known["s_resolution"]) == ("SN2024wex", 1.4)
    assert (known["s_ra"], known["s_dec"]) == (150.5, 17.5)
    assert (known["s_xel1"], known["s_xel2"]) == (1984, 1096)
    assert (known["t_exptime"], known["t_resolution"]) == (864.0, 864.0)
    assert known["t_max"] is None
    assert known["em_min"] < 1.25e-6 < known["em_max"]
    assert known["em_res_power"] == pytest.approx(1.235 / 0.213)


def test_times_are_modified_julian_dates() -> None:
    """As astropy has them, in UTC; an exposure ends its exposure time after its start."""
    known = row(ImageType.RAW, facts=FACTS)
    assert known["t_min"] == Time(STARTED).mjd
    assert known["t_max"] == pytest.approx(Time(STARTED).mjd + 0.01)


def test_an_exposure_without_end_has_none() -> None:
    """A number that only an altered catalog holds costs its cell, not the whole export."""
    known = row(ImageType.RAW, facts=replace(FACTS, exposure_time=1e308))
    assert (known["t_max"], known["t_exptime"]) == (None, 1e308)


def test_the_time_of_a_file_name_stands_in_for_a_header() -> None:
    """What was not downloaded has a time too."""
    name = row(ImageType.RAW)["t_min"]
    assert name == pytest.approx(Time("2024-02-12T12:52:16.785").mjd, abs=1e-9)


def test_an_outline_is_counter_clockwise_as_seen_on_the_sky() -> None:
    """North, east, south, west; several images make a union."""
    assert row(facts=FACTS)["s_region"] == (
        "POLYGON ICRS 151.0000000 17.0000000 150.0000000 17.0000000"
        " 150.0000000 18.0000000 151.0000000 18.0000000"
    )
    both = row(ImageType.EXPOSURE, facts=replace(FACTS, footprints=(FOOTPRINT, OTHER)))
    assert both["s_region"].startswith("UNION ICRS ( POLYGON 151.0")
    assert both["s_region"].count("POLYGON") == 2
    assert (both["s_xel1"], both["s_xel2"]) == (None, None)


def test_the_field_of_view_holds_every_corner() -> None:
    """Of all images of the file, around its centre."""
    center = (151.5, 17.5)
    facts = replace(FACTS, footprints=(FOOTPRINT, OTHER), ra=center[0], dec=center[1])
    furthest = max(separation(center, corner) for corner in (*FOOTPRINT.corners, *OTHER.corners))
    assert row(ImageType.EXPOSURE, facts=facts)["s_fov"] == pytest.approx(2 * furthest, abs=1e-8)


def test_a_pointing_is_not_taken_for_the_centre_of_a_board() -> None:
    """One board of WINTER is half a degree away from it; the pointing has a column of its own."""
    listed = {"ra": 150.0, "dec": 17.0}
    for image_type in (ImageType.RAW, ImageType.SCIENCE):
        assert row(image_type, **listed)["s_ra"] is None
        assert row(image_type, **listed)["winter_listed_ra"] == 150.0
    for image_type in (ImageType.EXPOSURE, ImageType.STACK, ImageType.DIFF):
        assert row(image_type, **listed)["s_ra"] == 150.0


def test_alerts_have_no_pixels() -> None:
    """As the standard wants it of lists; and no single observable."""
    known = row(ImageType.AVRO, filter="Hs")
    assert [known[name] for name in ("s_xel1", "s_xel2", "t_xel", "em_xel")] == [-1] * 4
    assert known["o_ucd"] is None
    assert known["em_max"] == 1.7e-6


def test_no_field_is_null_not_a_number() -> None:
    """999999999 means that there is none; a dark has no wavelength."""
    known = row(field_id=999_999_999, filter="dark")
    assert (known["winter_field_id"], known["em_min"], known["winter_filter"]) == (
        None,
        None,
        "dark",
    )
    assert row(field_id=123)["winter_field_id"] == 123


def test_every_row_fits_its_columns() -> None:
    """Each value is of its column's kind."""
    known = row(facts=FACTS, target="x", ra=1.0, dec=2.0, size=5, revision=1)
    for column in OBSCORE_COLUMNS:
        column.value(known.get(column.name))
    assert np.isfinite(known["t_min"])
