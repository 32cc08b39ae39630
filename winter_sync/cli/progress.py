"""A run shown as it goes: drawn where somebody watches, else told to the log now and then."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Protocol, Self

from rich.live import Live
from rich.text import Text

from winter_sync.cli.tally import Counts, Ended, Tally
from winter_sync.core import printable, show_duration, show_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult
    from structlog.typing import FilteringBoundLogger

    from winter_sync.core import Event

EVERY_SECONDS = 30.0
"""How often the log is told how far a run is, at most."""
_SHOWN = 6
"""Nights and types under way."""
_REASONS_SHOWN = 3
_SHORTEST_BAR = 8
_LONGEST_BAR = 40
_GAP = 2
_MINUTE = 60


def is_drawable(console: Console) -> bool:
    """Tell whether somebody watches, on a terminal that can move its cursor.

    A terminal that only others say is one (FORCE_COLOR) is a file that would be torn by drawing.
    """
    return console.file.isatty() and console.is_terminal and not console.is_dumb_terminal


class Progress(Protocol):
    """What shows a run; a context manager around it."""

    tally: Tally

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End."""

    def tell(self, event: Event) -> None:
        """Take note of what happened."""


class ProgressView:
    """Draws, on a few lines that are gone at the end; what is logged meanwhile stands above them.

    The first line is the whole: products done of those wanted, bytes, how fast they come, how long
    it will take. Below are the nights and types under way, then the last reasons for failures.

    Parameters
    ----------
    console
        Where to draw; on anything but a terminal nothing is drawn.
    clock
        Gives a time in seconds that never goes back.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.tally = Tally()
        self._clock = clock
        self._lock = Lock()
        self._live = Live(get_renderable=lambda: self, console=console, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, event: Event) -> None:
        """Take note of what happened."""
        with self._lock:  # the drawing is done by a thread
            self.tally.hear(event, self._clock())

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it as it is now."""
        del console
        with self._lock:
            yield from tuple(
                drawn(self.tally, self._clock(), options.max_width, plain=options.ascii_only)
            )


class ProgressLog:
    """Tells the log how far a run is, where nobody watches: never when nothing happens.

    Parameters
    ----------
    logger
        Where lines are written.
    run
        What the run is called.
    clock
        Gives a time in seconds that never goes back.
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
        self._title = f"{run} goes on"
        self._clock = clock
        self._by_night = by_night
        self._told_at = clock()
        self._told: tuple[Counts, int] = Counts(), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def tell(self, event: Event) -> None:
        """Take note of what happened, and write a line if it is time for one."""
        now = self._clock()
        ended = self.tally.hear(event, now)
        if ended and self._by_night:
            self._tell_nights(ended)
        if now - self._told_at >= EVERY_SECONDS and self._told != self._state:
            self._told_at, self._told = now, self._state
            self._logger.info(self._title, **_progress(self.tally, now))

    @property
    def _state(self) -> tuple[Counts, int]:
        return self.tally.overall, self.tally.received

    def _tell_nights(self, ended: Sequence[Ended]) -> None:
        done = sum((one.counts for one in ended), Counts())
        told = {"published": done.published, "missing": done.missing, "bytes": done.size}
        nights = sorted(one.night.name for one in ended)
        if len(nights) == 1:
            self._logger.info("night complete", night=nights[0], **told)
        else:
            between = {"first": nights[0], "last": nights[-1]}
            self._logger.info("nights complete", nights=len(nights), **between, **told)


def _progress(tally: Tally, now: float) -> dict[str, int]:
    """Give the numbers of a line, without those that are not known."""
    overall, rate, time_left = tally.overall, tally.rate(now), tally.time_left(now)
    known = {
        "nights_complete": tally.nights_complete if not tally.polling else None,
        "nights_left": tally.nights_left,
        "done": overall.done,
        "left": overall.left,
        "missing": overall.missing,
        "failed": overall.failed,
        "bytes": tally.received,
        "bytes_per_second": rate,
        "seconds_left": time_left,
    }
    return {name: round(number) for name, number in known.items() if number is not None}


# --- the drawing ---------------------------------------------------------------------------------


def drawn(tally: Tally, now: float, width: int, *, plain: bool = False) -> Iterator[Text]:
    """Draw a tally in lines of at most so many columns; `plain` keeps to ASCII."""
    yield _line(_overall(tally, now, width, plain=plain), width)
    if tally.unwell:
        yield _line(f"  {tally.unwell}", width, "yellow")
    if tally.nights_complete:
        nights = "night" if tally.nights_complete == 1 else "nights"
        text = f"  {tally.nights_complete} {nights} complete, {tally.nights_left} to come"
        yield _line(text, width)
    for night, (instrument, image_type), counts in tally.under_way(_SHOWN):
        done = f"{counts.done:>5}/{counts.total}"
        failed = f"  {counts.failed} failed" if counts.failed else ""
        yield _line(f"  {night} {instrument} {image_type:<8} {done}{failed}", width)
    for reason, times in tally.failures[:_REASONS_SHOWN]:
        often = "once" if times == 1 else f"{times} times"
        yield _line(f"  failed {often}: {reason}", width, "red")


def _line(text: Text | str, width: int, style: str = "") -> Text:
    """Make one line of a text, whatever is in it."""
    if isinstance(text, str):
        text = Text(printable(text), style)
    text.no_wrap, text.overflow = True, "crop"
    text.truncate(width, overflow="crop")
    return text


def _overall(tally: Tally, now: float, width: int, *, plain: bool) -> Text:
    """Draw the whole in a line: the bar takes what is left of it, and is the first to go."""
    words = _fitting(_words(tally, now), width)
    room = min(width - sum(len(word) + _GAP for word in words), _LONGEST_BAR)
    overall = tally.overall
    if overall.total and room >= _SHORTEST_BAR:
        words.insert(1, _bar(overall.done / overall.total, room, plain=plain))
    return Text((" " * _GAP).join(words))


def _words(tally: Tally, now: float) -> list[tuple[int, str]]:
    """Give what there is to say in its order, each with its rank when there is no room for all."""
    overall, rate, time_left = tally.overall, tally.rate(now), tally.time_left(now)
    words = [(5, _doing(tally))]
    if overall.total:
        words.append((1, f"{overall.done}/{overall.total}"))
    if tally.received:
        words.append((4, show_size(tally.received)))
    if rate is not None:
        words.append((3, f"{show_size(rate)}/s"))
    if time_left is not None and overall.left:
        words.append((2, _left(time_left, at_least=tally.polling)))
    return words


def _doing(tally: Tally) -> str:
    if tally.unwell:
        return "waiting for the server"
    return "fetching" if tally.overall.total else "asking the archive"


def _left(seconds: float, *, at_least: bool) -> str:
    whole = round(seconds)
    told = f"{whole} s" if whole < _MINUTE else show_duration(whole)
    return f"{told}{'+' if at_least else ''} left"


def _fitting(words: list[tuple[int, str]], width: int) -> list[str]:
    """Leave words out, those of the last ranks first, until all fit; one stays."""
    while len(words) > 1 and sum(len(word) + _GAP for _, word in words) - _GAP > width:
        words.remove(max(words))
    return [word for _, word in words]


def _bar(share: float, width: int, *, plain: bool) -> str:
    """Draw a bar that can be read without colours."""
    full, empty = "#-" if plain else "\u2501\u2500"
    done = int(share * width)
    return full * done + empty * (width - done)
