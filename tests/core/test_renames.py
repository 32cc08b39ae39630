"""Renamed products: linked where there is no doubt, and never otherwise."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.products import Night, Product
from winter_sync.core.renames import (
    COMBINED,
    USUAL_REACH,
    NamedAfterDither,
    reach_of,
    successors,
)
from winter_sync.core.traits import ImageType, Instrument

NIGHT = Night("20240130")
START = datetime(2024, 1, 31, 6, 14, 25)  # noqa: DTZ001 - as in names of files
SUFFIX = {
    ImageType.STACK: "stack.fits",
    ImageType.DIFF: "stack.diff.fits",
    ImageType.AVRO: "stack.diff.avro",
}
BEFORE, NOW = "2024-02-01T00:00:00.000+00:00", "2024-02-01T00:10:00.000+00:00"


def combined(
    minutes: float,
    *,
    board: int = 4,
    kind: ImageType = ImageType.STACK,
    first_listed: str = BEFORE,
    last_listed: str = BEFORE,
    target: str | None = "SN2024wex",
    fid: int | None = 2,
    reach: timedelta = USUAL_REACH,
) -> NamedAfterDither:
    """Return a product of a set of dithers that begins so many minutes after the start."""
    time = START + timedelta(minutes=minutes)
    stamp = f"{time:%Y%m%d-%H%M%S}-{time.microsecond // 1000:03d}"
    directory = kind.for_camera(Instrument.WINTER).directory
    savepath = (
        f"/data/loki/data/winter/{NIGHT}/{directory}/"
        f"WINTERcamera_{stamp}_mef_{board}_0_0_{SUFFIX[kind]}"
    )
    product = Product(Instrument.WINTER, savepath, kind, NIGHT)
    return NamedAfterDither(product, first_listed, last_listed, target, fid, reach)


def appears(minutes: float, **fields: object) -> NamedAfterDither:
    """Return one that is listed for the first time."""
    return combined(minutes, first_listed=NOW, last_listed=NOW, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", COMBINED)
@pytest.mark.parametrize("minutes", [2.1, -2.1, 14.9])
def test_the_next_dither_of_the_set_gives_a_new_name(kind: ImageType, minutes: float) -> None:
    """A product that appears as another vanishes, a few dithers apart, is its successor."""
    old, new = combined(0, kind=kind), appears(minutes, kind=kind)
    assert successors([old], [new]) == {old.product: new.product}


@pytest.mark.parametrize(
    "new",
    [
        appears(2, board=3),
        appears(2, kind=ImageType.DIFF),
        appears(2, target="another star"),
        appears(2, fid=1),
        appears(15.1),
        combined(2, last_listed=NOW),
        appears(0),
    ],
    ids=["board", "kind", "target", "filter", "too late", "listed before", "same exposure"],
)
def test_whatever_differs_is_no_successor(new: NamedAfterDither) -> None:
    """Another board, kind, target, filter or set of dithers, or one that was there before."""
    assert successors([combined(0)], [new]) == {}


def test_two_candidates_are_none() -> None:
    """Which of two took the place is not known."""
    assert successors([combined(0)], [appears(-2), appears(2)]) == {}


def test_two_that_vanished_share_no_successor() -> None:
    """Which of two was renamed is not known."""
    assert successors([combined(0), combined(4)], [appears(2)]) == {}


def test_another_visit_between_the_two_separates_them() -> None:
    """A stack that is still listed lies between them: the new one is of a later visit."""
    assert successors([combined(0)], [combined(5, last_listed=NOW), appears(10)]) == {}


def test_a_whole_night_is_renamed_board_by_board() -> None:
    """Visits that begin farther apart than their dithers are each linked to their own."""
    olds = [combined(hour * 60, board=board) for hour in range(5) for board in (1, 2, 4)]
    news = [appears(hour * 60 + 2.1, board=board) for hour in range(5) for board in (1, 2, 4)]
    assert successors(olds, news) == {
        old.product: new.product for old, new in zip(olds, news, strict=True)
    }


@pytest.mark.parametrize(
    ("exposure", "coadds", "dithers", "minutes"),
    [
        (None, None, None, 15),
        (960.0, 8, None, 15.75),
        (960.0, 8, 10, 20.25),
        (120.0, 1, None, 0),
        (120.0, 0, 8, 15),
        (-1.0, 2, 2, 15),
        (1e9, 2, 2, 120),
    ],
)
def test_the_header_says_how_long_a_set_takes(
    exposure: float | None, coadds: int | None, dithers: int | None, minutes: float
) -> None:
    """From the summed exposure time and the number of exposures; eight of two minutes without."""
    expected = timedelta(minutes=minutes)
    assert abs(reach_of(exposure, coadds, dithers) - expected) < timedelta(seconds=1)


@given(
    st.lists(st.integers(0, 40), unique=True, max_size=6),
    st.lists(st.integers(0, 40), unique=True, max_size=6),
    st.lists(st.integers(0, 40), unique=True, max_size=3),
)
def test_a_link_is_one_to_one_and_near(olds: list[int], news: list[int], stay: list[int]) -> None:
    """No product is the successor of two, none is far, and the order of the lists is nothing."""
    gone = [combined(minutes) for minutes in olds]
    here = [appears(minutes) for minutes in news if minutes not in olds]
    here += [combined(m + 0.5, last_listed=NOW) for m in stay]
    found = successors(gone, here)
    assert len(set(found.values())) == len(found)
    assert found == successors(gone[::-1], here[::-1])
    times = {each.product: each.time for each in (*gone, *here)}
    for old, new in found.items():
        first, second = times[old], times[new]
        assert first is not None
        assert second is not None
        assert abs(second - first) <= USUAL_REACH
