"""The table at the end of a backfill: what of each type is here, night by night or by month."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from winter_sync.catalog.records import NightCount
from winter_sync.cli.views.night_table import MOST_NIGHTS, night_table
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST = Night("20240130")


def count(
    night: Night = FIRST,
    image_type: ImageType = ImageType.STACK,
    instrument: Instrument = Instrument.WINTER,
    *,
    published: int = 0,
    wanted: int = 0,
    missing: int = 0,
) -> NightCount:
    """Return the count of one type of a night."""
    size = published * 1000
    return NightCount(night, instrument, image_type, published, wanted, missing, 0, size)


def shown(counts: Iterable[NightCount], width: int = 100) -> list[list[str]]:
    """Return the words of each line."""
    stream = io.StringIO()
    Console(file=stream, width=width).print(night_table(tuple(counts)), crop=False)
    return [line.split() for line in stream.getvalue().splitlines()]


def test_a_night_is_a_line_and_a_type_a_column() -> None:
    """Incomplete types are shown as "of how many"; cameras are summed, old nights come first."""
    lines = shown(
        [
            count(FIRST.plus(1), ImageType.RAW, published=7),
            count(published=3, wanted=1, missing=2),
            count(instrument=Instrument.SPRING, published=4),
        ]
    )
    assert lines == [
        ["night", "raw", "stack", "missing", "pending", "size"],
        ["20240130", "-", "7/10", "2", "1", "7", "kB"],
        ["20240131", "7", "-", "-", "-", "7", "kB"],
    ]


def test_many_nights_are_shown_by_month() -> None:
    """As many nights as fit a screen have a line each; with one more, months do."""
    nights = [FIRST.plus(day) for day in range(MOST_NIGHTS + 1)]
    assert len(shown(count(night, published=1) for night in nights[1:])) == 1 + MOST_NIGHTS
    assert shown(count(night, published=1) for night in nights) == [
        ["month", "stack", "missing", "pending", "size"],
        ["2024-01", "2", "-", "-", "2", "kB"],
        ["2024-02", str(MOST_NIGHTS - 1), "-", "-", "29", "kB"],
    ]


def test_a_night_of_which_nothing_is_listed_any_more_is_no_line() -> None:
    """Products that were withdrawn before their download are not shown."""
    assert shown([count(), count(FIRST.plus(1), published=1)])[1:] == [
        ["20240131", "1", "-", "-", "1", "kB"]
    ]


@pytest.mark.parametrize("width", [1, 40, 78, 80])
def test_no_number_is_cut_off(width: int) -> None:
    """A month of everything is the same on every terminal, however narrow."""
    month = [
        count(FIRST.plus(day), kind, published=1200, missing=1, wanted=1)
        for day in range(MOST_NIGHTS + 1)
        for kind in ImageType
    ]
    assert shown(month, width) == shown(month)
    assert ["34800/34858"] * len(ImageType) == shown(month)[2][1:-4]


def test_columns_move_together_where_there_is_little_room() -> None:
    """Lines are wrapped only if there is no other way."""
    stream = io.StringIO()
    counts = [count(image_type=kind, published=300, wanted=10) for kind in ImageType]
    Console(file=stream, width=80).print(night_table(counts), crop=False)
    lines = stream.getvalue().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80
