"""Withdrawals in doubt: how many products an archive may withdraw at once and be believed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.core.queries import Subject

FEW_WITHDRAWN = 10
"""So many products of one poll are withdrawn without doubt, whatever part of its listing they are:
of a program that has few, a reprocessed night is a large part."""
ANSWERS_NEEDED = 3
"""So many complete answers in a row must lack what many of at once vanished."""
WITHDRAWN_AFTER = timedelta(days=1)
"""And so long after the first of them."""


@dataclass(frozen=True, slots=True)
class WithdrawalRule:
    """How many products may vanish at once and be believed to be withdrawn.

    Parameters
    ----------
    most
        The part of what an answer must list, or all answers of the poll together; 0 to 1.
    accepted
        Whether the user said that all is right: then every withdrawal is believed.
    """

    most: float = 0.2
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the products that vanished in an answer are compared with.

    Parameters
    ----------
    rule
        How many may vanish.
    expected
        How many products that answer had to list.
    poll_expected, poll_vanished
        How many the earlier answers of the same poll had to list, and did not.
    """

    rule: WithdrawalRule
    expected: int
    poll_expected: int = 0
    poll_vanished: int = 0

    def is_exceeded(self, vanished: int) -> bool:
        """Return whether so many vanished that the archive is not believed yet."""
        if self.rule.accepted:
            return False
        together = self.poll_vanished + vanished
        return self._are_many(vanished, self.expected) or (
            vanished > 0 and self._are_many(together, self.poll_expected + self.expected)
        )

    def with_recent(self, withdrawn: int) -> Expectation:
        """Return the expectation when so many were withdrawn within `WITHDRAWN_AFTER`.

        They count as if they had vanished in this poll, some of which may have: an archive that
        withdraws a little at each poll is believed no more than one that does so at once.
        """
        return replace(
            self,
            poll_expected=max(self.poll_expected, withdrawn),
            poll_vanished=max(self.poll_vanished, withdrawn),
        )

    def _are_many(self, vanished: int, expected: int) -> bool:
        return vanished > FEW_WITHDRAWN and vanished > self.rule.most * expected


@dataclass(frozen=True, slots=True)
class HeldWithdrawal:
    """Products of one subject that vanished at once and are not believed to be withdrawn yet.

    Parameters
    ----------
    subject
        What was asked for.
    products
        How many are held.
    expected
        How many products the first answer that lacked them had to list.
    since
        When the first answer lacked them.
    answers
        How many complete answers lacked them so far.
    """

    subject: Subject
    products: int
    expected: int
    since: datetime
    answers: int

    @property
    def until(self) -> datetime:
        """The earliest time at which they can be believed to be withdrawn."""
        return self.since + WITHDRAWN_AFTER

    @property
    def answers_left(self) -> int:
        """How many more complete answers must lack them, the last of them after `until`."""
        return max(ANSWERS_NEEDED - self.answers, 1)


def is_confirmed(since: datetime, answers: int, now: datetime) -> bool:
    """Return whether enough complete answers lacked a product, over a long enough time."""
    return answers >= ANSWERS_NEEDED and now - since >= WITHDRAWN_AFTER
