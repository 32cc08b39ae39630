"""The status line, and the summary of a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from support.makers import candidate, evidence, product

from winter_sync.core import (
    DayEnded,
    DownloadsPaused,
    Event,
    Polled,
    PollFailed,
    ProductFinished,
    ProgramRefused,
    ServerFailing,
    ServerRecovered,
    Started,
    StorageFailing,
)
from winter_sync.core.downloads import Failed, Missing, Published
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.daily_summary import DailySummary

START = datetime(2026, 3, 28, 23, 50, tzinfo=UTC)
QUERY = Query(Subject("2024A000", Instrument.WINTER, ImageType.STACK), date(2024, 1, 1))
POLLED = Polled(QUERY, listed=9, new=3, changed=0, returned=0, withdrawn=0, seconds=0.1)
ONE = candidate(product())
PUBLISHED = ProductFinished(Published(ONE, evidence(product(), b"x" * 2_000_000)))


class Desk:
    """A daily summary on a clock that a test sets."""

    def __init__(self) -> None:
        self.now = START
        self.summary = DailySummary(lambda: self.now)

    def handle(self, *events: Event) -> None:
        """Handle events."""
        for event in events:
            self.summary.handle(event)


@pytest.fixture
def desk() -> Desk:
    """Return an empty summary."""
    return Desk()


def test_a_day_ends_once(desk: Desk) -> None:
    """With all that it brought; the next begins at nothing."""
    desk.handle(POLLED, POLLED, PUBLISHED, PollFailed(QUERY, "no"))
    desk.handle(
        ProductFinished(Missing(ONE)), ProductFinished(Failed(ONE, "no")), ServerRecovered(61.26)
    )
    assert desk.summary.end_day() is None
    desk.now += timedelta(minutes=10)
    assert desk.summary.end_day() == DayEnded(
        day="2026-03-28",
        polls=2,
        failed_polls=1,
        new=6,
        published=1,
        size=2_000_000,
        failed=1,
        missing=1,
        troubled_seconds=61.3,
    )
    assert desk.summary.end_day() is None
    desk.now += timedelta(days=1)
    ended = desk.summary.end_day()
    assert ended is not None
    assert (ended.day, ended.polls, ended.published) == ("2026-03-29", 0, 0)


def test_a_clock_that_is_set_back_ends_no_day(desk: Desk) -> None:
    """The day goes on until it is really over."""
    desk.now -= timedelta(days=30)
    assert desk.summary.end_day() is None


def test_days_go_on_after_a_clock_that_was_ahead(desk: Desk) -> None:
    """What was counted in days that never were belongs to the one it is."""
    desk.now += timedelta(days=400)
    assert desk.summary.end_day() is not None
    desk.handle(POLLED)
    desk.now -= timedelta(days=400)
    assert desk.summary.end_day() is None
    desk.now += timedelta(minutes=10)
    ended = desk.summary.end_day()
    assert ended is not None
    assert (ended.day, ended.polls) == ("2026-03-28", 1)


def test_a_clock_set_back_over_midnight_ends_no_day_twice(desk: Desk) -> None:
    """An hour more or less is no other day."""
    desk.now += timedelta(minutes=20)
    assert desk.summary.end_day() is not None
    desk.now -= timedelta(minutes=20)
    assert desk.summary.end_day() is None
    desk.now += timedelta(minutes=20)
    assert desk.summary.end_day() is None


def troubled(ended: DayEnded | None) -> float:
    """Return how long the server was failing in a day that is over, in seconds."""
    assert ended is not None
    return ended.troubled_seconds


def test_an_outage_belongs_to_the_days_it_lasts(desk: Desk) -> None:
    """Each day counts its part when it ends, and not the last day all of it."""
    desk.now += timedelta(minutes=5)
    desk.handle(ServerFailing("busy", 15.0))
    desk.now += timedelta(minutes=5)
    assert troubled(desk.summary.end_day()) == 300
    desk.now += timedelta(days=1)
    assert troubled(desk.summary.end_day()) == 86_400
    desk.handle(ServerRecovered(300 + 86_400 + 60))
    desk.now += timedelta(days=1)
    assert troubled(desk.summary.end_day()) == 60
    desk.now += timedelta(days=1)
    assert troubled(desk.summary.end_day()) == 0


def test_an_outage_over_a_reload_counts(desk: Desk) -> None:
    """What begins anew does not know of it; what was before is not forgotten."""
    desk.handle(ServerFailing("busy", 15.0))
    desk.now += timedelta(minutes=4)
    desk.handle(Started("/data/winter", ("2024A000",)), ServerFailing("busy", 15.0))
    desk.now += timedelta(minutes=6)
    assert troubled(desk.summary.end_day()) == 600


@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_is_set_makes_no_outage_of_years(desk: Desk, days: int) -> None:
    """No day has more of it than a day."""
    desk.handle(ServerFailing("busy", 15.0))
    desk.now += timedelta(days=days)
    desk.summary.end_day()
    desk.handle(ServerRecovered(60.0))
    desk.now += timedelta(days=1)
    assert 0 <= troubled(desk.summary.end_day()) <= 86_400


def test_the_line_says_troubles_first(desk: Desk) -> None:
    """Then when was polled, and how much has come."""
    assert desk.summary.status_line == "no poll yet, 0 downloaded (0 B)"
    desk.handle(POLLED, PUBLISHED)
    assert desk.summary.status_line == "last poll 23:50 UTC, 1 downloaded (2 MB)"
    desk.handle(ServerFailing("busy", 15.0))
    assert desk.summary.status_line.startswith(
        "server not responding or returning errors since 23:50 UTC; last poll"
    )
    desk.handle(Started("/data/winter", ("2024A000",)))
    assert desk.summary.status_line.startswith("last poll")
    desk.handle(
        ServerFailing("busy", 15.0),
        ServerRecovered(20.0),
        StorageFailing("the disk is full", "free some", 60.0),
    )
    assert desk.summary.status_line.startswith("the disk is full; last poll")
    desk.handle(POLLED)
    assert desk.summary.status_line.startswith("last poll")


def test_the_line_says_who_is_refused_and_what_is_paused(desk: Desk) -> None:
    """Until the program is listed again, and until something comes."""
    desk.handle(POLLED, ProgramRefused("2025B001", "wrong key", 60.0))
    desk.handle(ProgramRefused("2024A000", "wrong key", 60.0), DownloadsPaused("in vain", 300.0))
    assert desk.summary.status_line.startswith(
        "credentials refused for 2025B001, 2024A000; downloads paused: nothing arrives; last poll"
    )
    desk.handle(POLLED, PUBLISHED)
    assert desk.summary.status_line.startswith("credentials refused for 2025B001; last poll")
    desk.handle(Started("/data/winter", ("2024A000",)))
    assert desk.summary.status_line.startswith("last poll")


def test_the_line_says_the_day_of_what_is_long_ago(desk: Desk) -> None:
    """A poll of some days ago is not taken for one of today."""
    desk.handle(POLLED, ServerFailing("busy", 15.0))
    desk.now += timedelta(days=3)
    assert desk.summary.status_line.startswith(
        "server not responding or returning errors since 2026-03-28 23:50 UTC; "
        "last poll 2026-03-28 23:50 UTC"
    )


def test_the_line_says_what_cannot_be_listed(desk: Desk) -> None:
    """A poll that failed since is not hidden by the time of one that succeeded before."""
    desk.handle(PollFailed(QUERY, "no"))
    assert desk.summary.status_line == (
        "polls of 2024A000 failing since 23:50 UTC; no poll has succeeded yet, 0 downloaded (0 B)"
    )
    desk.handle(POLLED)
    desk.now += timedelta(minutes=5)
    desk.handle(PollFailed(QUERY, "no"))
    desk.now += timedelta(minutes=1)
    desk.handle(PollFailed(QUERY, "no"))
    assert desk.summary.status_line.startswith(
        "polls of 2024A000 failing since 23:55 UTC; archive last answered 23:50 UTC, "
    )
    desk.handle(POLLED)
    assert desk.summary.status_line.startswith("last poll 23:56 UTC, ")
