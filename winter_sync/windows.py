"""How long a window the archive answers at once, learnt from trouble and from success."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync import plan

if TYPE_CHECKING:
    from datetime import date

    from winter_sync.models import Query, Subject

_MOST_PATIENT = 64
"""Answered windows, at most, between two tries of longer ones."""


@dataclass(slots=True)
class _Limit:
    """The most dates to ask for at once, and what is known of longer windows.

    `failed` is the greatest length that was too much; `answered` counts the windows of nearly the
    present length that were answered since it was set, and `needed` how many must be.
    """

    days: int
    failed: int
    answered: int = 0
    needed: int = 1


class Windows:
    """Remembers how long windows may be, for each subject that ever had trouble.

    After a window was answered the next is twice as long. Where that turns out too long again,
    twice as many must be answered before the next try: a bad minute is soon forgotten, and an
    archive that can never list so much is seldom asked to.
    """

    def __init__(self) -> None:
        self._limits: dict[Subject, _Limit] = {}

    def is_too_long(self, query: Query, today: date) -> bool:
        """Return whether a window is longer than what its subject takes at present."""
        limit = self._limits.get(query.subject)
        return limit is not None and plan.days_of(query, today) > limit.days

    def was_too_long(self, query: Query, half: Query, today: date) -> None:
        """Learn that a window was too much for the archive and that its halves were not."""
        days, failed = plan.days_of(half, today), plan.days_of(query, today)
        limit = self._limits.setdefault(query.subject, _Limit(days, failed))
        limit.failed = max(limit.failed, failed)
        if days < limit.days:
            limit.days, limit.answered = days, 0
            limit.needed = min(2 * limit.needed, _MOST_PATIENT)

    def was_answered(self, query: Query, today: date) -> None:
        """Learn that a window was answered in full."""
        limit = self._limits.get(query.subject)
        days = plan.days_of(query, today)
        if limit is None or 2 * days <= limit.days:
            return
        if days >= limit.failed:
            del self._limits[query.subject]
            return
        limit.answered += 1
        if limit.answered >= limit.needed:
            limit.days, limit.answered = min(2 * limit.days, limit.failed), 0
