"""Plots: every point is drawn where it belongs, and told apart, whatever the numbers."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from winter_sync.pages.plots import Point, make_plot

POINTS = st.lists(
    st.builds(
        Point,
        at=st.datetimes(datetime(2023, 1, 1), datetime(2033, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is given beside it
        value=st.floats(-50, 50) | st.just(math.nan) | st.just(math.inf),
        series=st.sampled_from(["Y", "J", "Hs", "u", "g", "r", "i", "z", "dark", "?", "a", "b"]),
        error=st.none() | st.floats(allow_nan=False),
    ),
    max_size=12,
)


@given(points=POINTS, upside_down=st.booleans())
def test_points_and_ticks_are_inside_and_in_order(
    points: list[Point], *, upside_down: bool
) -> None:
    """Later is to the right; larger is up, or down for magnitudes; series look different."""
    plot = make_plot("p", "Depth", "mag", points, upside_down=upside_down)
    finite = [point for point in points if math.isfinite(point.value)]
    if plot is None:
        assert not finite
        return
    assert [mark.point for mark in plot.marks] == finite
    for mark in plot.marks:
        assert plot.left <= mark.x <= plot.right
        assert plot.top <= mark.y <= plot.bottom
        for end in mark.bar or ():
            assert plot.top <= end <= plot.bottom
    for one in plot.marks:
        for other in plot.marks:
            if one.point.at <= other.point.at:
                assert one.x <= other.x
            if one.point.value <= other.point.value:
                assert (one.y <= other.y) if upside_down else (one.y >= other.y)
    assert 1 <= len(plot.y_ticks) <= 8
    assert 1 <= len(plot.x_ticks) <= 8
    assert all(plot.left <= tick.place <= plot.right for tick in plot.x_ticks)
    assert all(plot.top <= tick.place <= plot.bottom for tick in plot.y_ticks)
    looks = [(series.shape, series.style) for series in plot.series]
    assert len(looks) == len(set(looks))
    assert f"{len(finite)} point" in plot.summary


@given(
    years=st.integers(1, 30),
    begin=st.datetimes(datetime(2023, 1, 1), datetime(2033, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is given beside it
)
def test_long_times_are_marked_at_beginnings_of_months(years: int, begin: datetime) -> None:
    """Nobody counts in steps of 90 days: ticks are months or years, equally many apart."""
    ends = [Point(begin + years * timedelta(days=365 * at), 17.0, "J") for at in (0, 1)]
    plot = make_plot("p", "Depth", "mag", ends)
    assert plot is not None
    months = [
        int(year) * 12 + int(month)
        for year, _, month in (tick.label.partition("-") for tick in plot.x_ticks)
    ]
    assert 2 <= len(months) <= 8
    assert len({later - earlier for earlier, later in pairwise(months)}) == 1
    places = [plot.left, *(tick.place for tick in plot.x_ticks), plot.right]
    gaps = [later - earlier for earlier, later in pairwise(places)]
    assert max(gaps) == pytest.approx(max(gaps[1:-1]), rel=0.2)


@given(times=st.lists(st.datetimes(timezones=st.just(UTC)), max_size=4))
@example(times=[datetime(9960, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
@example(times=[datetime(1, 1, 1, tzinfo=UTC), datetime(1, 2, 1, tzinfo=UTC)])
def test_times_that_cannot_be_take_no_plot_away(times: list[datetime]) -> None:
    """A file may be named after any year: what is of this age is drawn as if it were alone."""
    now = Point(datetime(2024, 2, 11, tzinfo=UTC), 17.0, "J")
    odd = [Point(at, 17.0, "J") for at in times if at.year not in range(1900, 2200)]
    assert make_plot("p", "Depth", "mag", [now, *odd]) == make_plot("p", "Depth", "mag", [now])
    assert make_plot("p", "Depth", "mag", odd) is None
