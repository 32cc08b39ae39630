"""The downloads that are under way, by the events of the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import BatchEnded, BatchStarted, EventTable, ProductFinished, Received

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from winter_sync.core import Batch, Event, ImageType, Instrument, Night


@dataclass(frozen=True, slots=True)
class Transfer:
    """A download that is under way.

    Parameters
    ----------
    program, instrument, image_type
        What all its products have in common.
    nights
        Their nights, the newest first.
    products, finished
        How many products were requested, and how many of them are done with.
    received, expected
        Bytes that arrived, and about how many will; what arrives is compressed at times.
    began
        When it was requested, UTC.
    """

    program: str
    instrument: Instrument
    image_type: ImageType
    nights: tuple[Night, ...]
    products: int
    finished: int
    received: int
    expected: int
    began: datetime

    @property
    def percent(self) -> int:
        """How much of it has arrived, as far as that can be known: at most 99."""
        return min(99, 100 * self.received // self.expected) if self.expected else 0


class Transfers:
    """Keeps the downloads that are under way.

    Parameters
    ----------
    clock
        Returns the current UTC time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._under_way: dict[str, _Download] = {}
        handlers = EventTable[None]()
        handlers.add(BatchStarted, lambda event: self._begin(event.batch))
        handlers.add(Received, lambda event: self._receive(event.batch, event.size))
        handlers.add(ProductFinished, self._finish)
        handlers.add(BatchEnded, lambda event: self._end(event.batch))
        self._handlers = handlers

    @property
    def now(self) -> tuple[Transfer, ...]:
        """The downloads that are under way, the oldest first."""
        return tuple(download.shown for download in self._under_way.values())

    def handle(self, event: Event) -> None:
        """Follow the downloads by an event."""
        self._handlers.of(event)

    def clear(self) -> None:
        """Forget all: nothing is under way any more."""
        self._under_way.clear()

    def _begin(self, batch: Batch) -> None:
        self._under_way[batch.identifier] = _Download(batch, self._clock())

    def _receive(self, batch: Batch, size: int) -> None:
        if download := self._under_way.get(batch.identifier):
            download.received += size

    def _finish(self, event: ProductFinished) -> None:
        identity = event.outcome.candidate.product.identity
        for download in self._under_way.values():
            download.left.discard(identity)

    def _end(self, batch: Batch) -> None:
        self._under_way.pop(batch.identifier, None)


class _Download:
    """A download, as its events come."""

    def __init__(self, batch: Batch, began: datetime) -> None:
        self.received = 0
        self.left = {candidate.product.identity for candidate in batch.candidates}
        self._batch = batch
        self._began = began

    @property
    def shown(self) -> Transfer:
        """The same, as a page shows it."""
        batch = self._batch
        nights = {candidate.product.night for candidate in batch.candidates}
        return Transfer(
            program=batch.program,
            instrument=batch.instrument,
            image_type=batch.image_type,
            nights=tuple(sorted(nights, key=str, reverse=True)),
            products=len(batch.candidates),
            finished=len(batch.candidates) - len(self.left),
            received=self.received,
            expected=sum(candidate.expected_size for candidate in batch.candidates),
            began=self._began,
        )
