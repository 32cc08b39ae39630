"""When a night is settled: never more than was seen, for any numbers and times."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from winter_sync.core.nights import USUAL_DELAY, NightHistory, Numbers, end_of
from winter_sync.core.products import Night

NIGHT = Night("20240211")
ENDED = end_of(NIGHT)
HOURS = some.integers(-100, 300).map(lambda hours: ENDED + timedelta(hours=hours))
FEW = some.integers(0, 2)
NUMBERS = some.builds(
    Numbers, here=FEW, pending=FEW, missing=FEW, not_kept=FEW, size=some.just(0), damaged=FEW
)
HISTORIES = some.builds(
    NightHistory,
    night=some.just(NIGHT),
    numbers=NUMBERS,
    changed_at=some.none() | HOURS,
    listed_at=some.none() | HOURS,
    held=FEW,
)
WAITS = some.integers(0, 100).map(lambda hours: timedelta(hours=hours))


@given(HISTORIES, WAITS, HOURS)
def test_a_settled_night_was_seen_whole_and_quiet(
    history: NightHistory, settle_after: timedelta, now: datetime
) -> None:
    """Nothing of it is pending or damaged, and it was listed when it had been quiet long enough."""
    if not history.is_settled(settle_after, now):
        return
    numbers, changed, listed = history.numbers, history.changed_at, history.listed_at
    assert numbers.listed + numbers.not_kept > 0
    assert not numbers.pending
    assert not numbers.damaged
    assert not history.held
    assert changed is not None
    assert listed is not None
    assert changed + settle_after <= listed <= now
    assert ENDED + USUAL_DELAY + settle_after <= listed


@given(HISTORIES, WAITS, HOURS)
def test_a_change_unsettles(history: NightHistory, settle_after: timedelta, now: datetime) -> None:
    """Whatever changed after the last answer: that answer says nothing of it."""
    settle_after += timedelta(seconds=1)
    assert not replace(history, changed_at=now).is_settled(settle_after, now)
    assert not replace(history, changed_at=history.listed_at).is_settled(settle_after, now)


@given(WAITS)
def test_a_night_settles_once_it_was_listed_and_quiet(settle_after: timedelta) -> None:
    """What is missing or not kept does not count; a second earlier is too early."""
    due = ENDED + USUAL_DELAY + settle_after
    numbers = Numbers(here=3, missing=1, not_kept=2)
    history = NightHistory(NIGHT, numbers, changed_at=ENDED, listed_at=due)
    assert history.is_settled(settle_after, due)
    early = replace(history, listed_at=due - timedelta(seconds=1))
    assert not early.is_settled(settle_after, due)
