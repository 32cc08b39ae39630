"""The life of `winter-sync run`: start, work, obey signals, pause when the disk fails, and end."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NoReturn

from winter_sync.core import (
    FAILING_STORAGE,
    REAL_TIME,
    Event,
    PagesOpen,
    PagesServed,
    Sink,
    StorageError,
    Time,
    UsageError,
)
from winter_sync.daemon.failures import is_being_cancelled, raise_failure_of, storage_error_of
from winter_sync.daemon.lock import check_root_is_free
from winter_sync.daemon.mirror_run import MirrorRun
from winter_sync.daemon.monitor import STARTUP_SECONDS, Monitor
from winter_sync.daemon.reload import Reloader
from winter_sync.daemon.signals import Signal, Signals
from winter_sync.web import open_addresses, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from winter_sync.config import Settings
    from winter_sync.daemon.configuration import Configuration
    from winter_sync.daemon.systemd import SystemdNotifier


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
        self._reloader = Reloader(
            load(),
            load,
            emit=self._emit,
            notifier=notifier,
            clock=time.clock,
        )
        self._monitor = Monitor(
            lambda: self._settings, emit=emit, notifier=notifier, time=time, end=end
        )
        self.pages = self._monitor.pages
        self._pauses = 0

    @property
    def _settings(self) -> Settings:
        return self._reloader.settings

    def _emit(self, event: Event) -> None:
        self._monitor.emit(event)

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
        self._notifier.extend_timeout(STARTUP_SECONDS)
        heartbeat = self._monitor.heartbeat
        beats, life = asyncio.create_task(heartbeat.run()), asyncio.create_task(self._live())
        try:
            await asyncio.wait({beats, life}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (life, beats):
                task.cancel()
            self._notifier.stopping()
            await asyncio.wait({beats, life})
            await heartbeat.finish()
        raise_failure_of(beats, life)

    async def _live(self) -> None:
        """Serve the pages and work; start over at each reload, until stopped."""
        check_root_is_free(self._settings.root, self._time.clock())
        while not self.signals.stopping:
            listen = self._settings.http.listen
            async with self._serving_pages(listen) as address:
                await self._report_pages(listen, address)
                while self._settings.http.listen == listen and not self.signals.stopping:
                    await self._work_or_pause()
        self._monitor.report_end()

    async def _report_pages(self, listen: str, address: str) -> None:
        needs_token = self._reloader.access.token is not None
        self._emit(PagesServed(address, needs_token))
        if not needs_token and await open_addresses(listen):
            self._emit(PagesOpen(listen))

    def _serving_pages(self, listen: str) -> AbstractAsyncContextManager[str]:
        return serving(
            listen,
            self.pages.sources,
            hosts=lambda: self._settings.http.hosts,
            access=lambda: self._reloader.access,
            monotonic=self._time.monotonic,
        )

    async def _work_or_pause(self) -> None:
        """Work until something ends it; pause afterwards if that was the disk.

        A daemon that took the root during a pause is waited for in the same way.
        """
        began = self._time.monotonic()
        try:
            await MirrorRun(self._reloader, self.signals, self._monitor, time=self._time).run()
        except (StorageError, UsageError, ExceptionGroup) as error:
            failed = error if isinstance(error, UsageError) else storage_error_of(error)
            if failed is None or not self._monitor.has_started or is_being_cancelled():
                raise
        else:
            return
        if self._time.monotonic() - began > FAILING_STORAGE.longest.total_seconds():
            self._pauses = 0
        await self._pause(failed)

    async def _pause(self, failed: StorageError | UsageError) -> None:
        """Leave a failing disk alone for a while; a signal ends that."""
        self._pauses += 1
        wait = FAILING_STORAGE.delay(self._pauses)
        self._monitor.report_pause(failed, wait)
        until = self._time.monotonic() + wait.total_seconds()
        while await self._signal_until(until) is Signal.RELOAD:
            if await self._reloader.reload():
                return

    async def _signal_until(self, until: float) -> Signal | None:
        """Wait for a signal until a time of the monotonic clock; None if none arrived."""
        return await self.signals.next_within(until - self._time.monotonic())
