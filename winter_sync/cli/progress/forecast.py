"""How fast bytes arrive and how large products are: the time left is estimated from them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.cli.progress.counts import Kind

WINDOW_SECONDS = 30
"""The rate is that of the last 30 s: an early stall does not spoil it for long."""
_SHORTEST_SECONDS = 1.0
"""Bytes of a shorter time give no rate."""


class Rate:
    """Bytes a second over the last `WINDOW_SECONDS`."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._seconds: deque[tuple[int, int]] = deque()
        """The bytes of each second that had any, the oldest first."""

    def add(self, size: int, now: float) -> None:
        """Add bytes that arrived."""
        self._began = now if self._began is None else self._began
        second, earlier = int(now), 0
        if self._seconds and self._seconds[-1][0] >= second:
            second, earlier = self._seconds.pop()
        self._seconds.append((second, earlier + size))
        self._forget(now)

    def at(self, now: float) -> float | None:
        """Return the rate; None until bytes have arrived for a second."""
        if self._began is None or now - self._began < _SHORTEST_SECONDS:
            return None
        self._forget(now)
        return sum(size for _, size in self._seconds) / min(now - self._began, WINDOW_SECONDS)

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] < now - WINDOW_SECONDS:
            self._seconds.popleft()


class Sizes:
    """Sizes of products by type: those that arrived, or else the typical ones."""

    def __init__(self) -> None:
        self.seen = 0
        """Bytes of all products that arrived."""
        self._typical = 0
        """Bytes that they would have if they were typical."""
        self._by_kind: dict[Kind, tuple[int, int]] = {}

    def add(self, kind: Kind, size: int) -> None:
        """Add the size of a product."""
        products, total = self._by_kind.get(kind, (0, 0))
        self._by_kind[kind] = products + 1, total + size
        self.seen += size
        self._typical += kind[1].traits.typical_size

    def of(self, kind: Kind) -> float:
        """Return the expected bytes of a product of a type.

        A type not seen yet is taken to differ from its typical size as much as the others do.
        """
        if kind in self._by_kind:
            products, total = self._by_kind[kind]
            return total / products
        ratio = self.seen / self._typical if self._typical else 1.0
        return kind[1].traits.typical_size * ratio
