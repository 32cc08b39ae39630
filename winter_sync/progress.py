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
    TimeRemainingColumn,
)

from winter_sync.events import (
    Backlog,
    Event,
    Polled,
    Received,
    Retrying,
    ServerUnwell,
    ServerWell,
    Settled,
)
from winter_sync.units import show_size

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from winter_sync.models import Product

_ASKING = "asking the archive"
_SHORTEST_SECONDS = 0.001
"""Below it a rate would be noise."""


class ProgressView:
    """A listener that draws one line: products done of those wanted, bytes, rate, time left.

    The line fits 80 columns and is gone at the end; what is logged meanwhile stands above it. Use
    as a context manager.

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
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[received]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            expand=True,
            transient=True,
        )
        self._line = self._progress.add_task(_ASKING, total=None, received="")

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
            case Retrying() | ServerUnwell():
                self._progress.update(self._line, description="waiting for the server")
            case ServerWell():
                self._progress.update(self._line, description=_ASKING)
            case _:
                pass

    def _expect(self, more: int) -> None:
        self._wanted += more
        self._update()

    def _receive(self, size: int) -> None:
        self._received += size
        seconds = max(self._clock() - self._began, _SHORTEST_SECONDS)
        text = f"{show_size(self._received)}, {show_size(self._received / seconds)}/s"
        self._progress.update(self._line, received=text)

    def _settle(self, product: Product) -> None:
        self._settled.add(product.identity)
        self._update(f"{product.night} {product.instrument} {product.image_type}")

    def _update(self, about: str | None = None) -> None:
        """Show how many are done; what is asked for again though not wanted counts as well."""
        done = len(self._settled)
        total = max(self._wanted, done) or None
        self._progress.update(self._line, completed=done, total=total, description=about)
