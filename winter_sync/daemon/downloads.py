"""The daemon's downloads: they wait for work, and pause together when they bring nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from winter_sync.catalog import Queue
from winter_sync.core import FUTILE_DOWNLOADS, DownloadsPaused, Published
from winter_sync.sync import DownloadBreaker, DownloadLoop

if TYPE_CHECKING:
    from winter_sync.core import Time, WinterSyncError
    from winter_sync.sync import BatchResult, Coordination, Mirror, RefusedPrograms

_LOOK_FOR_WORK_EVERY = timedelta(minutes=5)
_A_MOMENT = timedelta(seconds=1)


class EndlessDownloads:
    """Downloads what is wanted for as long as the daemon lives.

    Parameters
    ----------
    mirror
        The mirror to download for.
    coordination
        Woken when there may be work, and closed at the end.
    refused
        The programs to leave out.
    time
        A clock.
    """

    def __init__(
        self, mirror: Mirror, coordination: Coordination, refused: RefusedPrograms, time: Time
    ) -> None:
        self._mirror = mirror
        self._coordination = coordination
        self._refused = refused
        self._time = time
        self._breaker = DownloadBreaker()
        self._pauses = 0
        self._is_paused = False

    def loop(self) -> DownloadLoop:
        """Return the loop that each connection runs."""
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
            self._mirror.emit(DownloadsPaused(failure.message, self._pause.total_seconds()))

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
        allowed = await self._mirror.downloader.pacing.allowed()
        retry = await self._mirror.catalog.queue(Queue.next_retry, scope, allowed)
        wait = _LOOK_FOR_WORK_EVERY
        if retry is not None:
            wait = min(max(retry - self._time.clock(), _A_MOMENT), wait)
        await self._coordination.wait_for_change_within(seen, wait)
        return True
