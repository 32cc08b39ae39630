"""How the daemon is doing: watched, and shown to systemd, on the pages and in the events."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from winter_sync.core import (
    Event,
    NarrowCones,
    Sink,
    Started,
    Stopping,
    StorageFailing,
    fan_out,
)
from winter_sync.daemon.heartbeat import Heartbeat
from winter_sync.daemon.pages import DaemonPages
from winter_sync.daemon.watchdog import Watchdog
from winter_sync.monitoring import DailySummary, Metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from winter_sync.config import Settings
    from winter_sync.core import StorageError, Time, UsageError
    from winter_sync.daemon.systemd import SystemdNotifier

STARTUP_SECONDS = 3600.0
"""How long the first poll may take to begin: a catalog of years may have to be upgraded, and what
crashes left is recovered first."""


class Monitor:
    """Watches the daemon, and reports each step of its life.

    Parameters
    ----------
    settings
        Returns the settings in force.
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
        settings: Callable[[], Settings],
        *,
        emit: Sink,
        notifier: SystemdNotifier,
        time: Time,
        end: Callable[[int], NoReturn],
    ) -> None:
        self.has_started = False
        """Whether the daemon worked at any time since the process began."""
        self._settings = settings
        self._notifier = notifier
        metrics, self._summary = Metrics(time.clock), DailySummary(time.clock)
        self.watchdog = Watchdog(_stall_after(settings()), time.monotonic)
        self.pages = DaemonPages(
            settings, metrics, self.watchdog.troubles, time.clock, time.monotonic
        )
        self.heartbeat = self._make_heartbeat(time, end)
        parts = (metrics, self._summary, self.watchdog, self.heartbeat, self.pages.transfers)
        self._sink = fan_out(emit, *(part.handle for part in parts))
        self.expect_start()

    def _make_heartbeat(self, time: Time, end: Callable[[int], NoReturn]) -> Heartbeat:
        return Heartbeat(
            watchdog=self.watchdog,
            notifier=self._notifier,
            summary=self._summary,
            last_night=self.pages.last_night,
            emit=self.emit,
            time=time,
            end=end,
        )

    def emit(self, event: Event) -> None:
        """Pass an event to everything that shows how the daemon is doing."""
        self._sink(event)

    def expect_start(self) -> None:
        """Expect that nothing is under way, and that a poll begins within the time of a start."""
        self.watchdog.reset(_stall_after(self._settings()))
        self.watchdog.expect_poll(STARTUP_SECONDS)
        self.watchdog.expect_check(self.heartbeat.interval)

    def expect_end(self, grace: timedelta) -> None:
        """Expect that work ends within the grace, and that nothing is polled before a new start."""
        self.pages.not_ready = "it is ending or reading its settings again"
        self.watchdog.expect_poll(grace.total_seconds() + STARTUP_SECONDS)

    def report_start(self) -> None:
        """Report that the daemon works."""
        settings = self._settings()
        programs = tuple(selection.program for selection in settings.selections)
        self.emit(Started(str(settings.root), programs))
        for selection in settings.selections:
            if missed := selection.missed_by_cones:
                self.emit(NarrowCones(selection.program, missed))
        self.has_started, self.pages.not_ready = True, None
        self._notifier.ready()
        self._notifier.status(self._summary.status_line)

    def report_pause(self, failed: StorageError | UsageError, wait: timedelta) -> None:
        """Report that the disk fails, and is left alone for a while."""
        self.pages.not_ready = failed.message
        # Who asked for a reload waits until it is reported as done.
        self._notifier.ready()
        seconds = wait.total_seconds()
        self.emit(StorageFailing(failed.message, failed.remedy, seconds, failed.code))

    def report_stop(self, grace: timedelta) -> None:
        """Report that the daemon was asked to stop, and does so within the grace."""
        self._notifier.stopping()
        self.emit(Stopping(grace.total_seconds()))

    def report_end(self) -> None:
        """Report that the daemon has stopped, and sum up what it did."""
        self.emit(self._summary.stopped)


def _stall_after(settings: Settings) -> float:
    """Return after how many seconds without progress work is stuck.

    Whatever was set, a request may take its time, and so may a probe after it and before it.
    """
    longest = settings.api.first_byte_timeout + 2 * settings.api.query_timeout
    return max(settings.daemon.stall_after, longest).total_seconds()
