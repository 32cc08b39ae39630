"""Windows that were too much for the archive: for how long that is remembered, and what ends it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.failed_windows import FailedWindows

SUBJECT = Subject("2024A000", Instrument.WINTER, ImageType.STACK)
OTHER = Subject("2024A000", Instrument.WINTER, ImageType.DIFF)
TODAY = date(2024, 3, 1)
WEEK = Query(SUBJECT, date(2024, 2, 1), date(2024, 2, 7))
MONTH = Query(SUBJECT, date(2024, 1, 20), date(2024, 2, 20))
HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2024, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time it is set to."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Set a clock."""
    return Clock()


@pytest.fixture
def windows(clock: Clock) -> FailedWindows:
    """Remember nothing yet."""
    return FailedWindows(clock)


def waited(windows: FailedWindows, clock: Clock) -> timedelta:
    """Return how long a window that just failed is left alone, to the microsecond."""
    began = clock.now
    for hours in (1, 2, 4, 8, 16, 24):
        clock.now = began + hours * HOUR - INSTANT
        assert windows.is_too_long(WEEK, TODAY)
        clock.now = began + hours * HOUR
        if not windows.is_too_long(WEEK, TODAY):
            return hours * HOUR
    raise AssertionError("it is left alone for more than a day")


def test_a_window_is_left_alone_for_ever_longer_up_to_a_day(
    windows: FailedWindows, clock: Clock
) -> None:
    """One hour, then twice as long after each failure, and no longer than a day."""
    waits = []
    for _ in range(7):
        windows.was_too_long(WEEK, TODAY)
        waits.append(waited(windows, clock) // HOUR)
    assert waits == [1, 2, 4, 8, 16, 24, 24]


def test_what_contains_it_is_too_long_and_what_it_contains_is_not(windows: FailedWindows) -> None:
    """A larger window would fail as well; its parts and its neighbours are asked for."""
    windows.was_too_long(WEEK, TODAY)
    assert windows.is_too_long(WEEK, TODAY)
    assert windows.is_too_long(MONTH, TODAY)
    assert windows.is_too_long(Query(SUBJECT, WEEK.start), TODAY), "no end means today"
    assert not windows.is_too_long(Query(SUBJECT, WEEK.start, date(2024, 2, 6)), TODAY)
    assert not windows.is_too_long(Query(SUBJECT, date(2024, 2, 2), WEEK.end), TODAY)
    assert not windows.is_too_long(Query(OTHER, WEEK.start, WEEK.end), TODAY)


@pytest.mark.parametrize("answered", [WEEK, MONTH])
def test_an_answer_ends_it(windows: FailedWindows, answered: Query) -> None:
    """An answer to the window, or to one that contains it, ends the wait and its doubling."""
    windows.was_too_long(WEEK, TODAY)
    windows.was_answered(Query(SUBJECT, WEEK.start, date(2024, 2, 6)), TODAY)
    assert windows.is_too_long(WEEK, TODAY), "a part of it says nothing"
    windows.was_answered(answered, TODAY)
    assert not windows.is_too_long(WEEK, TODAY)


def test_doubling_is_forgotten_more_than_a_day_after_the_wait(
    windows: FailedWindows, clock: Clock
) -> None:
    """Failures that are a day apart are failures in a row; later ones begin with an hour again."""
    windows.was_too_long(WEEK, TODAY)
    clock.now += HOUR + timedelta(days=1)
    windows.was_too_long(MONTH, TODAY)
    windows.was_too_long(WEEK, TODAY)
    assert waited(windows, clock) == 2 * HOUR
    clock.now += timedelta(days=1) + INSTANT
    windows.was_too_long(MONTH, TODAY)
    windows.was_too_long(WEEK, TODAY)
    assert waited(windows, clock) == HOUR


def test_a_clock_that_was_far_ahead_stops_nothing(windows: FailedWindows, clock: Clock) -> None:
    """What was learnt while the clock stood years ahead holds no longer once it is right."""
    right = clock.now
    clock.now += timedelta(days=400)
    windows.was_too_long(WEEK, TODAY)
    clock.now = right
    assert not windows.is_too_long(WEEK, TODAY)
