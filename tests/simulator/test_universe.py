"""The simulated nights are plausible: dark, dithered, named and sized as the real ones."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winter_sync.core.products import NO_SURVEY_FIELD, Night, exposure_time, night_of
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import (
    DEFAULT_PROGRAMS,
    DEMO_NIGHT,
    Campaign,
    Universe,
    demo_universe,
    program_record,
    settled,
    sized_universe,
)
from winter_sync.simulator.observatory.holdings import COLOUR_SUBDIR, Holding
from winter_sync.simulator.sky.ephemeris import altitude, dark_hours, pacific_offset, sun_altitude

WINTER_NIGHT, SUMMER_NIGHT = Night("20240211"), Night("20250620")


def demo() -> list[Holding]:
    """Return the products of the demonstration night."""
    return list(demo_universe().holdings())


def test_demo_night_is_well_filled() -> None:
    """The demonstration lists over 200 products of all types, programs and cameras."""
    holdings = demo()
    assert 230 <= len(holdings) <= 260
    for instrument in Instrument:
        types = Counter(
            each.product.image_type for each in holdings if each.visit.instrument is instrument
        )
        assert set(types) == set(ImageType)
        assert min(types.values()) >= 4
    assert {each.visit.program for each in holdings} == set(DEFAULT_PROGRAMS)
    gone = [each.product.image_type for each in holdings if each.gone_at is not None]
    assert 1 <= len(gone) <= 8
    assert set(gone) == {ImageType.SCIENCE}


def test_identities_are_unique() -> None:
    """No savepath is used twice."""
    identities = [each.product.identity for each in Universe().holdings()]
    assert len(set(identities)) == len(identities)


def test_spring_repeats_basenames() -> None:
    """SPRING has one basename in two directories, of one type and of two."""
    products = [each.product for each in demo() if each.product.instrument is Instrument.SPRING]
    stacks = [each for each in products if each.image_type is ImageType.STACK]
    assert len({each.filename for each in stacks}) < len(stacks)
    assert any(f"/{COLOUR_SUBDIR}/" in each.savepath for each in stacks)
    exposures, raws = (
        {each.filename for each in products if each.image_type is image_type}
        for image_type in (ImageType.EXPOSURE, ImageType.RAW)
    )
    assert exposures == raws


@pytest.mark.parametrize("night", [WINTER_NIGHT, SUMMER_NIGHT, DEMO_NIGHT])
def test_exposures_are_taken_in_the_dark_of_things_that_are_up(night: Night) -> None:
    """All exposures are in the dark hours, without overlap, well above the horizon."""
    visits = {each.visit for each in demo_universe(night).holdings()}
    dithers = sorted(
        (dither.start, visit.seconds, dither) for visit in visits for dither in visit.dithers
    )
    for start, _, dither in dithers:
        assert sun_altitude(start) < -12
        assert altitude(start, dither.ra, dither.dec) > 30
    for (start, seconds, _), (following, _, _) in pairwise(dithers):
        assert start + timedelta(seconds=seconds) <= following


def test_dark_hours_are_those_of_palomar() -> None:
    """Nautical dusk and dawn agree with an almanac to a few minutes."""
    # US Naval Observatory, Palomar, 2024-02-11: 18:24 to 05:39 PST, within a few minutes.
    dusk, dawn = dark_hours(WINTER_NIGHT)
    assert abs(dusk - datetime(2024, 2, 12, 2, 24, tzinfo=UTC)) < timedelta(minutes=6)
    assert abs(dawn - datetime(2024, 2, 12, 13, 39, tzinfo=UTC)) < timedelta(minutes=6)


def test_pacific_offset_follows_daylight_saving() -> None:
    """Eight hours in winter, seven in summer, changing at ten hours UTC."""
    assert pacific_offset(datetime(2024, 2, 12, tzinfo=UTC)) == timedelta(hours=8)
    assert pacific_offset(datetime(2024, 3, 10, 9, 59, tzinfo=UTC)) == timedelta(hours=8)
    assert pacific_offset(datetime(2024, 3, 10, 10, 0, tzinfo=UTC)) == timedelta(hours=7)


def test_savepaths_are_the_documented_ones() -> None:
    """WINTER's directories and names are those of winter-api.md, "Products"."""
    stem = r"WINTERcamera_\d{8}-\d{6}-\d{3}_mef"
    patterns = {
        ImageType.EXPOSURE: rf"/data/loki/raw_data/winter/20251023/raw/{stem}\.fits",
        ImageType.RAW: rf"/data/loki/data/winter/20251023/raw_unpacked/{stem}_\d_0_0\.fits",
        ImageType.SCIENCE: rf"/data/loki/data/winter/20251023/astrostats/temp_{stem}_\d_0_0\.fits",
        ImageType.STACK: rf"/data/loki/data/winter/20251023/final/{stem}_\d_0_0_stack\.fits",
        ImageType.DIFF: rf"/data/loki/data/winter/20251023/diffs/{stem}_\d_0_0_stack\.diff\.fits",
        ImageType.AVRO: rf"/data/loki/data/winter/20251023/avro/{stem}_\d_0_0_stack\.diff\.avro",
    }
    for holding in demo():
        product = holding.product
        if product.instrument is Instrument.WINTER:
            assert re.fullmatch(patterns[product.image_type], product.savepath)
        assert night_of(product.savepath) == product.night == DEMO_NIGHT
        assert exposure_time(product.filename) == holding.dither.start


def test_stacks_are_named_after_their_first_dither() -> None:
    """What combines a dither set carries the name of its first exposure."""
    for holding in demo():
        if holding.product.image_type in (ImageType.STACK, ImageType.DIFF, ImageType.AVRO):
            assert holding.dither == holding.visit.dithers[0]


def test_some_visits_have_no_target() -> None:
    """A visit has either a target and no survey field, or a field and no target."""
    visits = {each.visit for each in demo()}
    assert {visit.target is None for visit in visits} == {True, False}
    for visit in visits:
        assert (visit.target is None) == (visit.field_id != NO_SURVEY_FIELD)
        assert visit.target is None or len(visit.target) <= 30


def test_products_appear_in_the_order_they_are_made() -> None:
    """Minutes after dusk the first exposure, the rest the day after, some much later."""
    by_visit: dict[str, dict[ImageType, datetime]] = {}
    for each in demo():
        times = by_visit.setdefault(each.visit.key, {})
        times.setdefault(each.product.image_type, each.listed_at)
        assert each.listed_at > each.dither.start
        if each.product.image_type is ImageType.EXPOSURE:
            assert each.listed_at - each.dither.start < timedelta(minutes=15)
    for times in by_visit.values():
        assert list(times.values()) == sorted(times.values())
        assert times[ImageType.SCIENCE] >= datetime(2025, 10, 24, 15, tzinfo=UTC)
    late = [times[ImageType.STACK] for times in by_visit.values()]
    assert sum(stacked > datetime(2025, 10, 25, 16, tzinfo=UTC) for stacked in late) == 1


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 1500), seed=st.integers(0, 10))
def test_sized_nights_have_exactly_so_many_products(count: int, seed: int) -> None:
    """A sized universe has the number of products that was asked for, all different."""
    holdings = list(sized_universe([DEMO_NIGHT], count, seed=seed).holdings())
    assert len(holdings) == len({each.product.identity for each in holdings}) == count


def test_everything_settles() -> None:
    """By the default time of an observatory all products are listed."""
    nights = [DEMO_NIGHT, WINTER_NIGHT]
    for holding in sized_universe(nights[:1], 5000).holdings():
        assert holding.listed_at < settled(nights)


def test_large_nights_hold_all_types() -> None:
    """However many products, each type has its part."""
    holdings = list(sized_universe([DEMO_NIGHT, DEMO_NIGHT.plus(1)], 2000).holdings())
    assert len(holdings) == 4000
    types = Counter(each.product.image_type for each in holdings)
    assert set(types) == set(ImageType)
    assert min(types.values()) > 100


def test_campaigns_choose_who_observes_with_what() -> None:
    """A universe of one campaign holds its program, camera, dithers and boards only."""
    campaign = Campaign("2024A000", Instrument.WINTER, visits=1, dithers=8, boards=(4,))
    holdings = list(Universe(nights=(WINTER_NIGHT,), campaigns=(campaign,)).holdings())
    types = Counter(each.product.image_type for each in holdings)
    assert types == {
        ImageType.EXPOSURE: 8,
        ImageType.RAW: 48,
        ImageType.SCIENCE: 8,
        ImageType.STACK: 1,
        ImageType.DIFF: 1,
        ImageType.AVRO: 1,
    }


def test_programs_do_not_observe_before_they_begin() -> None:
    """The program of 2025 has nothing in 2024, though both are in one universe."""
    early = [each for each in Universe().holdings() if each.visit.night < Night("20250101")]
    assert {each.visit.program for each in early} == {"2024A000"}


def test_program_spans_contain_the_nights() -> None:
    """A program's span is its semester, widened to what was observed for it."""
    plain, widened = program_record("2025B001"), program_record("2024A000", (DEMO_NIGHT,))
    assert (f"{plain.start}", f"{plain.end}") == ("2025-08-01", "2026-01-31")
    assert f"{widened.start}" == "2024-02-01"
    assert widened.end > DEMO_NIGHT.day
