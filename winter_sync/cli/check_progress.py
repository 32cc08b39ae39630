"""A check of files shown as it goes: drawn where somebody watches, else told to the log."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.text import Text

from winter_sync.cli.forecast import Rate
from winter_sync.cli.progress import EVERY_SECONDS, is_drawable
from winter_sync.core import show_duration, show_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from structlog.typing import FilteringBoundLogger

_BAR = 20
_MINUTE = 60


class CheckProgress:
    """How far a check of files is. A context manager around it.

    Parameters
    ----------
    console
        Where to draw; on anything but a terminal nothing is drawn.
    logger
        Told now and then where nothing is drawn.
    files, size
        How many files there are to check, and their bytes.
    clock
        Gives a time in seconds that never goes back.
    """

    def __init__(
        self,
        console: Console,
        logger: FilteringBoundLogger,
        files: int,
        size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files, self._size = files, size
        self._done, self._read = 0, 0
        self._clock = clock
        self._rate = Rate()
        self._logger = logger
        self._told_at = clock()
        self._lock = Lock()
        self._plain = console.options.ascii_only
        self._live: Live | None = None
        if is_drawable(console):
            self._live = Live(get_renderable=self._drawn, console=console, transient=True)

    def add(self, files: int, size: int) -> None:
        """Count files that were checked, and the bytes read of them."""
        now = self._clock()
        with self._lock:  # the drawing is done by a thread
            self._done += files
            self._read += size
            self._rate.came(size, now)
        if self._live is None and now - self._told_at >= EVERY_SECONDS:
            self._told_at = now
            self._logger.info(
                "verify progress", done=self._done, left=self._files - self._done, bytes=self._read
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _drawn(self) -> Text:
        done = self._done / self._files if self._files else 1.0
        full, empty = "#-" if self._plain else "\u2501\u2500"
        bar = full * int(done * _BAR) + empty * (_BAR - int(done * _BAR))
        words = ["checking", bar, f"{self._done}/{self._files}", show_size(self._read)]
        with self._lock:
            rate = self._rate.at(self._clock())
        if rate:
            left = max(self._size - self._read, 0) / rate
            words += [f"{show_size(rate)}/s", f"{_time(left)} left"]
        return Text("  ".join(words), no_wrap=True, overflow="crop")


def _time(seconds: float) -> str:
    return f"{round(seconds)} s" if seconds < _MINUTE else show_duration(round(seconds))
