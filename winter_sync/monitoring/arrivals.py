"""What the daemon downloaded, by night and program: a line now and then, not one a file."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from winter_sync.core import (
    FETCH_ORDER,
    BatchEnded,
    BatchStarted,
    EventTable,
    ProductFinished,
    Published,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

    from winter_sync.core import Event, ImageType, Night

_LONGEST = 60.0
"""Seconds for which arrivals are gathered while downloads go on."""


class Arrivals:
    """Gathers what arrives, and logs a line for each night and program when no download is left.

    While downloads go on, as in a backlog of years, that is done once a minute.

    Parameters
    ----------
    logger
        Where lines are written.
    monotonic
        Returns a time in seconds that never goes back.
    """

    def __init__(self, logger: FilteringBoundLogger, monotonic: Callable[[], float]) -> None:
        self._logger = logger
        self._monotonic = monotonic
        self._under_way = 0
        self._since = 0.0
        self._products: dict[tuple[Night, str], Counter[ImageType]] = defaultdict(Counter)
        self._sizes: Counter[tuple[Night, str]] = Counter()
        self._handlers = EventTable[None]()
        self._handlers.add(BatchStarted, self._started)
        self._handlers.add(ProductFinished, self._finished)
        self._handlers.add(BatchEnded, self._ended)

    def handle(self, event: Event) -> None:
        """Record an event."""
        self._handlers.of(event)

    def _started(self, event: BatchStarted) -> None:
        del event
        self._under_way += 1

    def _finished(self, event: ProductFinished) -> None:
        outcome = event.outcome
        if not isinstance(outcome, Published):
            return
        if not self._products:
            self._since = self._monotonic()
        product = outcome.candidate.product
        place = product.night, outcome.candidate.program
        self._products[place][product.image_type] += 1
        self._sizes[place] += outcome.evidence.size

    def _ended(self, event: BatchEnded) -> None:
        del event
        self._under_way -= 1
        if not self._under_way or self._monotonic() - self._since >= _LONGEST:
            self._write()

    def _write(self) -> None:
        for place, counts in sorted(self._products.items()):
            night, program = place
            said = ", ".join(_counted(kind, counts[kind]) for kind in FETCH_ORDER if counts[kind])
            self._logger.info(
                "arrived", night=night.name, program=program, products=said, size=self._sizes[place]
            )
        self._products.clear()
        self._sizes.clear()


def _counted(kind: ImageType, number: int) -> str:
    return f"{number} {kind}{'' if number == 1 or kind == 'science' else 's'}"
