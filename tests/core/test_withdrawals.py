"""Withdrawals in doubt: how many at once are believed, and when the others are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from winter_sync.core.withdrawals import (
    ANSWERS_NEEDED,
    FEW_WITHDRAWN,
    WITHDRAWN_AFTER,
    Expectation,
    WithdrawalRule,
    is_confirmed,
)

RULE = WithdrawalRule(most=0.2)
NOW = datetime(2024, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("vanished", "expected", "exceeded"),
    [
        (FEW_WITHDRAWN, FEW_WITHDRAWN, False),
        (FEW_WITHDRAWN + 1, FEW_WITHDRAWN + 1, True),
        (20, 100, False),
        (21, 100, True),
        (0, 0, False),
    ],
)
def test_many_at_once_are_not_believed(vanished: int, expected: int, *, exceeded: bool) -> None:
    """More than a few, and more than a fifth of what an answer had to list."""
    assert Expectation(RULE, expected).is_exceeded(vanished) is exceeded


def test_the_answers_of_a_poll_count_together() -> None:
    """Windows of which each lacks a few are no way around the limit."""
    assert not Expectation(RULE, 8, 8, 2).is_exceeded(8)
    assert Expectation(RULE, 8, 8, 3).is_exceeded(8)
    assert not Expectation(RULE, 8, 8, 16).is_exceeded(0)
    assert not Expectation(RULE, 8, 800, 16).is_exceeded(8)


def test_what_the_user_accepts_is_believed() -> None:
    """Whatever vanished."""
    assert not Expectation(WithdrawalRule(most=0.0, accepted=True), 100).is_exceeded(100)


def test_it_takes_several_answers_and_a_day() -> None:
    """Neither many answers in an hour nor two a week apart are enough."""
    assert is_confirmed(NOW - WITHDRAWN_AFTER, ANSWERS_NEEDED, NOW)
    assert not is_confirmed(NOW - WITHDRAWN_AFTER + timedelta(seconds=1), 1000, NOW)
    assert not is_confirmed(NOW - timedelta(days=7), ANSWERS_NEEDED - 1, NOW)
    assert not is_confirmed(NOW + timedelta(days=7), 1000, NOW)
