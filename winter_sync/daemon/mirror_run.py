"""The daemon's work under one configuration: from opening the mirror until a signal ends it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from winter_sync.daemon.failures import failure_of
from winter_sync.daemon.lock import root_lock
from winter_sync.daemon.runner import Daemon
from winter_sync.daemon.signals import Signal
from winter_sync.factory import make_deliverer, open_existing_catalog, open_mirror

if TYPE_CHECKING:
    from datetime import timedelta

    from winter_sync.core import Time
    from winter_sync.daemon.monitor import Monitor
    from winter_sync.daemon.reload import Reloader
    from winter_sync.daemon.signals import Signals
    from winter_sync.sync import Mirror


class MirrorRun:
    """Opens the mirror with the configuration in force, and keeps it up to date.

    Parameters
    ----------
    reloader
        Holds the configuration in force, and reads it again when a signal asks for that.
    signals
        What ends the run.
    monitor
        Watches the run, and reports on it.
    time
        Clocks, and how to wait.
    """

    def __init__(
        self, reloader: Reloader, signals: Signals, monitor: Monitor, *, time: Time
    ) -> None:
        self._reloader = reloader
        self._signals = signals
        self._monitor = monitor
        self._time = time
        self._configuration = reloader.configuration
        self._settings = reloader.settings

    @property
    def _grace(self) -> timedelta:
        """How long work may take to end: as the settings say that were read last."""
        return self._reloader.settings.daemon.grace

    async def run(self) -> None:
        """Run until a signal ends it.

        Raises
        ------
        UsageError, StorageError
            If the mirror cannot be opened.
        ExceptionGroup
            If its work failed.
        """
        self._monitor.expect_start()
        async with open_mirror(
            self._settings,
            self._monitor.emit,
            credentials=self._configuration.credentials,
            time=self._time,
            patience=float("inf"),
        ) as mirror:
            with root_lock(self._settings.root, self._time.clock()):
                await self._work_on(mirror)

    async def _work_on(self, mirror: Mirror) -> None:
        self._monitor.watchdog.held_until = lambda: mirror.api.server.held_until
        daemon = self._make_daemon(mirror)
        async with open_existing_catalog(self._settings, beside_writer=True) as reader:
            self._monitor.pages.reader = reader
            try:
                self._monitor.report_start()
                await self._run_daemon(daemon)
            finally:
                await self._monitor.pages.close_catalog()

    def _make_daemon(self, mirror: Mirror) -> Daemon:
        settings = self._settings
        return Daemon(
            mirror,
            poll_schedule=settings.poll_schedule,
            retry_refused_every=settings.daemon.retry_refused_every,
            check_rate=settings.daemon.check_rate,
            check_every=settings.daemon.check_every,
            recheck_per_day=settings.daemon.recheck_per_day,
            take_facts=settings.facts.enabled,
            too_every=settings.too.poll_every if settings.too.enabled else None,
            state=settings.state,
            settle_after=settings.schedule.settle_after,
            deliverer=make_deliverer(settings, self._configuration.credentials, mirror, self._time),
            watchdog=self._monitor.watchdog,
            time=self._time,
        )

    async def _run_daemon(self, daemon: Daemon) -> None:
        """Run a daemon until it fails or a signal ends it."""
        work = asyncio.create_task(daemon.run())
        try:
            if await self._is_ended_by_signal(work):
                self._monitor.expect_end(self._grace)
                daemon.close()
                await self._let_finish(work)
        finally:
            daemon.abort()
            work.cancel()
            await asyncio.wait({work})
            self._monitor.expect_start()
            failure = failure_of(work)
        if failure is not None:
            raise failure

    async def _is_ended_by_signal(self, work: asyncio.Task[None]) -> bool:
        """Wait for a signal that ends the work; return False if the work ends before."""
        while True:
            signal = asyncio.create_task(self._signals.next())
            try:
                await asyncio.wait({work, signal}, return_when=asyncio.FIRST_COMPLETED)
                if not signal.done():
                    return False
            finally:
                signal.cancel()
            if signal.result() is Signal.STOP:
                self._monitor.report_stop(self._grace)
                return True
            if await self._reloader.reload():
                return True

    async def _let_finish(self, work: asyncio.Task[None]) -> None:
        """Wait for what is under way: as long as the grace, and not after a second signal."""
        aborted = asyncio.create_task(self._signals.aborted.wait())
        try:
            await asyncio.wait(
                {work, aborted},
                timeout=self._grace.total_seconds(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            aborted.cancel()
