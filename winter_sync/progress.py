"""A run shown on a terminal as it goes: how many products, how many bytes, how fast."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from winter_sync.events import Backlog, Event, Polled, Received, ServerUnwell, Settled
from winter_sync.units import show_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from winter_sync.models import Product


class ProgressView:
    """A listener that draws one line: products done of those wanted, bytes, rate, time left.

    Use as a context manager.

    Parameters
    ----------
    console
        Where to draw; on anything but a terminal nothing is drawn.
    clock
        Gives a time in seconds that never goes back.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._wanted = 0
        self._received = 0
        self._settled: set[tuple[object, str]] = set()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[received]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._line = self._progress.add_task("asking the archive", total=None, received="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, event: Event) -> None:
        """Take note of what happened."""
        match event:
            case Backlog(wanted):
                self._expect(wanted)
            case Polled():
                self._expect(event.new + event.changed)
            case Received(_, size):
                self._receive(size)
            case Settled(outcome):
                self._settle(outcome.candidate.product)
            case ServerUnwell(reason, wait):
                self._progress.console.print(f"[yellow]{reason}; again in {wait:.0f} s[/]")

    def _expect(self, more: int) -> None:
        self._wanted += more
        self._progress.update(self._line, total=self._wanted or None)

    def _receive(self, size: int) -> None:
        self._received += size
        seconds = max(self._clock() - self._began, 0.001)
        text = f"{show_size(self._received)} at {show_size(self._received / seconds)}/s"
        self._progress.update(self._line, received=text)

    def _settle(self, product: Product) -> None:
        self._settled.add(product.identity)
        about = f"{product.night} {product.instrument} {product.image_type}"
        self._progress.update(self._line, completed=len(self._settled), description=about)
