"""How polls went lately: what failed since when, and what of a night was never answered."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from support.catalogs import subject
from support.makers import NIGHT

from winter_sync.catalog.records import Poll, PollState
from winter_sync.core.queries import Query, Target

if TYPE_CHECKING:
    from datetime import datetime

    from support.clock import Clock

    from winter_sync.catalog.catalog import Catalog

EVENING, MORNING = NIGHT.day, NIGHT.plus(1).day
BOTH = (EVENING, MORNING)
LAST_YEAR = (date(2023, 2, 1), date(2023, 3, 1))
SUBJECT = subject()


class Polling:
    """Polls of one subject, an hour apart."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self.catalog = catalog
        self.clock = clock

    def ask(self, dates: tuple[date, date], error: str | None = None, faults: int = 0) -> datetime:
        """Record a poll of these dates; return when it was."""
        self.clock.advance(hours=1)
        poll = Poll(Query(SUBJECT, *dates), sweep=False, faults=faults, error=error)
        self.catalog.listings.record_poll(poll)
        return self.clock()

    def state(self) -> PollState:
        """Return how it went, as seen from the night."""
        (state,) = self.catalog.polls.states([SUBJECT], NIGHT)
        return state


@pytest.fixture
def polling(catalog: Catalog, clock: Clock) -> Polling:
    """Return polls of an empty catalog."""
    return Polling(catalog, clock)


def test_nothing_is_known_of_what_was_never_polled(polling: Polling) -> None:
    """Neither an answer nor a failure, nor rows that could not be used."""
    assert polling.state() == PollState(
        subject=SUBJECT,
        answered_at=None,
        night_answered_at=None,
        failing_since=None,
        error=None,
        down_since=None,
        unusable=0,
    )


def test_the_very_first_poll_may_fail(polling: Polling) -> None:
    """A new mirror that gets no answer says so from its first question on."""
    first = polling.ask(BOTH, "it was dark")
    polling.ask(BOTH, "it is dark")
    state = polling.state()
    assert (state.answered_at, state.failing_since, state.down_since) == (None, first, first)
    assert state.error == "it is dark"


def test_a_first_failure_of_the_night_outlasts_an_answer_about_another_year(
    polling: Polling,
) -> None:
    """The archive is not down any more, and the night was still never listed."""
    failed = polling.ask(BOTH, "it was dark")
    answered = polling.ask(LAST_YEAR)
    state = polling.state()
    assert (state.answered_at, state.night_answered_at) == (answered, None)
    assert (state.failing_since, state.down_since) == (failed, None)


def test_a_failure_of_another_year_is_over_with_the_next_answer(polling: Polling) -> None:
    """Whatever was asked for next: the night itself was listed before."""
    listed = polling.ask(BOTH)
    failed = polling.ask(LAST_YEAR, "it was dark")
    assert polling.state().down_since == failed
    answered = polling.ask((date(2022, 2, 1), date(2022, 3, 1)))
    state = polling.state()
    assert (state.failing_since, state.down_since, state.error) == (None, None, None)
    assert (state.answered_at, state.night_answered_at) == (answered, listed)


def test_a_failure_is_over_when_its_own_date_was_listed(polling: Polling) -> None:
    """Also while another date of the night was answered before that, and not since."""
    polling.ask((MORNING, MORNING))
    polling.ask((EVENING, EVENING), "it was dark")
    polling.ask((EVENING, EVENING))
    assert polling.state().failing_since is None
    failed = polling.ask((MORNING, MORNING), "it was cut")
    assert polling.state().failing_since == failed


def test_a_night_was_listed_when_the_earlier_of_its_dates_was(polling: Polling) -> None:
    """One date is not enough; of two answers the older says how old the listing is."""
    evening = polling.ask((EVENING, EVENING))
    assert polling.state().night_answered_at is None
    polling.ask((MORNING, MORNING))
    assert polling.state().night_answered_at == evening


def test_rows_that_cannot_be_used_are_counted(polling: Polling) -> None:
    """Of the answers that count for the night, the one with the most; corrected ones no more."""
    polling.ask((EVENING, EVENING), faults=3)
    polling.ask((MORNING, MORNING), faults=1)
    polling.ask(LAST_YEAR, faults=7)
    assert polling.state().unusable == 3
    polling.ask(BOTH)
    assert polling.state().unusable == 0


def test_a_sweep_is_recorded_at_its_last_poll(polling: Polling) -> None:
    """Several windows end with the last that was answered; other subjects were not swept."""
    polls, other = polling.catalog.polls, subject(region=Target("M31"))
    polling.ask(LAST_YEAR)
    ended = polling.ask(BOTH)
    polling.ask(BOTH, "it was dark")
    assert polls.last_sweep(SUBJECT) is None
    polls.record_sweep(SUBJECT)
    polls.record_sweep(other)
    assert polls.last_sweep(SUBJECT) == ended
    assert polls.last_sweep(other) is None
    polling.clock.advance(hours=1)
    assert polls.last_successes([SUBJECT, other]) == {SUBJECT: ended}
    assert polling.clock() - ended > timedelta(hours=1)


def test_what_a_wrong_clock_recorded_counts_when_its_time_has_come(polling: Polling) -> None:
    """Until then the latest sweep and answer before it do: it does not count as newer than all."""
    polls = polling.catalog.polls
    right = polling.ask(BOTH)
    polls.record_sweep(SUBJECT)
    polling.clock.advance(days=4000)
    polling.ask(BOTH)
    polls.record_sweep(SUBJECT)
    polling.clock.advance(days=-4000)
    assert polls.last_sweep(SUBJECT) == right
    assert polls.last_successes([SUBJECT]) == {SUBJECT: right}
    latest = polling.ask(BOTH)
    polls.record_sweep(SUBJECT)
    assert polls.last_sweep(SUBJECT) == latest
    assert polls.last_successes([SUBJECT]) == {SUBJECT: latest}
