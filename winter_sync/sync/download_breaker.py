"""Whether the server serves downloads at all, learnt from one batch after the other.

The circuit breaker of the archive's client counts requests that fail before an answer begins. This
one judges answers: a server, or a proxy, may answer everything and yet send no product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from winter_sync.core import FAILED_DOWNLOAD
from winter_sync.sync.batching import choose_alone, choose_batch
from winter_sync.sync.results import Served

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.core import Batch, Candidate, Product
    from winter_sync.sync.batching import Conditions
    from winter_sync.sync.results import BatchResult

_UNWELL = 3
"""After this many downloads that found the server unwell, downloads stop."""
_IN_VAIN = 3
"""After this many downloads in a row that brought nothing, one product alone is asked for."""
_ALONE_IN_VAIN = 5
"""After this many such products in a row, it is the server: downloads stop."""


@dataclass(slots=True)
class DownloadBreaker:
    """Opens when the server serves no downloads; until then it helps to find out."""

    is_open: bool = False
    """Whether downloads are paused."""
    _unwell: int = 0
    _in_a_row: int = 0
    _in_vain: list[Batch] = field(default_factory=list)

    def choose(
        self, candidates: Sequence[Candidate], conditions: Conditions
    ) -> tuple[Candidate, ...]:
        """Choose what to ask for next: one product alone while it is in doubt who is to blame.

        Nothing is chosen where nothing fits on the disk.
        """
        if self._in_a_row < _IN_VAIN:
            return choose_batch(candidates, conditions)
        room = conditions.room
        fitting = [candidate for candidate in candidates if candidate.expected_size <= room]
        return choose_alone(fitting, {batch.kind for batch in self._in_vain})

    def record(self, result: BatchResult) -> bool:
        """Record what the server did with a batch; return whether that opened the breaker.

        One product that arrived complete shows that the server serves. Of downloads that bring
        nothing, or nothing but damage, a few may be the fault of single products: only when
        several products bring nothing alone either, and nothing arrived in between, it is the
        server's, or of what is on the way to it. One that fails as it has often done before shows
        nothing.
        """
        match result.served:
            case Served.UNWELL:
                self._unwell += 1
                return self._open(enough=self._unwell >= _UNWELL)
            case Served.PRODUCTS:
                self._unwell = self._in_a_row = 0
                self._in_vain.clear()
            case Served.NOTHING:
                self._unwell = 0
                return self._record_in_vain(result.batch)
        return False

    def _record_in_vain(self, batch: Batch) -> bool:
        if _is_notorious(batch):
            return False
        self._in_a_row += 1
        # What is asked for again and again shows once what the server does, and is kept once.
        products = _products(batch)
        self._in_vain = [other for other in self._in_vain if _products(other) != products]
        self._in_vain.append(batch)
        alone = {products[0] for products in map(_products, self._in_vain) if len(products) == 1}
        return self._open(enough=len(alone) >= _ALONE_IN_VAIN)

    def _open(self, *, enough: bool) -> bool:
        """Open once there is enough; return whether that was now."""
        now = enough and not self.is_open
        self.is_open = self.is_open or enough
        return now

    def close(self) -> None:
        """Let downloads be tried again; one more product alone in vain ends them again."""
        self.is_open = False
        self._unwell = 0
        del self._in_vain[: 1 - _ALONE_IN_VAIN]


def _is_notorious(batch: Batch) -> bool:
    """Return whether this is a product alone that waits longer and longer between its attempts."""
    attempts = batch.candidates[0].attempts
    return len(batch.candidates) == 1 and not FAILED_DOWNLOAD.is_immediate(attempts)


def _products(batch: Batch) -> list[Product]:
    return [candidate.product for candidate in batch.candidates]
