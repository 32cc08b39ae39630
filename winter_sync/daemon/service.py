"""The life of `winter-sync run`: it begins, obeys signals, rests when the disk fails, and ends."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from winter_sync.config import check_root, read_credentials
from winter_sync.core import (
    FAILING_STORAGE,
    DownloadsRest,
    Event,
    PagesOpen,
    Polled,
    ProgramRefused,
    Reloading,
    ReloadRefused,
    Resumed,
    ServerUnwell,
    ServerWell,
    Stalled,
    StalledError,
    Started,
    Stopping,
    StorageError,
    StorageTrouble,
    Tell,
    UsageError,
    WinterSyncError,
    explained,
    tell_all,
)
from winter_sync.daemon.lock import check_root_is_free, root_lock
from winter_sync.daemon.runner import Daemon
from winter_sync.daemon.signals import Signal, Signals
from winter_sync.daemon.watchdog import Watchdog
from winter_sync.factory import now, open_existing_catalog, open_mirror
from winter_sync.monitoring import (
    Daybook,
    Metrics,
    Reach,
    Watched,
    read_last_night,
    read_status,
    status_as_json,
)
from winter_sync.web import Sources, open_addresses, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from winter_sync.catalog import CatalogThread
    from winter_sync.config import Settings
    from winter_sync.core import Credentials, DayEnded
    from winter_sync.daemon.systemd import SystemdNotifier
    from winter_sync.monitoring import NightState
    from winter_sync.sync import Mirror

_LOOKED_AT_EVERY = 30.0
"""Longest time between two looks at whether work gets on, seconds."""
_BEGINNING = 3600.0
"""So long it may take to the first poll, seconds: a catalog of years may be brought up to date, and
what crashes left is put in order first."""
_SHOWN_AT_ONCE = (
    *(Polled, ServerUnwell, ServerWell),
    *(ProgramRefused, DownloadsRest, StorageTrouble),
)
"""What changes the status line in a way that somebody who looks would ask for."""
_END_AFTER_STALL = 20.0
"""Seconds for an orderly end after a stall; what is stuck may never end by itself."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the user wants, read and checked: the settings, and the secrets they lead to."""

    settings: Settings
    credentials: Credentials

    @classmethod
    def check(cls, settings: Settings) -> Configuration:
        """Make sure that a daemon can begin with these settings.

        Raises
        ------
        UsageError, StorageError
            If it cannot, with what is wrong.
        """
        credentials = read_credentials(settings)
        check_root(settings.root)
        _ = settings.selections, settings.layout, settings.proxy
        return cls(settings, credentials)


class Service:
    """The daemon as the machine sees it.

    Parameters
    ----------
    load
        Reads the settings and checks them, at the start and on every reload.
    tell
        Hears everything that happens.
    notifier
        Tells systemd how things are.
    clock, monotonic
        Give the current UTC time; a time in seconds that never goes back.
    end
        Ends the process at once, with an exit code.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        load: Callable[[], Configuration],
        *,
        tell: Tell,
        notifier: SystemdNotifier,
        clock: Callable[[], datetime] = now,
        monotonic: Callable[[], float] = time.monotonic,
        end: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        self.signals = Signals()
        self._load = load
        self._notifier = notifier
        self._clock = clock
        self._monotonic = monotonic
        self._end = end
        self._metrics = Metrics(clock)
        self._daybook = Daybook(clock)
        self._configuration = load()
        self._watchdog = self._new_watchdog()
        self._tell = tell_all(
            tell, self._metrics.tell, self._daybook.tell, self._tell_watchdog, self._tell_manager
        )
        self._not_ready: str | None = "it is beginning"
        self._has_begun = False
        self._rests = 0
        self._reader: CatalogThread | None = None
        self._summary: asyncio.Task[None] | None = None

    @property
    def _settings(self) -> Settings:
        return self._configuration.settings

    def _new_watchdog(self) -> Watchdog:
        """Watch anew: nothing is under way, and in a while something must be.

        Whatever was set, a request may take its time, and so may a probe after it and before it.
        """
        api = self._settings.api
        longest = api.first_byte_timeout + 2 * api.query_timeout
        stall_after = max(self._settings.daemon.stall_after, longest)
        watchdog = Watchdog(stall_after.total_seconds(), self._monotonic)
        watchdog.expect_poll(_BEGINNING)
        watchdog.expect_check(self._looked_at_every)
        return watchdog

    @property
    def _looked_at_every(self) -> float:
        """Seconds between two looks at whether work gets on; systemd hears of each."""
        return min(self._notifier.watchdog_interval or _LOOKED_AT_EVERY, _LOOKED_AT_EVERY)

    def _tell_watchdog(self, event: Event) -> None:
        self._watchdog.tell(event)

    def _tell_manager(self, event: Event) -> None:
        """Show at once in the manager's status what somebody who looks would ask for."""
        if isinstance(event, _SHOWN_AT_ONCE):
            self._notifier.status(self._daybook.line)

    async def run(self) -> None:
        """Live until told to stop.

        Raises
        ------
        UsageError, StorageError
            If it cannot begin.
        StalledError
            If nothing came of its work any more.
        ExceptionGroup
            If a part of it failed by an internal fault.
        """
        self._notifier.extend_timeout(_BEGINNING)
        beats = asyncio.create_task(self._beat())
        life = asyncio.create_task(self._live())
        try:
            await asyncio.wait({beats, life}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (life, beats):
                task.cancel()
            self._notifier.stopping()
            await asyncio.wait({beats, life, *([self._summary] if self._summary else [])})
        for error in [_failure(task) for task in (beats, life)]:
            if error is not None:
                raise error

    async def _live(self) -> None:
        check_root_is_free(self._settings.root, self._clock())
        while not self.signals.stopping:
            listen = self._settings.http.listen
            async with serving(
                listen,
                self._sources(),
                hosts=lambda: self._settings.http.hosts,
                monotonic=self._monotonic,
            ):
                if await open_addresses(listen):
                    self._tell(PagesOpen(listen))
                await self._work_while(lambda: self._settings.http.listen == listen)  # noqa: B023 - ends within this turn
        self._tell(self._daybook.stopped)

    async def _work_while(self, may_go_on: Callable[[], bool]) -> None:
        while may_go_on() and not self.signals.stopping:
            await self._work_or_rest()

    async def _work_or_rest(self) -> None:
        """Work until something ends it; when that is the disk, rest and begin anew.

        Another daemon that took the root in a rest is waited for, too.
        """
        began = self._monotonic()
        try:
            await self._work()
        except (StorageError, UsageError, ExceptionGroup) as error:
            failed = error if isinstance(error, UsageError) else _storage_error(error)
            if failed is None or not self._has_begun or _is_being_cancelled():
                raise
        else:
            return
        if self._monotonic() - began > FAILING_STORAGE.longest.total_seconds():
            self._rests = 0
        await self._rest(failed)

    # --- work ----------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Open the mirror and keep it, until an order ends that."""
        self._watchdog = self._new_watchdog()
        settings = self._settings
        async with open_mirror(
            settings,
            self._tell,
            credentials=self._configuration.credentials,
            clock=self._clock,
            monotonic=self._monotonic,
            patience=float("inf"),
        ) as mirror:
            with root_lock(settings.root, self._clock()):
                await self._keep_opened(mirror)

    async def _keep_opened(self, mirror: Mirror) -> None:
        settings = self._settings
        self._watchdog.held_until = lambda: mirror.api.held_until
        daemon = Daemon(
            mirror,
            rhythm=settings.rhythm,
            retry_refused_every=settings.daemon.retry_refused_every,
            check_rate=settings.daemon.check_rate,
            check_every=settings.daemon.check_every,
            watchdog=self._watchdog,
            clock=self._clock,
            monotonic=self._monotonic,
        )
        async with open_existing_catalog(settings, beside_writer=True) as reader:
            self._reader = reader
            try:
                self._begin()
                await self._keep(daemon)
            finally:
                self._reader = None

    def _begin(self) -> None:
        programs = tuple(one.program for one in self._settings.selections)
        self._tell(Started(str(self._settings.root), programs))
        self._has_begun, self._not_ready = True, None
        self._notifier.ready()
        self._notifier.status(self._daybook.line)

    async def _keep(self, daemon: Daemon) -> None:
        """Let a daemon work until it fails or an order ends it."""
        work = asyncio.create_task(daemon.run())
        try:
            if await self._told_to_end(work):
                self._not_ready = "it is ending or reading its settings again"
                daemon.close()
                self._watchdog.expect_poll(self._grace + _BEGINNING)
                await self._let_finish(work)
        finally:
            daemon.abort()
            work.cancel()
            await asyncio.wait({work})
            self._watchdog = self._new_watchdog()
            failure = _failure(work)
        if failure is not None:
            raise failure

    async def _told_to_end(self, work: asyncio.Task[None]) -> bool:
        """Wait for an order that ends the work; False if it ends before."""
        while True:
            order = asyncio.create_task(self.signals.next())
            try:
                await asyncio.wait({work, order}, return_when=asyncio.FIRST_COMPLETED)
                if not order.done():
                    return False
            finally:
                order.cancel()
            if order.result() is Signal.STOP:
                self._notifier.stopping()
                self._tell(Stopping(self._grace))
                return True
            if await self._reload():
                return True

    @property
    def _grace(self) -> float:
        return self._settings.daemon.grace.total_seconds()

    async def _let_finish(self, work: asyncio.Task[None]) -> None:
        """Wait for what is under way: as long as the grace, and not after a second signal."""
        aborted = asyncio.create_task(self.signals.aborted.wait())
        try:
            await asyncio.wait(
                {work, aborted}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            aborted.cancel()

    async def _reload(self) -> bool:
        """Read the settings again; False if they are wrong, and the old ones stay."""
        self._notifier.reloading()
        try:
            with explained(self._settings.root):
                configuration = self._load()
            self._check_root(configuration.settings.root)
            await self._check_listening(configuration.settings.http.listen)
        except WinterSyncError as wrong:
            self._tell(ReloadRefused(wrong.message, wrong.remedy))
            self._notifier.ready()
            return False
        self._configuration = configuration
        self._tell(Reloading(self._grace))
        return True

    def _check_root(self, root: Path) -> None:
        if root != self._settings.root:
            check_root_is_free(root, self._clock())

    async def _check_listening(self, listen: str) -> None:
        if listen != self._settings.http.listen:
            async with serving(listen, self._sources()):
                pass

    # --- rests ---------------------------------------------------------------------------------

    async def _rest(self, failed: StorageError | UsageError) -> None:
        """Leave a disk that fails alone for a while; an order ends that."""
        self._rests += 1
        wait = FAILING_STORAGE.delay(self._rests)
        self._not_ready = failed.message
        # Whoever ordered the settings to be read waits to hear that they were.
        self._notifier.ready()
        self._tell(StorageTrouble(failed.message, failed.remedy, wait.total_seconds()))
        until = self._monotonic() + wait.total_seconds()
        while await self._order_until(until) is Signal.RELOAD and not await self._reload():
            pass

    async def _order_until(self, until: float) -> Signal | None:
        """Wait for an order until a time of the monotonic clock; None if none came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(until - self._monotonic()):
                return await self.signals.next()
        return None

    # --- watching ------------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Tell systemd that all is well as long as work gets on; end loudly when it does not."""
        while True:
            if stopped := self._watchdog.expect_check(self._looked_at_every):
                self._tell(Resumed(stopped))
            if troubles := self._watchdog.troubles():
                self._give_up(troubles)
            self._notifier.watchdog()
            self._notifier.status(self._daybook.line)
            if (ended := self._daybook.turn()) is not None:
                # A catalog that answers slowly must not keep the beats back.
                self._summary = asyncio.create_task(self._sum_up(ended))
            await asyncio.sleep(self._looked_at_every)

    async def _sum_up(self, ended: DayEnded) -> None:
        """Report a day that is over, and how its last night stands."""
        try:
            if self._reader is not None:
                night = await read_last_night(
                    self._reader, self._settings.selections, self._clock()
                )
                ended = replace(ended, **_night_of_summary(night))
        except (StorageError, RuntimeError):
            pass  # the page on the status says why the catalog cannot be read
        finally:
            self._tell(ended)

    def _give_up(self, troubles: Sequence[str]) -> NoReturn:
        """End, and make sure of it: a thread that is stuck would be waited for for ever."""
        self._tell(Stalled(tuple(troubles)))
        faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
        asyncio.get_running_loop().call_later(_END_AFTER_STALL, self._end, 1)
        raise StalledError(
            f"the daemon is stuck: {troubles[0]}", remedy="Nothing is lost: start it again."
        )

    # --- pages ---------------------------------------------------------------------------------

    def _sources(self) -> Sources:
        return Sources(
            health=self._troubles,
            readiness=lambda: [self._not_ready] if self._not_ready else [],
            metrics=self._metrics_page,
            status=self._status_page,
        )

    def _troubles(self) -> Sequence[str]:
        return self._watchdog.troubles()

    async def _metrics_page(self) -> bytes:
        settings = self._settings
        return await self._metrics.page(
            Watched(self._reader, settings.selections, settings.root, settings.mirror.min_free)
        )

    async def _status_page(self) -> str:
        if self._reader is None:
            raise StorageError(self._not_ready or "the catalog is not open")
        selections = self._settings.selections
        return status_as_json(await read_status(self._reader, selections, self._clock()))


def _night_of_summary(state: NightState) -> dict[str, Any]:
    answer = Reach.of(state.states).last_answer
    return {
        "last_night": state.night.name,
        "last_night_listed": state.numbers.listed,
        "last_night_here": state.numbers.here,
        "last_night_complete": state.is_complete,
        "last_answer": answer.isoformat(timespec="milliseconds") if answer else None,
    }


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    """Give what a task that is over failed for, if it did and was not cancelled."""
    return None if task.cancelled() else task.exception()


def _is_being_cancelled() -> bool:
    """Tell whether this task shall end: what fails on the way is no reason to go on then."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _storage_error(error: Exception) -> StorageError | None:
    """Give the storage error that ended the work; None if something else did, or also did."""
    if not isinstance(error, ExceptionGroup):
        return error if isinstance(error, StorageError) else None
    found = [_storage_error(one) for one in error.exceptions]
    return found[0] if None not in found else None
