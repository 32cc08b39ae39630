"""Reports that the daemon is alive, sums up its days, and ends it when it is stuck."""

from __future__ import annotations

import asyncio
import faulthandler
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from winter_sync.core import (
    DownloadsPaused,
    ErrorCode,
    Event,
    Polled,
    ProgramRefused,
    Resumed,
    ServerFailing,
    ServerRecovered,
    Stalled,
    StalledError,
    StorageError,
    StorageFailing,
)
from winter_sync.monitoring import ArchiveState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from winter_sync.core import DayEnded, Sink, Time
    from winter_sync.daemon.systemd import SystemdNotifier
    from winter_sync.daemon.watchdog import Watchdog
    from winter_sync.monitoring import DailySummary, NightState

_LONGEST_INTERVAL = 30.0
"""Longest time between two beats, seconds."""
_SHOWN_AT_ONCE = (
    *(Polled, ServerFailing, ServerRecovered),
    *(ProgramRefused, DownloadsPaused, StorageFailing),
)
"""Events that change the status line enough to be shown at once."""
_END_AFTER_STALL = 20.0
"""Seconds for an orderly end after a stall; what is stuck may never end by itself."""


class Heartbeat:
    """Reports to systemd that all is well as long as work gets on; ends loudly when it does not.

    Parameters
    ----------
    watchdog
        Watches whether work gets on.
    notifier
        Reports to systemd.
    summary
        Sums up each day, and holds the line of `systemctl status`.
    last_night
        Returns how the last night stands; None if that is not known.
    emit
        Receives the events.
    time
        How to wait.
    end
        Ends the process at once, with an exit code.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        watchdog: Watchdog,
        notifier: SystemdNotifier,
        summary: DailySummary,
        last_night: Callable[[], Awaitable[NightState | None]],
        emit: Sink,
        time: Time,
        end: Callable[[int], NoReturn],
    ) -> None:
        self._watchdog = watchdog
        self._notifier = notifier
        self._summary = summary
        self._last_night = last_night
        self._emit = emit
        self._sleep = time.sleep
        self._end = end
        self._summing_up: asyncio.Task[None] | None = None

    @property
    def interval(self) -> float:
        """Seconds between two beats."""
        return min(self._notifier.watchdog_interval or _LONGEST_INTERVAL, _LONGEST_INTERVAL)

    def handle(self, event: Event) -> None:
        """Show at once in the status line what an event changes."""
        if isinstance(event, _SHOWN_AT_ONCE):
            self._notifier.status(self._summary.status_line)

    async def run(self) -> None:
        """Beat until cancelled.

        Raises
        ------
        StalledError
            If work does not get on any more.
        """
        while True:
            self._beat()
            await self._sleep(self.interval)

    async def finish(self) -> None:
        """Wait until a day that is over has been summed up."""
        if self._summing_up is not None:
            await asyncio.wait({self._summing_up})

    def _beat(self) -> None:
        if stopped := self._watchdog.expect_check(self.interval):
            self._emit(Resumed(stopped))
        if troubles := self._watchdog.troubles():
            self._give_up(troubles)
        self._notifier.watchdog()
        self._notifier.status(self._summary.status_line)
        if (ended := self._summary.end_day()) is not None:
            # A catalog that answers slowly must not keep the beats back.
            self._summing_up = asyncio.create_task(self._sum_up(ended))

    async def _sum_up(self, ended: DayEnded) -> None:
        """Report a day that is over, and how its last night stands."""
        try:
            night = await self._last_night()
            if night is not None:
                ended = replace(ended, **_night_fields(night))
        except (StorageError, RuntimeError):
            pass  # the status page says why the catalog cannot be read
        finally:
            self._emit(ended)

    def _give_up(self, troubles: Sequence[str]) -> NoReturn:
        """End, and make sure of it: a thread that is stuck would be waited for for ever."""
        self._emit(Stalled(tuple(troubles)))
        faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
        asyncio.get_running_loop().call_later(_END_AFTER_STALL, self._end, 1)
        raise StalledError(
            f"the daemon is stuck: {troubles[0]}",
            remedy="Nothing is lost: start it again.",
            code=ErrorCode.INTERNAL_STALLED,
        )


def _night_fields(state: NightState) -> dict[str, Any]:
    answer = ArchiveState.of(state.states).last_answer
    return {
        "last_night": state.night.name,
        "last_night_listed": state.numbers.listed,
        "last_night_here": state.numbers.here,
        "last_night_complete": state.is_complete,
        "last_answer": answer.isoformat(timespec="milliseconds") if answer else None,
    }
