"""What is said of a night is never more than is known, for any counts, polls and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from winter_sync.catalog.records import NightCount, PollState, QueueCount
from winter_sync.core.nights import Numbers, end_of
from winter_sync.core.products import Night
from winter_sync.core.queries import Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.completeness import (
    ArchiveState,
    NightState,
    all_here,
    last_night,
    tonight,
)
from winter_sync.monitoring.status_text import headline, remainder, when

PALOMAR = ZoneInfo("America/Los_Angeles")
NOW = datetime(2024, 2, 29, 18, tzinfo=UTC)
NIGHT = Night("20240228")
PROGRAMS = ("2024A000", "2024B000")

few = some.integers(0, 3)
minutes = some.integers(0, 5000).map(lambda ago: NOW - timedelta(minutes=ago))
instants = some.integers(0, 14 * 366 * 86_400).map(
    lambda seconds: datetime(2021, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@some.composite
def counts_of_a_night(draw: some.DrawFn) -> NightCount:
    """Make any counts that a catalog may have of one type."""
    published, withdrawn, size = draw(few), draw(few), draw(some.integers(0, 10**9))
    both = draw(some.integers(0, min(published, withdrawn)))
    return NightCount(
        NIGHT,
        draw(some.sampled_from(Instrument)),
        draw(some.sampled_from(ImageType)),
        *(published, draw(few), draw(few), withdrawn, size, both),
        size * both // max(published, 1),
    )


@some.composite
def poll_states(draw: some.DrawFn) -> PollState:
    """Make any state that the polls of a type may be in."""
    subject = Subject(
        draw(some.sampled_from(PROGRAMS)), Instrument.WINTER, draw(some.sampled_from(ImageType))
    )
    answered, failing = draw(some.none() | minutes), draw(some.none() | minutes)
    covering = draw(some.none() | minutes) if answered else None
    down = failing if answered is None or draw(some.booleans()) else None
    error = "it is down" if failing else None
    return PollState(subject, answered, covering, failing, error, down)


nights = some.builds(
    lambda counts, states, programs: (
        counts,
        NightState(NIGHT, Numbers.of(counts), states, frozenset(programs)),
    ),
    some.lists(counts_of_a_night(), max_size=4),
    some.lists(poll_states(), max_size=4),
    some.sets(some.sampled_from(PROGRAMS)),
)


@given(nights)
def test_all_is_never_said_of_what_is_not_known_to_be_all(
    night: tuple[list[NightCount], NightState],
) -> None:
    """Not while something is wanted or missing, was never listed, or failed when last asked."""
    counts, state = night
    said = headline(state.numbers, may_say_all=state.is_all_here)
    if said.startswith("all "):
        listed = sum(count.published - count.withdrawn_here for count in counts)
        assert said.startswith(f"all {listed} listed are here")
        assert listed > 0
        assert not any(count.wanted for count in counts)
        assert not any(
            count.missing for count in counts if count.image_type is not ImageType.SCIENCE
        )
        assert state.states
        assert not any(found.failing_since for found in state.states)
        assert all(found.answered_at for found in state.states)
    if state.is_complete:
        assert said.startswith("all ")
        concerned = [found for found in state.states if found.subject.program in state.programs]
        covering = [state.night_answered_at for state in concerned]
        assert all(at and at >= end_of(NIGHT) for at in covering)


@given(nights)
def test_the_sums_agree(night: tuple[list[NightCount], NightState]) -> None:
    """Every product that is listed is counted in just one of the numbers."""
    counts, state = night
    numbers = state.numbers
    listed = sum(
        count.published - count.withdrawn_here + count.wanted + count.missing for count in counts
    )
    assert numbers.here + numbers.pending + numbers.missing == numbers.listed
    assert numbers.listed + numbers.not_kept == listed
    assert min(numbers.here, numbers.pending, numbers.missing, numbers.not_kept) >= 0
    queue = QueueCount(
        None, listed, numbers.pending, 0, numbers.missing, numbers.not_kept, asked_at=""
    )
    assert Numbers.of_program(queue) == Numbers(
        numbers.here, numbers.pending, numbers.missing, numbers.not_kept
    )
    words = remainder(numbers, queue, NOW)
    assert len(words) == sum(map(bool, (numbers.pending, numbers.missing, numbers.not_kept)))


@given(instants)
def test_the_last_night_is_over_and_the_next_is_not(now: datetime) -> None:
    """By the calendar: it never lies in the future, and no night is passed over."""
    night = last_night(now)
    assert end_of(night) <= now < end_of(night.plus(1))
    assert night.day < now.date()
    assert night.day < now.astimezone(PALOMAR).date() or now.astimezone(PALOMAR).hour >= 8
    under_way = tonight(now)
    assert under_way in {None, night.plus(1)}
    assert (under_way is None) == (now.hour >= 16)


@pytest.mark.parametrize(
    ("now", "night", "under_way"),
    [
        ("2024-02-29T15:59:59", "20240227", "20240228"),
        ("2024-02-29T16:00:00", "20240228", None),
        ("2024-02-29T19:59:59", "20240228", None),  # noon at Palomar is 20:00 UTC
        ("2024-02-29T20:00:00", "20240228", None),
        ("2024-02-29T23:59:59", "20240228", None),
        ("2024-03-01T00:00:00", "20240228", "20240229"),  # 16:00 at Palomar
        ("2024-03-10T09:59:59", "20240308", "20240309"),  # clocks go forward in this night
        ("2024-03-10T10:00:00", "20240308", "20240309"),
        ("2024-03-10T16:00:00", "20240309", None),
        ("2024-07-04T15:30:00", "20240702", "20240703"),  # 08:30 of summer time
        ("2024-07-04T16:00:00", "20240703", None),
        ("2024-11-03T08:59:59", "20241101", "20241102"),  # clocks go back in this night
        ("2024-11-03T09:00:00", "20241101", "20241102"),
        ("2024-11-03T16:00:00", "20241102", None),
        ("2025-01-01T00:30:00", "20241230", "20241231"),
    ],
)
def test_the_night_at(now: str, night: str, under_way: str | None) -> None:
    """It changes at 16:00 UTC, all year and also when clocks on the wall are set."""
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert last_night(at).name == night
    assert (str(tonight(at)) if under_way else tonight(at)) == under_way
    elsewhere = at.astimezone(ZoneInfo("Pacific/Kiritimati"))
    assert last_night(elsewhere).name == night


@given(some.lists(poll_states(), max_size=6))
def test_an_archive_is_said_to_fail_only_when_all_of_it_does(states: list[PollState]) -> None:
    """While anything that was asked is listed it is not; its last answer is the newest."""
    reach = ArchiveState.of(states)
    answers = [state.answered_at for state in states if state.answered_at]
    assert reach.last_answer == max(answers, default=None)
    asked = [state for state in states if state.answered_at or state.failing_since]
    assert (reach.failing_since is not None) == (
        bool(asked) and all(candidate.down_since for candidate in asked)
    )
    assert (reach.error is None) == (reach.failing_since is None)
    if reach.failing_since is not None:
        assert not all_here(Numbers(here=1), states)


def test_it_fails_since_the_first_failure_after_the_last_answer() -> None:
    """Of types that were asked one after the other, those that failed before it do not count."""

    def at(answered: int, failing: int) -> PollState:
        subject = Subject(PROGRAMS[0], Instrument.WINTER, ImageType.STACK)
        times = [NOW - timedelta(minutes=ago) for ago in (answered, answered, failing)]
        return PollState(subject, times[0], times[1], times[2], f"down for {failing}", times[2])

    reach = ArchiveState.of([at(70, 60), at(50, 40), at(55, 30)])
    assert reach == ArchiveState(
        NOW - timedelta(minutes=50), NOW - timedelta(minutes=40), "down for 30"
    )


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (None, "now"),
        ("", "now"),
        ("2024-02-29T17:59:59.000+00:00", "now"),
        ("2024-02-29T23:04:00.000+00:00", "23:04 UTC"),
        ("2024-03-01T02:04:00.000+00:00", "2024-03-01 02:04 UTC"),
    ],
)
def test_when_it_is_asked_again(at: str | None, said: str) -> None:
    """To the minute, with the day where that is another one; what is due is due now."""
    assert when(at, NOW) == said
