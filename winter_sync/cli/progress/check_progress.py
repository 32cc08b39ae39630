"""A check of files shown as it goes: drawn on a terminal, otherwise reported in the log."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.progress import Task, TaskID

from winter_sync.cli.progress.columns import render_line
from winter_sync.cli.progress.display import EVERY_SECONDS, is_drawable
from winter_sync.cli.progress.forecast import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, ConsoleOptions, RenderResult
    from structlog.typing import FilteringBoundLogger


@contextmanager
def counting(
    console: Console, logger: FilteringBoundLogger, event: str, files: int, size: int
) -> Iterator[Callable[[int, int], None]]:
    """Show a number of files and bytes while they are gone through.

    The function that is returned takes the numbers of those just done; `event` is the name of the
    line of the log.
    """
    with CheckProgress(console, logger, files, size, event=event) as progress:
        yield progress.add


class CheckProgress:
    """How far a check of files is. A context manager around it.

    Parameters
    ----------
    console
        Where to draw; on anything but a terminal nothing is drawn.
    logger
        Receives a line periodically where nothing is drawn.
    files, size
        How many files there are to check, and their bytes.
    clock
        Return a time in seconds that never goes back.
    event
        The name of that line.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the first four by place, as everywhere
        self,
        console: Console,
        logger: FilteringBoundLogger,
        files: int,
        size: int,
        clock: Callable[[], float] = time.monotonic,
        event: str = "verify progress",
    ) -> None:
        self._files, self._size = files, size
        self._done, self._read = 0, 0
        self._clock = clock
        self._event = event
        self._rate = Rate()
        self._logger = logger
        self._reported_at = clock()
        self._lock = Lock()
        self._live: Live | None = None
        if is_drawable(console):
            self._live = Live(get_renderable=lambda: self, console=console, transient=True)

    def add(self, files: int, size: int) -> None:
        """Count files that were checked, and the bytes read of them."""
        now = self._clock()
        with self._lock:  # the drawing is done by a thread
            self._done += files
            self._read += size
            self._rate.add(size, now)
        if self._live is None and now - self._reported_at >= EVERY_SECONDS:
            self._reported_at = now
            self._logger.info(
                self._event, done=self._done, left=self._files - self._done, bytes=self._read
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the check as it is now."""
        del console
        yield render_line(self._task(), options.max_width, ascii_only=options.ascii_only)

    def _task(self) -> Task:
        """Return the check as a task of `rich`."""
        with self._lock:
            rate = self._rate.at(self._clock())
            left = max(self._size - self._read, 0) / rate if rate else None
            fields = {"bytes": self._read, "rate": rate or None, "seconds_left": left}
            return Task(TaskID(0), "checking", self._files, self._done, self._clock, fields=fields)
