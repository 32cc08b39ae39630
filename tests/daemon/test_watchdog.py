"""What counts as progress, and what as being stuck."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.makers import batch, candidate, product

from winter_sync.core import (
    BatchEnded,
    BatchStarted,
    Event,
    PollFailed,
    Received,
    Retrying,
    WindowHalved,
)
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.daemon.watchdog import Watchdog

BATCH = batch(candidate(product()), identifier="one")
OTHER = batch(candidate(product(1)), identifier="other")
QUERY = Query(Subject("2024A000", Instrument.WINTER, ImageType.STACK), date(2024, 1, 1))
STALL = 900.0


LOOKS = 30.0


class Watched:
    """Watchdog on a clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.watchdog = Watchdog(STALL, lambda: self.now)

    def later(self, seconds: float) -> tuple[str, ...]:
        """Let time pass, and give the troubles."""
        self.now += seconds
        return self.watchdog.troubles()

    def looked_at(self, seconds: float) -> list[float]:
        """Let time pass with regular looks; gives when something was stuck, from now."""
        began, found = self.now, []
        while self.now - began < seconds:
            self.now += LOOKS
            self.watchdog.expect_check(LOOKS)
            if self.watchdog.troubles():
                found.append(self.now - began)
        return found


@pytest.fixture
def watched() -> Watched:
    """Return a watchdog that expects nothing yet."""
    return Watched()


def test_idleness_is_no_stall(watched: Watched) -> None:
    """Where nothing is to be done nothing need come of it."""
    assert not watched.later(1e9)


def test_a_download_lives_by_what_comes_of_it(watched: Watched) -> None:
    """Every byte begins the time anew; without any it is stuck in the end."""
    watched.watchdog.handle(BatchStarted(BATCH))
    for _ in range(10):
        assert not watched.later(STALL)
        watched.watchdog.handle(Received(BATCH, 1))
    assert not watched.later(STALL)
    assert watched.later(1) == ("nothing has come of download one for 901 s",)
    watched.watchdog.handle(BatchEnded(BATCH, 1.0))
    assert not watched.later(0)


def test_trying_again_is_a_sign_of_life_for_a_while(watched: Watched) -> None:
    """It does not say of what: one that is stuck is not hidden for ever by others that are not."""
    watched.watchdog.handle(BatchStarted(BATCH))
    for _ in range(5):
        assert not watched.later(STALL)
        watched.watchdog.handle(Retrying("busy", 1.0))
    assert watched.later(1) == ("nothing has come of download one for 4501 s",)
    watched.watchdog.handle(Received(BATCH, 1))
    assert not watched.later(STALL)
    watched.watchdog.handle(Retrying("busy", 1.0))
    assert not watched.later(STALL)
    assert watched.later(1) == ("nothing has come of download one for 1801 s",)


def test_one_that_goes_on_does_not_hide_one_that_is_stuck(watched: Watched) -> None:
    """Each download is watched for itself."""
    watched.watchdog.handle(BatchStarted(BATCH))
    watched.watchdog.handle(BatchStarted(OTHER))
    for _ in range(5):
        watched.later(STALL / 4)
        watched.watchdog.handle(Received(OTHER, 1000))
    (trouble,) = watched.later(0)
    assert "download one" in trouble


@pytest.mark.parametrize("event", [PollFailed(QUERY, "no"), WindowHalved(QUERY, "too long")])
def test_polls_live_by_their_answers(watched: Watched, event: Event) -> None:
    """Good or bad."""
    with watched.watchdog.polling("2024A000"):
        assert not watched.later(STALL)
        watched.watchdog.handle(event)
        assert not watched.later(STALL)
        assert watched.later(1) == ("nothing has come of the polls of 2024A000 for 901 s",)
    assert not watched.later(0)


def test_a_poll_that_does_not_begin_is_missed(watched: Watched) -> None:
    """A schedule that died would else be taken for idleness."""
    watched.watchdog.expect_poll(600)
    assert not watched.later(600 + STALL)
    assert watched.later(1) == ("a poll was due 901 s ago and has not begun",)
    with watched.watchdog.polling("2024A000"):
        assert not watched.later(0)
    watched.watchdog.expect_poll(None)
    assert not watched.later(1e6)


def test_who_leaves_the_server_alone_is_not_stuck(watched: Watched) -> None:
    """Nothing can come meanwhile; afterwards the time begins anew."""
    watched.watchdog.handle(BatchStarted(BATCH))
    watched.watchdog.expect_poll(0)
    watched.watchdog.held_until = lambda: 10_000.0
    assert not watched.later(10_000 + STALL)
    assert len(watched.later(1)) == 2


@given(
    before=st.floats(0, STALL - LOOKS),
    stopped=st.floats(LOOKS + STALL / 10, 1e8),
    expected=st.floats(0, 1e4),
)
def test_who_was_stopped_is_not_stuck(before: float, stopped: float, expected: float) -> None:
    """However long it was, and when: all patience begins anew, and then ends as ever."""
    watched = Watched()
    watched.watchdog.handle(BatchStarted(BATCH))
    watched.watchdog.expect_poll(expected)
    with watched.watchdog.polling("2024A000"):
        assert not watched.looked_at(before)
        watched.watchdog.expect_check(LOOKS)
        assert not watched.later(LOOKS + stopped), "before the first look, too"
        assert watched.watchdog.expect_check(LOOKS) == pytest.approx(stopped)
        assert not watched.later(0)
        assert watched.looked_at(2 * STALL)[0] == pytest.approx(STALL + LOOKS, abs=LOOKS)


def test_looks_that_come_a_little_late_hide_nothing(watched: Watched) -> None:
    """A machine that is busy is not one that was stopped."""
    watched.watchdog.handle(BatchStarted(BATCH))
    for _ in range(10):
        assert watched.watchdog.expect_check(LOOKS) == 0
        watched.now += LOOKS + STALL / 10
    assert watched.later(0)


def test_what_is_over_is_not_watched(watched: Watched) -> None:
    """A late report of it does no harm."""
    with watched.watchdog.polling("2024A000"):
        watched.watchdog.handle(BatchStarted(BATCH))
        watched.watchdog.handle(BatchEnded(BATCH, 1.0))
    watched.watchdog.handle(PollFailed(QUERY, "late"))
    watched.watchdog.handle(Received(BATCH, 1))
    watched.watchdog.handle(Retrying("late", 1.0))
    assert not watched.later(1e6)
