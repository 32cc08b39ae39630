"""A mirror kept up to date for as long as it lasts: polls and downloads side by side."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.core import ClockJumped
from winter_sync.daemon.downloads import EndlessDownloads
from winter_sync.daemon.polls import ScheduledPolls
from winter_sync.daemon.spare_rechecks import SpareRechecks
from winter_sync.maintenance import FactsCatchUp, Manifests
from winter_sync.sync import Coordination, RollingCheck, read_too_queue_repeatedly

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from winter_sync.core import PollSchedule, Subject, Time
    from winter_sync.daemon.watchdog import Watchdog
    from winter_sync.delivery import Deliverer
    from winter_sync.sync import Mirror

_RECOVER_EVERY = timedelta(minutes=10)
_CHECK_CLOCK_EVERY = timedelta(seconds=30)
_CHECK_SERVER_EVERY = timedelta(seconds=30)
_REMOVE_REVISIONS_EVERY = timedelta(hours=1)
_JUMP = timedelta(seconds=20)
"""What the clock goes further than time does, or less far, and is no mere correction."""


class Daemon:
    """Keeps a mirror up to date until it is closed or something of it fails.

    Each program has a task that polls, and each connection one that downloads. The
    catalog holds the work that remains: whatever ends this loses nothing.

    Parameters
    ----------
    mirror
        What is kept up to date.
    poll_schedule
        How often to poll each subject.
    retry_refused_every
        How long a program whose credentials are refused is left alone.
    check_rate, check_every
        How many bytes of files to read again in a second, 0 for none; how often each file.
    recheck_per_day
        How many bytes to fetch again in a day to compare files with the archive, 0 for none.
    take_facts
        Whether to record what the headers of images say.
    too_every
        How often to read the observatory's queue of requests; None for never.
    state, settle_after
        Where the manifests of settled nights go, and how long nothing of those may have changed.
    deliverer
        Delivers events to other programs.
    watchdog
        Watches whether work gets on.
    time
        Clocks, and how to wait.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        mirror: Mirror,
        *,
        poll_schedule: Callable[[Subject], PollSchedule],
        retry_refused_every: timedelta,
        check_rate: int = 0,
        check_every: timedelta = timedelta(days=30),
        recheck_per_day: int = 0,
        take_facts: bool = False,
        too_every: timedelta | None = None,
        state: Path,
        settle_after: timedelta,
        deliverer: Deliverer,
        watchdog: Watchdog,
        time: Time,
    ) -> None:
        self._mirror = mirror
        self._time = time
        self._check_rate, self._check_every = check_rate, check_every
        self._recheck_per_day = recheck_per_day
        self._take_facts = take_facts
        self._too_every = too_every
        self._state, self._settle_after = state, settle_after
        self._deliverer = deliverer
        self._coordination = Coordination()
        self._polls = ScheduledPolls(
            mirror,
            self._coordination,
            poll_schedule=poll_schedule,
            retry_refused_every=retry_refused_every,
            watchdog=watchdog,
            time=time,
        )
        refused = self._polls.refused
        self._downloads = EndlessDownloads(mirror, self._coordination, refused, time)
        self._tasks: dict[bool, list[asyncio.Task[None]]] = {False: [], True: []}
        self._delivering: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Work until closed.

        Raises
        ------
        ExceptionGroup
            Of whatever any part of it failed for; all other parts were ended then.
        """
        await self._mirror.recover()
        self._polls.start()
        try:
            async with asyncio.TaskGroup() as group:
                self._begin(group)
        finally:
            await self._polls.stop()

    def _begin(self, group: asyncio.TaskGroup) -> None:
        if self._coordination.closed:
            return

        def begin(work: Callable[[], Awaitable[None]], *, may_finish: bool = False) -> None:
            self._tasks[may_finish].append(group.create_task(self._part(work)))

        for selection in self._mirror.selections:
            begin(partial(self._polls.poll, selection))
        loop = self._downloads.loop()
        for _ in range(self._mirror.connections):
            begin(loop.run, may_finish=True)
        self._delivering.append(group.create_task(self._part(self._deliverer.run)))
        begin(self._recover_repeatedly)
        begin(self._watch_clock)
        begin(self._watch_server)
        begin(self._polls.watch_schedule)
        begin(self._write_manifests)
        begin(self._remove_revisions)
        if self._recheck_per_day:
            begin(self._spare_rechecks().run)
        if self._check_rate:
            begin(self._rolling_check().run)
        if self._too_every is not None:
            begin(partial(read_too_queue_repeatedly, self._mirror, self._too_every, self._time))
        if self._take_facts:
            begin(self._record_facts)

    async def _remove_revisions(self) -> None:
        """Remove older revisions that exceed the limits, from time to time."""
        while True:
            await self._mirror.retention.remove_exceeding()
            await self._time.sleep(_REMOVE_REVISIONS_EVERY.total_seconds())

    def _spare_rechecks(self) -> SpareRechecks:
        return SpareRechecks(
            self._mirror,
            self._coordination,
            self._recheck_per_day,
            self._is_downloading,
            self._time,
        )

    def _rolling_check(self) -> RollingCheck:
        mirror = self._mirror
        return RollingCheck(
            mirror.quick_check,
            threads=mirror.threads,
            rate=self._check_rate,
            every=self._check_every,
            is_busy=self._is_downloading,
            found_lost=self._coordination.wake,
            emit=mirror.emit,
        )

    async def _record_facts(self) -> None:
        mirror = self._mirror
        async with FactsCatchUp(
            catalog=mirror.catalog,
            root=mirror.session.tree.root,
            follow_links=mirror.session.tree.follow_links,
            is_busy=self._is_downloading,
            emit=mirror.emit,
            time=self._time,
        ) as facts:
            await facts.run()

    async def _write_manifests(self) -> None:
        mirror = self._mirror
        async with Manifests(
            catalog=mirror.catalog,
            state=self._state,
            selections=mirror.selections,
            settle_after=self._settle_after,
            emit=mirror.emit,
            time=self._time,
        ) as manifests:
            await manifests.run()

    def _is_downloading(self) -> bool:
        return self._mirror.downloader.under_way > 0

    async def _part(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do a part of the work; when it ends, begin nothing new anywhere."""
        try:
            await work()
        finally:
            self._coordination.close()

    def close(self) -> None:
        """Begin nothing new: polls end at once, downloads when what is under way has arrived.

        A call of another program that is under way is waited for, too. While the server is being
        left alone nothing arrives, so those that wait for it end too.
        """
        self._coordination.close()
        self._deliverer.close()
        is_held = self._mirror.api.server.is_held
        for task in [*self._tasks[False], *(self._tasks[True] if is_held else [])]:
            task.cancel()

    def abort(self) -> None:
        """End everything at once; what arrived complete stays, the rest is given back."""
        for task in [*self._tasks[False], *self._tasks[True], *self._delivering]:
            task.cancel()

    # --- watching ------------------------------------------------------------------------------

    async def _recover_repeatedly(self) -> None:
        """Take over from time to time what other processes left when they were killed."""
        while True:
            await self._time.sleep(_RECOVER_EVERY.total_seconds())
            await self._mirror.recover()
            self._coordination.wake()

    async def _watch_clock(self) -> None:
        """Poll everything at once when the clock was set, or the machine slept."""
        while True:
            wall, steady = self._time.clock(), self._time.monotonic()
            await self._time.sleep(_CHECK_CLOCK_EVERY.total_seconds())
            passed = timedelta(seconds=self._time.monotonic() - steady)
            jump = self._time.clock() - wall - passed
            if abs(jump) > _JUMP:
                self._mirror.emit(ClockJumped(jump.total_seconds()))
                self._polls.poll_all_now()

    async def _watch_server(self) -> None:
        """Record once when the server is left alone: polls wait for it then, and do not fail."""
        recorded = False
        while True:
            await self._time.sleep(_CHECK_SERVER_EVERY.total_seconds())
            reason = self._mirror.api.server.held_because
            if reason and not recorded:
                await self._mirror.poller.record_unreachable(self._polls.subjects, reason)
            recorded = bool(reason)
