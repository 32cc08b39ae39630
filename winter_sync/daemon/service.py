"""The life of `winter-sync run`: start, work, obey signals, pause when the disk fails, and end."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from winter_sync.core import (
    FAILING_STORAGE,
    REAL_TIME,
    Event,
    PagesOpen,
    Sink,
    Started,
    Stopping,
    StorageError,
    StorageFailing,
    Time,
    UsageError,
    fan_out,
)
from winter_sync.daemon.failures import failure_of, is_being_cancelled, storage_error_of
from winter_sync.daemon.heartbeat import Heartbeat
from winter_sync.daemon.lock import check_root_is_free, root_lock
from winter_sync.daemon.pages import DaemonPages
from winter_sync.daemon.reload import Reloader
from winter_sync.daemon.runner import Daemon
from winter_sync.daemon.signals import Signal, Signals
from winter_sync.daemon.watchdog import Watchdog
from winter_sync.factory import open_existing_catalog, open_mirror
from winter_sync.monitoring import DailySummary, Metrics
from winter_sync.web import open_addresses, serving

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.config import Settings
    from winter_sync.daemon.configuration import Configuration
    from winter_sync.daemon.systemd import SystemdNotifier
    from winter_sync.sync import Mirror

_STARTUP_SECONDS = 3600.0
"""How long the first poll may take to begin: a catalog of years may have to be upgraded, and what
crashes left is recovered first."""


class Service:
    """The daemon as the operating system sees it.

    Parameters
    ----------
    load
        Reads the settings and checks them, at the start and on every reload.
    emit
        Receives every event.
    notifier
        Reports to systemd.
    time
        Clocks, and how to wait.
    end
        Ends the process at once, with an exit code.
    """

    def __init__(
        self,
        load: Callable[[], Configuration],
        *,
        emit: Sink,
        notifier: SystemdNotifier,
        time: Time = REAL_TIME,
        end: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        self.signals = Signals()
        self._notifier = notifier
        self._time = time
        configuration = load()
        metrics, self._summary = Metrics(time.clock), DailySummary(time.clock)
        self._watchdog = Watchdog(_stall_after(configuration.settings), time.monotonic)
        self.pages = DaemonPages(
            lambda: self._settings, metrics, self._watchdog.troubles, time.clock
        )
        self._heartbeat = Heartbeat(
            watchdog=self._watchdog,
            notifier=notifier,
            summary=self._summary,
            last_night=self.pages.last_night,
            emit=self._emit,
            end=end,
        )
        sinks = (
            metrics.handle,
            self._summary.handle,
            self._watchdog.handle,
            self._heartbeat.handle,
        )
        self._sink = fan_out(emit, *sinks)
        self._reloader = Reloader(
            configuration,
            load,
            sources=self.pages.sources,
            emit=self._emit,
            notifier=notifier,
            clock=time.clock,
        )
        self._has_begun = False
        self._pauses = 0
        self._reset_watchdog()

    @property
    def _settings(self) -> Settings:
        return self._reloader.configuration.settings

    def _emit(self, event: Event) -> None:
        self._sink(event)

    @property
    def _grace(self) -> float:
        return self._settings.daemon.grace.total_seconds()

    def _reset_watchdog(self) -> None:
        """Expect that nothing is under way, and that a poll begins within the time of a start."""
        self._watchdog.reset(_stall_after(self._settings))
        self._watchdog.expect_poll(_STARTUP_SECONDS)
        self._watchdog.expect_check(self._heartbeat.interval)

    async def run(self) -> None:
        """Run until stopped.

        Raises
        ------
        UsageError, StorageError
            If the daemon cannot begin.
        StalledError
            If its work does not get on any more.
        ExceptionGroup
            If a part of it failed by an internal fault.
        """
        self._notifier.extend_timeout(_STARTUP_SECONDS)
        beats = asyncio.create_task(self._heartbeat.run())
        life = asyncio.create_task(self._live())
        try:
            await asyncio.wait({beats, life}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (life, beats):
                task.cancel()
            self._notifier.stopping()
            await asyncio.wait({beats, life})
            await self._heartbeat.finish()
        for error in [failure_of(task) for task in (beats, life)]:
            if error is not None:
                raise error

    async def _live(self) -> None:
        """Serve the pages and work; begin anew at each reload, until stopped."""
        check_root_is_free(self._settings.root, self._time.clock())
        while not self.signals.stopping:
            listen = self._settings.http.listen
            async with serving(
                listen,
                self.pages.sources,
                hosts=lambda: self._settings.http.hosts,
                monotonic=self._time.monotonic,
            ):
                if await open_addresses(listen):
                    self._emit(PagesOpen(listen))
                while self._settings.http.listen == listen and not self.signals.stopping:
                    await self._work_or_pause()
        self._emit(self._summary.stopped)

    async def _work_or_pause(self) -> None:
        """Work until something ends it; pause afterwards if that was the disk.

        A daemon that took the root during a pause is waited for in the same way.
        """
        began = self._time.monotonic()
        try:
            await self._work()
        except (StorageError, UsageError, ExceptionGroup) as error:
            failed = error if isinstance(error, UsageError) else storage_error_of(error)
            if failed is None or not self._has_begun or is_being_cancelled():
                raise
        else:
            return
        if self._time.monotonic() - began > FAILING_STORAGE.longest.total_seconds():
            self._pauses = 0
        await self._pause(failed)

    # --- work ------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Open the mirror and keep it up to date, until a signal ends that."""
        self._reset_watchdog()
        settings = self._settings
        async with open_mirror(
            settings,
            self._emit,
            credentials=self._reloader.configuration.credentials,
            time=self._time,
            patience=float("inf"),
        ) as mirror:
            with root_lock(settings.root, self._time.clock()):
                await self._work_on(mirror)

    async def _work_on(self, mirror: Mirror) -> None:
        self._watchdog.held_until = lambda: mirror.api.held_until
        daemon = self._make_daemon(mirror)
        async with open_existing_catalog(self._settings, beside_writer=True) as reader:
            self.pages.reader = reader
            try:
                self._report_start()
                await self._run_daemon(daemon)
            finally:
                self.pages.reader = None

    def _make_daemon(self, mirror: Mirror) -> Daemon:
        settings = self._settings
        return Daemon(
            mirror,
            rhythm=settings.poll_schedule,
            retry_refused_every=settings.daemon.retry_refused_every,
            check_rate=settings.daemon.check_rate,
            check_every=settings.daemon.check_every,
            watchdog=self._watchdog,
            time=self._time,
        )

    def _report_start(self) -> None:
        programs = tuple(selection.program for selection in self._settings.selections)
        self._emit(Started(str(self._settings.root), programs))
        self._has_begun, self.pages.not_ready = True, None
        self._notifier.ready()
        self._notifier.status(self._summary.status_line)

    async def _run_daemon(self, daemon: Daemon) -> None:
        """Run a daemon until it fails or a signal ends it."""
        work = asyncio.create_task(daemon.run())
        try:
            if await self._is_ended_by_signal(work):
                self.pages.not_ready = "it is ending or reading its settings again"
                daemon.close()
                self._watchdog.expect_poll(self._grace + _STARTUP_SECONDS)
                await self._let_finish(work)
        finally:
            daemon.abort()
            work.cancel()
            await asyncio.wait({work})
            self._reset_watchdog()
            failure = failure_of(work)
        if failure is not None:
            raise failure

    async def _is_ended_by_signal(self, work: asyncio.Task[None]) -> bool:
        """Wait for a signal that ends the work; return False if the work ends before."""
        while True:
            signal = asyncio.create_task(self.signals.next())
            try:
                await asyncio.wait({work, signal}, return_when=asyncio.FIRST_COMPLETED)
                if not signal.done():
                    return False
            finally:
                signal.cancel()
            if signal.result() is Signal.STOP:
                self._notifier.stopping()
                self._emit(Stopping(self._grace))
                return True
            if await self._reloader.reload():
                return True

    async def _let_finish(self, work: asyncio.Task[None]) -> None:
        """Wait for what is under way: as long as the grace, and not after a second signal."""
        aborted = asyncio.create_task(self.signals.aborted.wait())
        try:
            await asyncio.wait(
                {work, aborted}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            aborted.cancel()

    # --- pauses ----------------------------------------------------------------------------------

    async def _pause(self, failed: StorageError | UsageError) -> None:
        """Leave a failing disk alone for a while; a signal ends that."""
        self._pauses += 1
        wait = FAILING_STORAGE.delay(self._pauses)
        self.pages.not_ready = failed.message
        # Who asked for a reload waits until it is reported as done.
        self._notifier.ready()
        self._emit(StorageFailing(failed.message, failed.remedy, wait.total_seconds()))
        until = self._time.monotonic() + wait.total_seconds()
        while await self._signal_until(until) is Signal.RELOAD:
            if await self._reloader.reload():
                return

    async def _signal_until(self, until: float) -> Signal | None:
        """Wait for a signal until a time of the monotonic clock; None if none arrived."""
        with suppress(TimeoutError):
            async with asyncio.timeout(until - self._time.monotonic()):
                return await self.signals.next()
        return None


def _stall_after(settings: Settings) -> float:
    """Return after how many seconds without progress work is stuck.

    Whatever was set, a request may take its time, and so may a probe after it and before it.
    """
    longest = settings.api.first_byte_timeout + 2 * settings.api.query_timeout
    return max(settings.daemon.stall_after, longest).total_seconds()
