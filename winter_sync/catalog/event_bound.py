"""How many events of products one answer may cause: a flood of them is counted instead."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.core import EventKind, EventValue, Product

MOST_SINGLE = 1000
"""Events of one kind that one answer of the archive may cause; the rest is one event together.

More than a busy night has of a type. An archive that changes 100,000 rows at each poll would push
out of the outbox all that a slow sink still lacks.
"""


@dataclass(slots=True)
class EventBound:
    """Counts the events of products by kind, and what is beyond the bound."""

    _single: Counter[EventKind] = field(default_factory=Counter)
    _beyond: Counter[EventKind] = field(default_factory=Counter)
    _nights: defaultdict[EventKind, set[str]] = field(default_factory=lambda: defaultdict(set))

    def admits(self, kind: EventKind, product: Product) -> bool:
        """Count an event; return whether it is recorded by itself."""
        if self._single[kind] < MOST_SINGLE:
            self._single[kind] += 1
            return True
        self._beyond[kind] += 1
        self._nights[kind].add(product.night.name)
        return False

    def summaries(self) -> Iterator[dict[str, EventValue]]:
        """Yield the fields of the event of the rest, for each kind of which there were too many."""
        for kind, products in self._beyond.items():
            yield {
                "change": kind.value,
                "products": products,
                "nights": sorted(self._nights[kind]),
            }
