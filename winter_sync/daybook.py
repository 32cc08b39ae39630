"""What the daemon did lately: a status line for the service, and a summary of each day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from winter_sync.events import (
    DayEnded,
    Event,
    Polled,
    PollFailed,
    ServerUnwell,
    ServerWell,
    Settled,
    Started,
    Stopped,
    StorageTrouble,
)
from winter_sync.models import Failed, Missing, Published
from winter_sync.units import show_size

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

_SAME_DAY = timedelta(days=1)
"""A clock that is set back by less ends no day twice."""


@dataclass(slots=True)
class _Counts:
    """What a day brought so far."""

    polls: int = 0
    failed_polls: int = 0
    new: int = 0
    published: int = 0
    size: int = 0
    failed: int = 0
    missing: int = 0
    troubled_seconds: float = 0.0


class Daybook:
    """Counts events by UTC day.

    Parameters
    ----------
    clock
        Gives the current UTC time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._day = clock().date()
        self._counts = _Counts()
        self._published = 0
        self._size = 0
        self._last_poll: datetime | None = None
        self._unwell_since: datetime | None = None
        self._trouble: str | None = None

    def tell(self, event: Event) -> None:
        """Count what happened."""
        match event:
            case Polled():
                self._counts.polls += 1
                self._counts.new += event.new
                self._last_poll, self._trouble = self._clock(), None
            case PollFailed():
                self._counts.failed_polls += 1
            case Settled(outcome):
                self._settle(outcome)
            case ServerUnwell():
                self._unwell_since = self._clock()
            case ServerWell(seconds):
                self._counts.troubled_seconds += seconds
                self._unwell_since = None
            case Started():
                # What is begun anew does not know yet how the server is.
                self._unwell_since = None
            case StorageTrouble(reason):
                self._trouble = reason
            case _:
                pass

    def _settle(self, outcome: object) -> None:
        match outcome:
            case Published(_, evidence):
                self._counts.published += 1
                self._counts.size += evidence.size
                self._published += 1
                self._size += evidence.size
            case Missing():
                self._counts.missing += 1
            case Failed():
                self._counts.failed += 1

    def turn(self) -> DayEnded | None:
        """Give the summary of the day if it is over, and begin the next."""
        today = self._clock().date()
        if self._day - today > _SAME_DAY:
            # The clock was ahead: else no day would end until it is there again.
            self._day = today
        if today <= self._day:
            return None
        ended = self._summary(self._day)
        self._day, self._counts = today, _Counts()
        return ended

    def _summary(self, day: date) -> DayEnded:
        counts = self._counts
        return DayEnded(
            day=day.isoformat(),
            polls=counts.polls,
            failed_polls=counts.failed_polls,
            new=counts.new,
            published=counts.published,
            size=counts.size,
            failed=counts.failed,
            missing=counts.missing,
            troubled_seconds=round(counts.troubled_seconds, 1),
        )

    @property
    def stopped(self) -> Stopped:
        """What was published since the beginning, as the last thing to be told."""
        return Stopped(self._published, self._size)

    @property
    def line(self) -> str:
        """How things are, in a line: troubles first."""
        polled = f"last poll {self._last_poll:%H:%M} UTC" if self._last_poll else "no poll yet"
        parts = [f"{polled}, {self._published} published ({show_size(self._size)})"]
        if self._unwell_since is not None:
            parts.insert(0, f"server unwell since {self._unwell_since:%H:%M} UTC")
        if self._trouble is not None:
            parts.insert(0, self._trouble)
        return "; ".join(parts)
