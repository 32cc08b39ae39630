"""What is known of the downloads under way and of the server, for choosing the next batch."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.sync.balancing import Costs
from winter_sync.sync.batching import Conditions
from winter_sync.sync.server_model import Transfer, estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from winter_sync.core import Batch, Time
    from winter_sync.sync.server_model import ServerModel

KEPT = 32
"""How many of the last downloads are learnt from."""
KEPT_FAILURES = 8
"""And how many of the last that did not begin."""
FORGOTTEN_AFTER = 14 * 86_400.0
"""Seconds; what the server did before that says nothing any more."""
FAILURES_FORGOTTEN_AFTER = 86_400.0
"""Seconds; then it is tried again whether as much is still too much."""
_LONGEST = 60.0
"""Seconds that a download should take at most: what is listed meanwhile waits for it."""
_TIMES_FIXED = 10
"""A download may take this many times the fixed cost, however long that is."""
_PATIENCE_USED = 0.25
"""The part of the longest wait for a first byte that zipping a batch may need."""
_OVERDUE = 0.1
"""A download that should have ended takes longer by this part of the time it has taken."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How the client of the archive is set.

    Attributes
    ----------
    interval
        Least time between the starts of two requests, seconds.
    first_byte
        Longest wait for the first byte of a download, seconds.
    """

    interval: float = 0.0
    first_byte: float = 600.0


@dataclass(slots=True)
class _UnderWay:
    starts: float
    size: int

    def left(self, now: float, model: ServerModel) -> float:
        """Return for how many seconds it goes on, by what is known of the server by now."""
        taken = now - self.starts
        return max(model.seconds(self.size) - taken, _OVERDUE * taken)


class DownloadPlanner:
    """Knows when each connection is free, and what the server does with a request.

    Parameters
    ----------
    allowed
        Returns how many downloads may run at once now.
    limits
        How the client is set.
    time
        Clocks.
    transfers
        How earlier downloads went, the oldest first.
    """

    def __init__(
        self,
        allowed: Callable[[], int],
        limits: ClientLimits,
        time: Time,
        transfers: Iterable[Transfer] = (),
    ) -> None:
        self._allowed = allowed
        self._limits = limits
        self._time = time
        self._under_way: dict[str, _UnderWay] = {}
        self._next_start = time.monotonic()
        self.transfers = tuple(transfers)
        """How the last downloads went, the oldest first."""
        self._learn()

    def conditions(self, room: int) -> Conditions:
        """Return the conditions of a batch that begins now, with this many bytes of room."""
        model = self._model
        return Conditions(
            room=room,
            largest=self._largest(),
            most=model.most,
            waits=self._waits(),
            costs=Costs(max(model.fixed, self._limits.interval), model.per_byte),
            spread=model.spread,
        )

    def _largest(self) -> int:
        """Return how many bytes one request may ask for: none may take long, or seem dead."""
        model = self._model
        if all(each.waited is None for each in self.transfers):
            return model.largest
        longest = max(_LONGEST, _TIMES_FIXED * model.fixed) - model.fixed
        silence = _PATIENCE_USED * max(self._limits.first_byte - model.fixed, 0.0)
        by_silence = silence / model.zipping if model.zipping else model.largest
        return int(min(model.largest, longest / model.per_byte, by_silence))

    def _waits(self) -> tuple[float, ...]:
        """Return in how many seconds each connection can begin, the one that asks first."""
        now = self._time.monotonic()
        spacing = max(self._next_start - now, 0.0)
        lefts = (each.left(now, self._model) for each in self._under_way.values())
        busy = [max(left, spacing) for left in lefts]
        free = max(self._allowed() - len(busy), 1)
        return (*(spacing + self._limits.interval * place for place in range(free)), *busy)

    @contextmanager
    def under_way(self, batch: Batch) -> Iterator[None]:
        """Count a batch as being downloaded."""
        now = self._time.monotonic()
        starts = max(self._next_start, now)
        self._next_start = starts + self._limits.interval
        self._under_way[batch.identifier] = _UnderWay(starts, batch.expected_size)
        try:
            yield
        finally:
            del self._under_way[batch.identifier]

    def arrived(self, products: int, size: int, waited: float, receiving: float) -> None:
        """Learn from a download that arrived complete: its bytes, and what it took in seconds."""
        self._record(Transfer(self._now, products, size, waited, receiving))

    def failed(self, batch: Batch) -> None:
        """Learn from a download that did not begin, though the server answers."""
        self._record(Transfer(self._now, len(batch.candidates), batch.expected_size, None))

    @property
    def _now(self) -> float:
        return self._time.clock().timestamp()

    def _record(self, transfer: Transfer) -> None:
        self.transfers = (*self.transfers, transfer)
        self._learn()

    def _learn(self) -> None:
        self.transfers = remembered(self.transfers, self._now)
        self._model = estimate(self.transfers)


def remembered(transfers: Sequence[Transfer], now: float) -> tuple[Transfer, ...]:
    """Return those of the downloads, the oldest first, that still say something.

    What is said to have ended later than now says nothing: the clock was wrong.
    """
    left = {True: KEPT, False: KEPT_FAILURES}
    age = {True: FORGOTTEN_AFTER, False: FAILURES_FORGOTTEN_AFTER}
    kept: list[Transfer] = []
    for each in reversed(transfers):
        arrived = each.waited is not None
        if left[arrived] and 0 <= now - each.at < age[arrived]:
            left[arrived] -= 1
            kept.append(each)
    return tuple(reversed(kept))
