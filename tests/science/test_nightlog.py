"""The log of a night: what was observed, once, in the pipeline's words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.makers import product

from winter_sync.core.datasets import Dataset
from winter_sync.core.facts import Facts
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.science import NIGHTLOG_COLUMNS, log_entry, logged

RAW = Dataset(
    product(7, ImageType.RAW),
    "downloaded",
    programs=("2024A000",),
    target="SN2024wex",
    ra=150.96,
    dec=17.82,
    field_id=999_999_999,
    filter="J",
    facts=Facts(
        started_at=datetime(2024, 1, 31, 6, 14, 25, 616_000, tzinfo=UTC),
        exposure_time=120.0,
        dither=3,
        dithers=8,
        board=4,
        ra=151.4,
        dec=17.5,
        airmass=1.2,
    ),
)


def test_an_image_is_logged_as_the_pipeline_does() -> None:
    """By the cards of its header; RADEG and DECDEG are the pointing, not the board's centre."""
    entry = {name: value for name, value in log_entry(RAW).items() if value is not None}
    assert entry == {
        "UTCTIME": RAW.facts.started_at,
        "PROGNAME": "2024A000",
        "TARGNAME": "SN2024wex",
        "DITHNUM": 3,
        "NUMDITHS": 8,
        "FILTER": "J",
        "EXPTIME": 120.0,
        "BOARD_ID": 4,
        "BASENAME": RAW.product.filename,
        "RADEG": 150.96,
        "DECDEG": 17.82,
        "FIELDID": 999_999_999,
        "AIRMASS": 1.2,
    }
    assert [column.name for column in NIGHTLOG_COLUMNS] == list(log_entry(RAW))


@pytest.mark.parametrize(
    ("have", "log"),
    [
        (tuple(ImageType), ImageType.EXPOSURE),
        ((ImageType.STACK, ImageType.DIFF, ImageType.RAW), ImageType.RAW),
        ((ImageType.STACK, ImageType.AVRO), ImageType.STACK),
        ((ImageType.AVRO,), None),
    ],
)
def test_what_was_observed_is_logged_once(
    have: tuple[ImageType, ...], log: ImageType | None
) -> None:
    """By the products nearest to the camera; what is derived from them is left out."""
    datasets = [Dataset(product(number, each), "pending") for number in range(3) for each in have]
    assert [each.product.image_type for each in logged(datasets)] == ([log] * 3 if log else [])


def test_a_night_is_in_the_order_of_time_and_each_camera_is_logged_by_what_it_has() -> None:
    """Two cameras in one night make one log."""
    spring = [
        Dataset(product(number, ImageType.STACK, instrument=Instrument.SPRING), "pending")
        for number in (4, 1)
    ]
    winter = [Dataset(product(number, ImageType.EXPOSURE), "pending") for number in (3, 2)]
    derived = Dataset(product(5, ImageType.STACK), "pending")
    log = logged([*spring, derived, *winter])
    assert log == [spring[1], winter[1], winter[0], spring[0]]
    assert log[0].started_at is not None


def test_a_header_counts_where_nothing_is_listed() -> None:
    """Position and target then are the image's own."""
    bare = replace(RAW, target=None, ra=None, dec=None, facts=replace(RAW.facts, target="M 1"))
    entry = log_entry(bare)
    assert (entry["TARGNAME"], entry["RADEG"], entry["DECDEG"]) == ("M 1", 151.4, 17.5)
