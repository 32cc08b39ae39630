"""Downloads from a modelled server on a clock that is driven: our decisions, and nothing else.

The planner, the choice of batches and the allowance of connections are the real ones. The server
is a rule for how long a request takes; products are numbers of bytes.
"""

from __future__ import annotations

import heapq
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING

from support.named import candidate, product

from winter_sync.archive.download_slots import Allowance
from winter_sync.core.clocks import Time
from winter_sync.core.downloads import Batch, Candidate
from winter_sync.core.traits import FETCH_ORDER, ImageType
from winter_sync.sync.batching import choose_batch
from winter_sync.sync.download_planner import ClientLimits, DownloadPlanner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from winter_sync.sync.server_model import Transfer

BEGINNING = datetime(2024, 2, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Zipping:
    """A server that zips before its first byte: seconds, and bytes a second.

    What asks for more than `largest` bytes fails after that time. `varies` makes each request take
    longer by a factor.
    """

    fixed: float = 0.5
    zip_rate: float = 100e6
    rate: float = 40e6
    largest: float = 1e18
    varies: Callable[[], float] = lambda: 1.0

    def limit(self, size: float, connections: int) -> float:
        """Return the seconds in which so many connections can have this many bytes at best."""
        return self.fixed + size / connections * (1 / self.zip_rate + 1 / self.rate)

    def seconds(self, size: float) -> tuple[float, float]:
        """Return the wait for the first byte of a request, and the time from there on."""
        factor = self.varies()
        return (self.fixed + size / self.zip_rate) * factor, size / self.rate * factor


@dataclass(slots=True)
class Asked:
    """A request: when it was made and when it ended, and its products."""

    began: float
    ended: float
    candidates: tuple[Candidate, ...]
    arrived: bool = True

    @property
    def size(self) -> int:
        """Its bytes, as they are."""
        return sum(candidate.expected_size for candidate in self.candidates)


@dataclass
class DrivenDownloads:
    """A queue that is downloaded from a modelled server.

    Attributes
    ----------
    server
        The server.
    sizes
        How many bytes each product really has.
    connections, interval
        The settings.
    transfers, now
        What was learnt before, and when it is, in seconds since the first run.
    """

    server: Zipping
    sizes: Mapping[str, int]
    connections: int = 4
    interval: float = 0.0
    transfers: Iterable[Transfer] = ()
    now: float = 0.0
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin."""
        self.allowance = Allowance(self.connections, self.connections)
        time = Time(
            clock=lambda: BEGINNING + timedelta(seconds=self.now), monotonic=lambda: self.now
        )
        limits = ClientLimits(self.interval)
        self.planner = DownloadPlanner(lambda: self.allowance.now, limits, time, self.transfers)
        self._queue: list[Candidate] = []
        self._next_start = self._began = self.now
        self._running: list[tuple[float, int]] = []
        self._ends: dict[int, tuple[Asked, ExitStack, int, tuple[float, float]]] = {}
        self._known: dict[ImageType, int] = {}

    def run(self, *arrivals: tuple[float, Sequence[Candidate]]) -> float:
        """Download what is listed at these times; return in how many seconds."""
        left = [(self.now + at, listed) for at, listed in sorted(arrivals, key=itemgetter(0))]
        while left or self._running or self._queue:
            while left and left[0][0] <= self.now:
                self._queue += left.pop(0)[1]
            while self._queue and len(self._running) < self.allowance.now:
                self._begin()
            times = [at for at, _ in [*left[:1], *self._running[:1]]]
            if not times:
                continue
            self.now = max(self.now, min(times))
            while self._running and self._running[0][0] <= self.now:
                self._end(heapq.heappop(self._running)[1])
        return self.now - self._began

    def _begin(self) -> None:
        chosen = choose_batch(self._seen(), self.planner.conditions(10**12))
        taken = {each.path for each in chosen}
        self._queue = [each for each in self._queue if each.path not in taken]
        number = len(self.asked)
        stack = ExitStack()
        under_way: AbstractContextManager[None] = self.planner.under_way(Batch(str(number), chosen))
        stack.enter_context(under_way)
        began = max(self.now, self._next_start)
        self._next_start = began + self.interval
        real = sum(self.sizes[each.path] for each in chosen)
        waited, receiving = self.server.seconds(real)
        arrives = real <= self.server.largest
        asked = Asked(began, began + waited + receiving * arrives, chosen, arrives)
        self.asked.append(asked)
        self._ends[number] = asked, stack, self.allowance.halvings, (waited, receiving)
        heapq.heappush(self._running, (asked.ended, number))

    def _seen(self) -> list[Candidate]:
        """Return the queue as the catalog has it: sizes by what arrived of the type."""
        known = self._known
        return [
            replace(each, expected_size=known.get(each.product.image_type, each.expected_size))
            for each in sorted(self._queue, key=lambda each: each.attempts)[:512]
        ]

    def _end(self, number: int) -> None:
        asked, stack, halvings, (waited, receiving) = self._ends.pop(number)
        stack.close()
        if not asked.arrived:
            self.allowance = self.allowance.after_overload(halvings)
            self.planner.failed(Batch(str(number), asked.candidates))
            self._queue += [replace(each, attempts=each.attempts + 1) for each in asked.candidates]
            return
        self.allowance = self.allowance.after_success()
        sizes = [self.sizes[each.path] for each in asked.candidates]
        self._known[asked.candidates[0].product.image_type] = sum(sizes) // len(sizes)
        self.planner.arrived(len(sizes), sum(sizes), waited, receiving)


def products(counts: Mapping[ImageType, int], size: int | None = None) -> list[Candidate]:
    """Return so many products of each type, in the order of fetching.

    Their size is what is expected of the type, or the given one.
    """
    return [
        candidate(product(f"{image_type}-{number}.fits", image_type), size=size or typical)
        for image_type in FETCH_ORDER
        for typical in [image_type.traits.typical_size]
        for number in range(counts.get(image_type, 0))
    ]
