"""The daemon's slow check: every file read again in its turn, while nothing is downloaded."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from winter_sync.catalog import Checks, Files, Scope, format_instant
from winter_sync.core import (
    FAILED_FILE_CHECK,
    CheckPaused,
    FileChecked,
    StorageError,
    run_in_thread,
)
from winter_sync.sync.file_check import PIECE, Throttle

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from winter_sync.catalog import Held
    from winter_sync.core import Sink
    from winter_sync.sync.file_check import FileFinding
    from winter_sync.sync.quick_check import QuickCheck

_EVERYTHING = Scope(programs=())
_AT_ONCE = 50
"""Products fetched from the catalog at a time."""
_POLL_DOWNLOADS_EVERY = timedelta(seconds=2)
_NOTHING_TO_CHECK = timedelta(minutes=10)


class RollingCheck:
    """Reads one file after the other in full, the least recently read first, and never ends.

    It reports nothing that counts as progress of the daemon's work, and a file that takes long is
    no stall: nobody waits for this. It pauses while anything is downloaded.

    Parameters
    ----------
    quick_check
        Records and reports what is found, of the mirror that it checks.
    threads
        Where files are read.
    rate
        How many bytes to read a second; more than 0.
    every
        A file is not read again sooner than this.
    is_busy
        Returns whether something is being downloaded.
    found_lost
        Called when products are wanted again.
    emit
        Receives an event for each file that was read.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        quick_check: QuickCheck,
        *,
        threads: Executor,
        rate: int,
        every: timedelta,
        is_busy: Callable[[], bool],
        found_lost: Callable[[], None],
        emit: Sink,
    ) -> None:
        self._mirror = quick_check.mirror
        self._catalog = self._mirror.catalog
        self._quick_check = quick_check
        self._threads = threads
        self._every = every
        self._is_busy = is_busy
        self._found_lost = found_lost
        self._emit = emit
        self._time = self._mirror.time
        self._throttle = Throttle(rate, self._time.monotonic)
        self._piece = bytearray(PIECE)

    async def run(self) -> None:
        """Check files until cancelled."""
        while True:
            try:
                await self._check_what_is_due()
            except StorageError as failed:
                wait = FAILED_FILE_CHECK.delay(1).total_seconds()
                self._emit(CheckPaused(failed.message, failed.remedy, wait))
                await self._time.sleep(wait)
            else:
                await self._time.sleep(_NOTHING_TO_CHECK.total_seconds())

    async def _check_what_is_due(self) -> None:
        before, after = format_instant(self._time.clock() - self._every), ("", "")
        while True:
            page = await self._catalog.files(Files.to_check, _EVERYTHING, before, after, _AT_ONCE)
            for held in page:
                await self._check(held)
            if not page:
                return
            after = page[-1].checked_at, page[-1].path

    async def _check(self, held: Held) -> None:
        await self._until_idle()
        seen = await self._read(held)
        if seen.unreadable is not None:
            await self._catalog.checks(Checks.postpone, held)
        checked = await self._quick_check.record([seen], in_full=True)
        self._emit(FileChecked(seen.size))
        if checked.lost:
            self._found_lost()

    async def _read(self, held: Held) -> FileFinding:
        examination = await run_in_thread(self._threads, self._mirror.examine, held, self._piece)
        with examination:
            while size := await run_in_thread(self._threads, examination.step):
                await self._time.sleep(self._throttle.delay(size))
                await self._until_idle()
            return await run_in_thread(self._threads, lambda: examination.seen)

    async def _until_idle(self) -> None:
        while self._is_busy():
            await self._time.sleep(_POLL_DOWNLOADS_EVERY.total_seconds())
