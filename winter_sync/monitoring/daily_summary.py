"""What the daemon did: a status line for the service, and a summary of each day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from winter_sync.core import (
    DayEnded,
    DownloadsPaused,
    Event,
    EventTable,
    Failed,
    Missing,
    Polled,
    PollFailed,
    ProductFinished,
    ProgramRefused,
    Published,
    ServerFailing,
    ServerRecovered,
    Started,
    Stopped,
    StorageFailing,
    show_instant,
    show_size,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from winter_sync.core import Subject

_DAY_SECONDS = 86_400.0
_SAME_DAY = timedelta(days=1)
"""A clock that is set back by less ends no day twice."""


@dataclass(slots=True)
class _Counts:
    """What a day has brought so far."""

    polls: int = 0
    failed_polls: int = 0
    new: int = 0
    published: int = 0
    size: int = 0
    failed: int = 0
    missing: int = 0
    troubled_seconds: float = 0.0


class _Outage:
    """The present outage of the server, and how much of it was counted already."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.since: datetime | None = None
        self._counted = 0.0

    def begin(self) -> None:
        """Begin an outage now."""
        self.since = self._clock()

    def end(self) -> None:
        """End the outage, if there is one."""
        self.since, self._counted = None, 0.0

    def count(self, seconds: float | None = None) -> float:
        """Return the part of an outage of this length, or of its length so far, not counted yet."""
        length = self._length if seconds is None else seconds
        more = max(0.0, length - self._counted)
        self._counted += more
        return more

    @property
    def _length(self) -> float:
        """Seconds since the server began to fail, by the clock, which may be set; 0 if it answers.

        The part that is not counted yet is never more than a day.
        """
        if self.since is None:
            return 0.0
        passed = (self._clock() - self.since).total_seconds()
        return min(passed, self._counted + _DAY_SECONDS)


class DailySummary:
    """Counts events by UTC day.

    Parameters
    ----------
    clock
        Returns the current UTC time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._day = clock().date()
        self._counts = _Counts()
        self._published = 0
        self._size = 0
        self._last_poll: datetime | None = None
        self._outage = _Outage(clock)
        self._failing: dict[Subject, datetime] = {}
        """Since when each subject could not be listed."""
        self._refused: dict[str, None] = {}
        self._are_downloads_paused = False
        self._trouble: str | None = None
        self._handlers = self._handler_table()

    def handle(self, event: Event) -> None:
        """Count an event."""
        self._handlers.of(event)

    def _handler_table(self) -> EventTable[None]:
        handlers = EventTable[None]()
        handlers.add(Polled, self._polled)
        handlers.add(PollFailed, self._poll_failed)
        handlers.add(ProductFinished, self._finished)
        handlers.add(ServerFailing, self._server_failing)
        handlers.add(ServerRecovered, self._server_recovered)
        handlers.add(Started, self._started)
        handlers.add(StorageFailing, self._storage_failing)
        handlers.add(ProgramRefused, self._program_refused)
        handlers.add(DownloadsPaused, self._downloads_paused)
        return handlers

    def _polled(self, event: Polled) -> None:
        self._counts.polls += 1
        self._counts.new += event.new
        self._last_poll, self._trouble = self._clock(), None
        self._refused.pop(event.query.subject.program, None)
        self._failing.pop(event.query.subject, None)

    def _poll_failed(self, event: PollFailed) -> None:
        self._counts.failed_polls += 1
        self._failing.setdefault(event.query.subject, self._clock())

    def _finished(self, event: ProductFinished) -> None:
        match event.outcome:
            case Published(_, evidence):
                self._counts.published += 1
                self._counts.size += evidence.size
                self._published += 1
                self._size += evidence.size
                self._are_downloads_paused = False
            case Missing():
                self._counts.missing += 1
            case Failed():
                self._counts.failed += 1

    def _server_failing(self, event: ServerFailing) -> None:
        del event
        self._outage.begin()

    def _server_recovered(self, event: ServerRecovered) -> None:
        self._counts.troubled_seconds += self._outage.count(event.seconds)
        self._outage.end()

    def _started(self, event: Started) -> None:
        """Forget troubles: after a start nothing is known of the server and the programs."""
        del event
        self._counts.troubled_seconds += self._outage.count()
        self._outage.end()
        self._refused.clear()
        self._failing.clear()
        self._are_downloads_paused = False

    def _storage_failing(self, event: StorageFailing) -> None:
        self._trouble = event.reason

    def _program_refused(self, event: ProgramRefused) -> None:
        self._refused[event.program] = None

    def _downloads_paused(self, event: DownloadsPaused) -> None:
        del event
        self._are_downloads_paused = True

    # --- the summary ---------------------------------------------------------------------------

    def end_day(self) -> DayEnded | None:
        """Return the summary of the day if it is over, and begin the next."""
        today = self._clock().date()
        if self._day - today > _SAME_DAY:
            # The clock was ahead: otherwise no day would end until it is there again.
            self._day = today
        if today <= self._day:
            return None
        self._counts.troubled_seconds += self._outage.count()
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
        """What was published since the start, as the last event."""
        return Stopped(self._published, self._size)

    @property
    def status_line(self) -> str:
        """The state of the daemon in a line: troubles first."""
        parts = [self._trouble] if self._trouble is not None else []
        if self._outage.since is not None:
            since = self._moment(self._outage.since)
            parts.append(f"server not responding or returning errors since {since}")
        if self._refused:
            parts.append(f"credentials refused for {', '.join(self._refused)}")
        if failing := self._failing_polls:
            parts.append(failing)
        if self._are_downloads_paused:
            parts.append("downloads paused: nothing arrives")
        parts.append(f"{self._last_answer}, {self._published} downloaded ({show_size(self._size)})")
        return "; ".join(parts)

    @property
    def _failing_polls(self) -> str:
        """Which polls fail, and since when, except for programs that are refused."""
        failing = {
            subject: since
            for subject, since in self._failing.items()
            if subject.program not in self._refused
        }
        if not failing:
            return ""
        programs = ", ".join(dict.fromkeys(subject.program for subject in failing))
        return f"polls of {programs} failing since {self._moment(min(failing.values()))}"

    @property
    def _last_answer(self) -> str:
        """When the archive last answered: called the last poll only where none failed since."""
        if self._last_poll is None:
            return "no poll has succeeded yet" if self._failing else "no poll yet"
        label = "archive last answered" if self._failing else "last poll"
        return f"{label} {self._moment(self._last_poll)}"

    def _moment(self, at: datetime) -> str:
        return show_instant(at, self._clock())
