"""When to poll: ticks that only say that a subject is due, and do no work themselves."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.date import DateTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from apscheduler.events import JobExecutionEvent

    from winter_sync.core import Subject, Time

_JITTER = 0.1
_LONGEST_JITTER = timedelta(minutes=1)


class RegularTrigger(BaseTrigger):  # type: ignore[misc] # APScheduler ships no types
    """Fires at intervals that are each a little longer than asked for: not all come together then.

    APScheduler asks a trigger for every time up to now before it runs a job, which takes seconds
    and hundreds of megabytes when the clock went on by a year. This one has at most one such time:
    the next is always after now, however many were missed.

    Parameters
    ----------
    every
        The shortest interval.
    jitter
        How much longer an interval may be.
    random
        Returns random numbers in [0, 1).
    """

    __slots__ = ("_every", "_jitter", "_random")

    def __init__(self, every: timedelta, jitter: timedelta, random: Callable[[], float]) -> None:
        self._every = every
        self._jitter = jitter
        self._random = random

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the first time after now; regular, unless times were missed."""
        interval = self._every + self._jitter * self._random()
        regular = (previous_fire_time or now) + interval
        return regular if regular > now else now + interval


class Schedule:
    """Ticks for every subject: at once, and then at its interval, each a little late.

    All times are UTC, so that no change to or from summer time moves a tick. Several ticks that
    were missed count as one and cost no more than one, whether the process was stopped or the
    clock set. A tick takes no time, so that no two of them overlap.

    Parameters
    ----------
    intervals
        The time between two ticks of each subject.
    due
        Called with each subject that is due.
    failed
        Called with an error inside a tick, which would otherwise be swallowed.
    time
        A clock, and chance, which spreads the ticks.
    """

    def __init__(
        self,
        intervals: Mapping[Subject, timedelta],
        due: Callable[[Subject], None],
        failed: Callable[[BaseException], None],
        time: Time,
    ) -> None:
        self._intervals = dict(intervals)
        self._due = due
        self._failed = failed
        self._time = time
        # It calls the ticks at once: the usual one makes tasks of them, which a stop would cancel
        # before they ran, and it would log each with a traceback.
        self._scheduler = AsyncIOScheduler(
            executors={"default": DebugExecutor()},
            timezone=UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin; every subject is due at once. To be called on the event loop."""
        self._scheduler.add_listener(self._report_error, EVENT_JOB_ERROR)
        for subject, every in self._intervals.items():
            jitter = min(every * _JITTER, _LONGEST_JITTER)
            self._scheduler.add_job(
                self._tick,
                RegularTrigger(every, jitter, self._time.random),
                args=[subject],
                id=repr(subject),
                next_run_time=self._time.clock(),
            )
        self._scheduler.start()

    async def stop(self) -> None:
        """End; no tick comes afterwards."""
        self._scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # APScheduler puts its end off to the loop's next turn

    def again(self, subject: Subject, wait: timedelta) -> None:
        """Make a subject due once more after a wait; of several such requests the last counts."""
        self._scheduler.add_job(
            self._tick,
            DateTrigger(self._time.clock() + wait, timezone=UTC),
            args=[subject],
            id=_again(subject),
            replace_existing=True,
        )

    def all_now(self) -> None:
        """Make everything due at once, and restart the intervals.

        Needed when the clock was set: ticks go by the clock, and would come too late.
        """
        for subject in self._intervals:
            self._scheduler.modify_job(repr(subject), next_run_time=self._time.clock())
            if (again := self._scheduler.get_job(_again(subject))) is not None:
                again.remove()

    def _tick(self, subject: Subject) -> None:
        self._due(subject)

    def _report_error(self, event: JobExecutionEvent) -> None:
        self._failed(event.exception)


def _again(subject: Subject) -> str:
    return f"again {subject!r}"
