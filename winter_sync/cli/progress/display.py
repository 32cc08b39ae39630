"""A run shown as it goes: drawn on a terminal, otherwise reported in the log."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Protocol, Self, TypeGuard

from winter_sync.cli.progress.counts import Counts, Ended
from winter_sync.cli.progress.tally import Tally
from winter_sync.core import FactsRead, fan_out
from winter_sync.monitoring import log_events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult
    from structlog.typing import FilteringBoundLogger

    from winter_sync.cli.plain_screen import PlainScreen
    from winter_sync.core import Event, Sink

EVERY_SECONDS = 30.0
"""Least time between two lines of progress in the log."""


def is_drawable(console: Console | PlainScreen) -> TypeGuard[Console]:
    """Return whether the output is a terminal that can move its cursor.

    A file that is only said to be a terminal (FORCE_COLOR) would be torn by drawing.
    """
    return console.file.isatty() and console.is_terminal and not console.is_dumb_terminal


class Progress(Protocol):
    """What shows a run; a context manager around it."""

    tally: Tally

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End."""

    def handle(self, event: Event) -> None:
        """Record an event."""


class ProgressView:
    """Draws a few lines that are erased at the end; log lines appear above them.

    The first line is the whole: products done of those wanted, bytes, rate, time left. Below are
    the nights and types under way, then the latest reasons of failures.

    Parameters
    ----------
    console
        Where to draw; on anything but a terminal nothing is drawn.
    clock
        Return a time in seconds that never goes back.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.live import Live

        self.tally = Tally()
        self._clock = clock
        self._lock = Lock()
        self._live = Live(get_renderable=lambda: self, console=console, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def handle(self, event: Event) -> None:
        """Record an event; it is drawn at the next refresh.

        Headers that were read are drawn at once: that may be over before the next refresh.
        """
        with self._lock:  # the drawing is done by a thread
            self.tally.record(event, self._clock())
        if isinstance(event, FactsRead):
            self._live.refresh()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the run as it is now."""
        from winter_sync.cli.progress.drawing import drawn

        del console
        with self._lock:
            yield from tuple(
                drawn(self.tally, self._clock(), options.max_width, plain=options.ascii_only)
            )


class ProgressLog:
    """Reports in the log how far a run is, without a terminal: never when nothing happens.

    Parameters
    ----------
    logger
        Where lines are written.
    run
        The name of the run: sync, backfill or repair.
    clock
        Return a time in seconds that never goes back.
    by_night
        Whether each night that becomes complete is a line, too.
    """

    def __init__(
        self,
        logger: FilteringBoundLogger,
        run: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        by_night: bool = False,
    ) -> None:
        self.tally = Tally()
        self._logger = logger
        self._event = f"{run} progress"
        self._clock = clock
        self._by_night = by_night
        self._reported_at = clock()
        self._reported = Counts(), 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def handle(self, event: Event) -> None:
        """Record an event, and write a line if it is time for one."""
        now = self._clock()
        ended = self.tally.record(event, now)
        if ended and self._by_night:
            self._report_nights(ended)
        if now - self._reported_at >= EVERY_SECONDS and self._reported != self._state:
            self._reported_at, self._reported = now, self._state
            self._logger.info(self._event, **_numbers(self.tally, now))

    @property
    def _state(self) -> tuple[Counts, int, int]:
        return self.tally.overall, self.tally.received, self.tally.facts_read

    def _report_nights(self, ended: Sequence[Ended]) -> None:
        done = sum((night.counts for night in ended), Counts())
        counts = {"published": done.published, "missing": done.missing, "bytes": done.size}
        nights = sorted(night.night.name for night in ended)
        if len(nights) == 1:
            self._logger.info("night done", night=nights[0], **counts)
        else:
            between = {"first": nights[0], "last": nights[-1]}
            self._logger.info("nights done", nights=len(nights), **between, **counts)


def log_and_show(logger: FilteringBoundLogger, progress: Progress) -> Sink:
    """Return the one sink of a command that ends: the log, then what shows its progress."""
    return fan_out(log_events(logger), progress.handle)


def progress_of(
    run: str,
    console: Console | PlainScreen,
    logger: FilteringBoundLogger,
    *,
    by_night: bool = False,
) -> Progress:
    """Return how to show a run: drawn on a terminal, otherwise reported in the log."""
    if is_drawable(console):
        return ProgressView(console)
    return ProgressLog(logger, run, by_night=by_night)


def _numbers(tally: Tally, now: float) -> dict[str, int]:
    """Return the numbers of a line, without those that are not known."""
    overall = tally.overall
    numbers = {
        "nights_done": tally.nights_done if not tally.polling else None,
        "nights_left": tally.nights_left,
        "done": overall.done,
        "left": overall.left,
        "missing": overall.missing,
        "failed": overall.failed,
        "bytes": tally.received,
        "bytes_per_second": tally.rate(now),
        "seconds_left": tally.time_left(now),
        "facts_left": tally.facts_left or None,
    }
    return {name: round(number) for name, number in numbers.items() if number is not None}
