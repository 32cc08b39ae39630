"""Which windows of dates were too much for the archive lately."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import FAILED_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime, timedelta

    from winter_sync.core import Query, Subject

    Dates = tuple[date, date]


@dataclass(frozen=True, slots=True)
class _Failure:
    """Until when a window is not asked for at once, and how often in a row it has failed."""

    until: datetime
    times: int

    @property
    def wait(self) -> timedelta:
        """The wait that ends then."""
        return FAILED_WINDOW.delay(self.times)


class FailedWindows:
    """Remembers windows that the archive could not answer at once, for a while.

    Whatever contains one of them would fail as well and is halved without being asked for. After
    an hour the window is tried again; each time it fails that hour doubles, up to a day. An answer
    to it, or to one that contains it, ends this: a bad minute is soon forgotten, and what an
    archive can never list is seldom asked for.

    Parameters
    ----------
    clock
        Returns the current UTC time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.server_in_doubt = False
        """Whether nothing was answered of the last poll: no window is blamed then."""
        self._clock = clock
        self._failures: dict[Subject, dict[Dates, _Failure]] = defaultdict(dict)

    def is_too_long(self, query: Query, today: date) -> bool:
        """Return whether a window contains one that failed lately."""
        now = self._clock()
        return any(
            # A time further ahead than any wait is of a clock that was wrong.
            now < failure.until <= now + failure.wait
            for dates, failure in self._failures[query.subject].items()
            if _contains(_dates(query, today), dates)
        )

    def was_too_long(self, query: Query, today: date) -> None:
        """Record that a window was too much for the archive and that its parts were not."""
        failures, dates, now = self._failures[query.subject], _dates(query, today), self._clock()
        before = failures.get(dates)
        times = before.times + 1 if before else 1
        longest = FAILED_WINDOW.longest
        for old in [dates for dates, failed in failures.items() if now - failed.until > longest]:
            del failures[old]
        failures[dates] = _Failure(now + FAILED_WINDOW.delay(times), times)

    def was_answered(self, query: Query, today: date) -> None:
        """Record that a window was answered in full, and with it all that it contains."""
        failures, asked = self._failures[query.subject], _dates(query, today)
        for dates in [dates for dates in failures if _contains(asked, dates)]:
            del failures[dates]


def _dates(query: Query, today: date) -> Dates:
    return query.start, query.end or today


def _contains(outer: Dates, inner: Dates) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]
