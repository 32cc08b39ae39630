"""How fast bytes come, and how many are to come: what the time left is estimated from."""

from __future__ import annotations

from collections import deque

from winter_sync.core import ImageType, Instrument

Kind = tuple[Instrument, ImageType]
"""What products are alike in size by."""

WINDOW_SECONDS = 30
"""The rate is that of the last so many seconds: an early stall does not spoil it for long."""
_SHORTEST_SECONDS = 1.0
"""Bytes of a shorter time tell no rate."""


class Rate:
    """Bytes a second over the last `WINDOW_SECONDS`."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._seconds: deque[tuple[int, int]] = deque()
        """The bytes of each second that had any, the oldest first."""

    def came(self, size: int, now: float) -> None:
        """Note that so many bytes came."""
        self._began = now if self._began is None else self._began
        second, earlier = int(now), 0
        if self._seconds and self._seconds[-1][0] >= second:
            second, earlier = self._seconds.pop()
        self._seconds.append((second, earlier + size))
        self._forget(now)

    def at(self, now: float) -> float | None:
        """Give the rate; None until bytes have come for a second."""
        if self._began is None or now - self._began < _SHORTEST_SECONDS:
            return None
        self._forget(now)
        return sum(size for _, size in self._seconds) / min(now - self._began, WINDOW_SECONDS)

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] < now - WINDOW_SECONDS:
            self._seconds.popleft()


class Sizes:
    """How large a product of a type is: as those that came, else as it is said to be."""

    def __init__(self) -> None:
        self.seen = 0
        """Bytes of all products that came."""
        self._said = 0
        self._by_kind: dict[Kind, tuple[int, int]] = {}

    def note(self, kind: Kind, size: int) -> None:
        """Note how large a product is."""
        products, total = self._by_kind.get(kind, (0, 0))
        self._by_kind[kind] = products + 1, total + size
        self.seen += size
        self._said += kind[1].traits.typical_size

    def of(self, kind: Kind) -> float:
        """Give the bytes of a product of a type.

        One that was not seen yet differs from what it is said to be as much as the others do.
        """
        if kind in self._by_kind:
            products, total = self._by_kind[kind]
            return total / products
        return kind[1].traits.typical_size * (self.seen / self._said if self._said else 1.0)
