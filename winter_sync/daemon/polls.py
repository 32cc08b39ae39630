"""The daemon's polls: due by schedule, one program's after another, refused programs left alone."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.core import FAILED_POLL, CredentialsRefusedError, ProgramRefused
from winter_sync.daemon.schedule import Schedule
from winter_sync.sync import RefusedPrograms

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from winter_sync.core import PollSchedule, Selection, Subject, Time
    from winter_sync.daemon.watchdog import Watchdog
    from winter_sync.sync import Coordination, Mirror

_A_MOMENT = timedelta(seconds=1)


class ScheduledPolls:
    """Polls the subjects of a mirror as they become due.

    Ticks only say what is due. Each program has a task that polls what is due of it, one subject
    after the other, so that no poll overlaps itself and no program waits for another.

    Parameters
    ----------
    mirror
        The mirror to poll for.
    coordination
        Woken after each poll.
    poll_schedule
        How often to poll each subject.
    retry_refused_every
        How long a program whose credentials are refused is left alone.
    watchdog
        Watches whether polls progress.
    time
        Clocks, how to wait, and chance.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        mirror: Mirror,
        coordination: Coordination,
        *,
        poll_schedule: Callable[[Subject], PollSchedule],
        retry_refused_every: timedelta,
        watchdog: Watchdog,
        time: Time,
    ) -> None:
        self.refused = RefusedPrograms(self._suspend)
        self._mirror = mirror
        self._coordination = coordination
        self._retry_refused_every = retry_refused_every
        self._watchdog = watchdog
        self._time = time
        self._intervals = {
            subject: poll_schedule(subject).poll_every
            for selection in mirror.selections
            for subject in selection.subjects
        }
        self._schedule = Schedule(self._intervals, self._mark_due, self._fail, time)
        self._due: dict[str, dict[Subject, None]] = defaultdict(dict)
        self._became_due: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._suspended: dict[str, float] = {}
        self._failures: Counter[Subject] = Counter()
        self._broken: asyncio.Future[None] | None = None

    @property
    def subjects(self) -> Collection[Subject]:
        """All that is polled."""
        return self._intervals.keys()

    def start(self) -> None:
        """Begin; every subject is due at once. Call on the event loop."""
        self._broken = asyncio.get_running_loop().create_future()
        self._schedule.start()
        self._expect_poll()

    async def stop(self) -> None:
        """End; nothing becomes due any more."""
        await self._schedule.stop()

    def poll_all_now(self) -> None:
        """Make everything due at once, as when the clock was set."""
        self._schedule.all_now()

    def _mark_due(self, subject: Subject) -> None:
        self._due[subject.program][subject] = None
        self._became_due[subject.program].set()

    async def poll(self, selection: Selection) -> None:
        """Poll what is due of a program, as it becomes due and while it is not left alone."""
        program = selection.program
        due, became_due = self._due[program], self._became_due[program]
        while True:
            await became_due.wait()
            while due:
                await self._until_admitted(program)
                subject = next(iter(due))
                del due[subject]
                await self._poll_subject(selection, subject)
            became_due.clear()

    async def _poll_subject(self, selection: Selection, subject: Subject) -> None:
        self._expect_poll()
        with self._watchdog.polling(subject.program):
            progress = partial(self._watchdog.record_poll_progress, subject.program)
            await self._mirror.quick_check.check_before_poll(selection, subject, progress)
            result = await self._mirror.poller.poll(selection, subject)
            if isinstance(result.error, CredentialsRefusedError):
                others = [other for other in selection.subjects if other != subject]
                await self._mirror.poller.record_unreachable(others, result.error.message)
                self.refused.add(subject.program, result.error)
            elif result.error is not None:
                self._poll_again(subject)
            else:
                self._record_success(subject)
        self._coordination.wake()

    def _record_success(self, subject: Subject) -> None:
        del self._failures[subject]
        if self._is_admitted(subject.program):
            self.refused.remove(subject.program)

    def _poll_again(self, subject: Subject) -> None:
        """Poll again sooner than the schedule says, but ever later while that fails."""
        self._failures[subject] += 1
        wait = FAILED_POLL.delay(self._failures[subject])
        if wait < self._intervals[subject]:
            self._schedule.again(subject, wait)

    def _suspend(self, program: str, refused: CredentialsRefusedError) -> None:
        """Leave a program alone whose credentials are refused, and say so each time."""
        if not self._is_admitted(program):
            return
        wait = self._retry_refused_every
        self._suspended[program] = self._time.monotonic() + wait.total_seconds()
        for subject in self._intervals:
            if subject.program == program:
                self._mark_due(subject)
        self._expect_poll()
        seconds = wait.total_seconds()
        self._mirror.emit(ProgramRefused(program, refused.message, seconds, refused.code))

    def _is_admitted(self, program: str) -> bool:
        return self._time.monotonic() >= self._suspended.get(program, 0.0)

    async def _until_admitted(self, program: str) -> None:
        wait = self._suspended.get(program, 0.0) - self._time.monotonic()
        if wait > 0:
            await self._time.sleep(wait + _A_MOMENT.total_seconds())

    def _expect_poll(self) -> None:
        """Expect the next poll when the shortest interval of an admitted program says so."""
        if self._coordination.closed:
            return
        waits = [
            every.total_seconds()
            for subject, every in self._intervals.items()
            if self._is_admitted(subject.program)
        ]
        self._watchdog.expect_poll(min(waits, default=None))

    async def watch_schedule(self) -> None:
        """Fail when a tick did: otherwise polls would end unnoticed."""
        if self._broken is not None:
            await self._broken

    def _fail(self, error: BaseException) -> None:
        if self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)
