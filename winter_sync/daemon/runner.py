"""A mirror kept up to date for as long as it lasts: polls and downloads side by side."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.catalog import Queue
from winter_sync.core import (
    FAILED_POLL,
    FUTILE_DOWNLOADS,
    ClockJumped,
    DownloadsPaused,
    ProgramRefused,
    Published,
    RefusedError,
)
from winter_sync.daemon.schedule import Schedule
from winter_sync.sync import (
    Coordination,
    DownloadBreaker,
    DownloadLoop,
    RefusedPrograms,
    RollingCheck,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from winter_sync.core import PollSchedule, Selection, Subject, Time, WinterSyncError
    from winter_sync.daemon.watchdog import Watchdog
    from winter_sync.sync import BatchResult, Mirror

_PUT_IN_ORDER_EVERY = timedelta(minutes=10)
_LOOK_FOR_WORK_EVERY = timedelta(minutes=5)
_CLOCK_LOOKED_AT_EVERY = timedelta(seconds=30)
_SERVER_LOOKED_AT_EVERY = timedelta(seconds=30)
_JUMP = timedelta(seconds=20)
"""What the clock goes further than time does, or less far, and is no mere correction."""
_A_MOMENT = timedelta(seconds=1)


class Daemon:
    """Keeps a mirror up to date until it is closed or something of it fails.

    Ticks only say what is due. Each program has a task that polls what is due of it, one subject
    after the other, so that no poll overlaps itself and no program waits for another. Downloads
    are worked off by as many tasks as there may be connections. What is to be done stands in the
    catalog: whatever ends this loses nothing.

    Parameters
    ----------
    mirror
        What is kept up to date.
    rhythm
        How often to poll each subject.
    retry_refused_every
        How long a program whose credentials are refused is left alone.
    check_rate, check_every
        How many bytes of files to read again in a second, 0 for none; how often each file.
    watchdog
        Watches whether work gets on.
    time
        Clocks, and how to wait.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        mirror: Mirror,
        *,
        rhythm: Callable[[Subject], PollSchedule],
        retry_refused_every: timedelta,
        check_rate: int = 0,
        check_every: timedelta = timedelta(days=30),
        watchdog: Watchdog,
        time: Time,
    ) -> None:
        self._mirror = mirror
        self._retry_refused_every = retry_refused_every
        self._watchdog = watchdog
        self._time = time
        self._emit = mirror.emit
        self._rhythms = {
            subject: rhythm(subject).poll_every
            for selection in mirror.selections
            for subject in selection.subjects
        }
        self._check_rate, self._check_every = check_rate, check_every
        self._schedule = Schedule(self._rhythms, self._mark_due, self._fail, time)
        self._coordination = Coordination()
        self._breaker = DownloadBreaker()
        self._refused = RefusedPrograms(self._suspend)
        self._due: dict[str, dict[Subject, None]] = defaultdict(dict)
        self._became_due: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._suspended: dict[str, float] = {}
        self._failures: Counter[Subject] = Counter()
        self._pauses = 0
        self._is_paused = False
        self._broken: asyncio.Future[None] | None = None
        self._tasks: dict[bool, list[asyncio.Task[None]]] = {False: [], True: []}

    async def run(self) -> None:
        """Work until closed.

        Raises
        ------
        ExceptionGroup
            Of whatever any part of it failed for; all other parts were ended then.
        """
        await self._mirror.recover()
        self._broken = asyncio.get_running_loop().create_future()
        self._schedule.start()
        self._expect_poll()
        try:
            async with asyncio.TaskGroup() as group:
                self._begin(group)
        finally:
            await self._schedule.stop()

    def _begin(self, group: asyncio.TaskGroup) -> None:
        if self._coordination.closed:
            return

        def begin(work: Callable[[], Awaitable[None]], *, may_finish: bool = False) -> None:
            self._tasks[may_finish].append(group.create_task(self._part(work)))

        for selection in self._mirror.selections:
            begin(partial(self._poll, selection))
        loop = self._download_loop()
        for _ in range(self._mirror.connections):
            begin(loop.run, may_finish=True)
        begin(self._keep_in_order)
        begin(self._watch_clock)
        begin(self._watch_server)
        begin(self._watch_schedule)
        if self._check_rate:
            begin(self._rolling_check().run)

    def _rolling_check(self) -> RollingCheck:
        mirror = self._mirror
        return RollingCheck(
            catalog=mirror.catalog,
            root=mirror.session.tree.root,
            quick_check=mirror.quick_check,
            threads=mirror.threads,
            rate=self._check_rate,
            every=self._check_every,
            is_busy=lambda: mirror.downloader.under_way > 0,
            follow_links=mirror.session.tree.follow_links,
            found_lost=self._coordination.wake,
            emit=self._emit,
            time=self._time,
        )

    async def _part(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the work; when it ends, nothing new is begun anywhere."""
        try:
            await work()
        finally:
            self._coordination.close()

    def close(self) -> None:
        """Begin nothing new: polls end at once, downloads when what is under way has come.

        While the server is being left alone nothing comes, so those that wait for it end too.
        """
        self._coordination.close()
        for task in self._tasks[False]:
            task.cancel()
        if self._mirror.api.is_held:
            self.abort()

    def abort(self) -> None:
        """End everything at once; what had come whole stays, the rest is given back."""
        for task in [*self._tasks[False], *self._tasks[True]]:
            task.cancel()

    # --- polls ---------------------------------------------------------------------------------

    def _mark_due(self, subject: Subject) -> None:
        self._due[subject.program][subject] = None
        self._became_due[subject.program].set()

    async def _poll(self, selection: Selection) -> None:
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
            if isinstance(result.error, RefusedError):
                others = [other for other in selection.subjects if other != subject]
                await self._mirror.poller.record_unreachable(others, result.error.message)
                self._refused.add(subject.program, result.error)
            elif result.error is not None:
                self._poll_again(subject)
            else:
                self._record_success(subject)
        self._coordination.wake()

    def _record_success(self, subject: Subject) -> None:
        del self._failures[subject]
        if self._is_admitted(subject.program):
            self._refused.remove(subject.program)

    def _poll_again(self, subject: Subject) -> None:
        """Poll again sooner than the rhythm says, but ever later while that fails."""
        self._failures[subject] += 1
        wait = FAILED_POLL.delay(self._failures[subject])
        if wait < self._rhythms[subject]:
            self._schedule.again(subject, wait)

    def _suspend(self, program: str, refused: RefusedError) -> None:
        """Leave a program alone whose credentials are refused, and say so each time."""
        if not self._is_admitted(program):
            return
        wait = self._retry_refused_every
        self._suspended[program] = self._time.monotonic() + wait.total_seconds()
        for subject in self._rhythms:
            if subject.program == program:
                self._mark_due(subject)
        self._expect_poll()
        self._emit(ProgramRefused(program, refused.message, wait.total_seconds()))

    def _is_admitted(self, program: str) -> bool:
        return self._time.monotonic() >= self._suspended.get(program, 0.0)

    async def _until_admitted(self, program: str) -> None:
        wait = self._suspended.get(program, 0.0) - self._time.monotonic()
        if wait > 0:
            await self._time.sleep(wait + _A_MOMENT.total_seconds())

    def _expect_poll(self) -> None:
        """Expect the next poll when the quickest rhythm of an admitted program says so."""
        if self._coordination.closed:
            return
        waits = [
            every.total_seconds()
            for subject, every in self._rhythms.items()
            if self._is_admitted(subject.program)
        ]
        self._watchdog.expect_poll(min(waits, default=None))

    # --- downloads -----------------------------------------------------------------------------

    def _download_loop(self) -> DownloadLoop:
        return DownloadLoop(
            downloader=self._mirror.downloader,
            scope=self._mirror.scope,
            coordination=self._coordination,
            breaker=self._breaker,
            refused=self._refused,
            when_idle=self._wait_for_work,
            when_open=self._pause_downloads,
            on_result=self._record_result,
        )

    def _record_result(self, result: BatchResult, failure: WinterSyncError | None) -> None:
        if any(isinstance(outcome, Published) for outcome in result.outcomes):
            self._pauses = 0
        if failure is not None:
            self._pauses += 1
            self._emit(DownloadsPaused(failure.message, self._pause.total_seconds()))

    @property
    def _pause(self) -> timedelta:
        return FUTILE_DOWNLOADS.delay(self._pauses)

    async def _pause_downloads(self, seen: int) -> bool:
        """Pause all downloads together for a while: one after the other brought nothing."""
        if self._is_paused:
            await self._coordination.wait_for_change(seen)
            return True
        self._is_paused = True
        await self._coordination.pause(self._pause)
        self._is_paused = False
        self._breaker.close()
        self._coordination.wake()
        return True

    async def _wait_for_work(self, seen: int) -> bool:
        """Wait until a poll brings something, or until something may be tried again."""
        scope = self._refused.without(self._mirror.scope)
        retry = await self._mirror.catalog.queue(Queue.next_retry, scope)
        wait = _LOOK_FOR_WORK_EVERY
        if retry is not None:
            wait = min(max(retry - self._time.clock(), _A_MOMENT), wait)
        await self._coordination.wait_for_change_within(seen, wait)
        return True

    # --- watching ------------------------------------------------------------------------------

    async def _keep_in_order(self) -> None:
        """Take over now and then what other processes left when they were killed."""
        while True:
            await self._time.sleep(_PUT_IN_ORDER_EVERY.total_seconds())
            await self._mirror.recover()
            self._coordination.wake()

    async def _watch_clock(self) -> None:
        """Poll everything at once when the clock was set, or the machine slept."""
        while True:
            wall, steady = self._time.clock(), self._time.monotonic()
            await self._time.sleep(_CLOCK_LOOKED_AT_EVERY.total_seconds())
            passed = timedelta(seconds=self._time.monotonic() - steady)
            jump = self._time.clock() - wall - passed
            if abs(jump) > _JUMP:
                self._emit(ClockJumped(jump.total_seconds()))
                self._schedule.all_now()

    async def _watch_server(self) -> None:
        """Record once when the server is left alone: polls wait for it then, and do not fail."""
        recorded = False
        while True:
            await self._time.sleep(_SERVER_LOOKED_AT_EVERY.total_seconds())
            reason = self._mirror.api.held_because
            if reason and not recorded:
                await self._mirror.poller.record_unreachable(self._rhythms, reason)
            recorded = bool(reason)

    async def _watch_schedule(self) -> None:
        """Fail when a tick did: nothing would be polled any more, and nobody would notice."""
        if self._broken is not None:
            await self._broken

    def _fail(self, error: BaseException) -> None:
        if self._broken is not None and not self._broken.done():
            self._broken.set_exception(error)
