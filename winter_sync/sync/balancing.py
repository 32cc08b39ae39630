"""How much of the queue one connection takes, so that all of them end together.

The queue is a row of groups, each of products that may travel together. It is cut, in its order,
into one stretch for each connection; the shortest time in which all stretches can end is found by
halving. The first stretch, the head of the queue, is for the connection that asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_WORK = 3
"""Times the fixed cost: less is not divided among connections, as requests would rule."""
_MOST_PARTS = 4
_HALVINGS = 40
_ROUNDING = 1e-6
"""What lacks no more of a product fits."""


@dataclass(frozen=True, slots=True)
class Group:
    """Products that may travel together: how many, their mean bytes, how many in one request."""

    products: int
    size: float
    most: int


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds for each request, and for each byte."""

    request: float
    byte: float

    def seconds(self, group: Group, products: int) -> float:
        """Return how long one connection takes for products of a group, in full requests."""
        requests = math.ceil(products / group.most)
        return self.request * requests + self.byte * group.size * products

    def within(self, group: Group, seconds: float) -> int:
        """Return how many products of a group one connection can take in a time."""
        full = self.seconds(group, group.most)
        requests = int(seconds / full + _ROUNDING)
        rest = seconds - requests * full - self.request
        more = int(rest / (self.byte * group.size) + _ROUNDING) if rest > 0 else 0
        return min(requests * group.most + min(more, group.most - 1), group.products)


def first_share(groups: Sequence[Group], waits: Sequence[float], costs: Costs) -> int:
    """Return how many products of the first group the first connection takes next.

    Parameters
    ----------
    groups
        All that is to be downloaded, in its order; not empty.
    waits
        Seconds until each connection is free. The first is the one that asks; no other is free
        before it.
    costs
        What requests and bytes cost; more than nothing.
    """
    connections = _employed(groups, waits, costs)
    too_short = connections[0]
    enough = connections[0] + sum(costs.seconds(group, group.products) for group in groups)
    for _ in range(_HALVINGS):
        middle = (too_short + enough) / 2
        if _all_end_within(middle, groups, connections, costs):
            enough = middle
        else:
            too_short = middle
    return max(costs.within(groups[0], enough - connections[0]), 1)


def parts_of(share: int, group: Group, spread: float, costs: Costs) -> int:
    """Return in how many requests a share is asked for.

    The less sure the time of a download is (`spread`, as a part of it), the smaller are the
    requests: what comes later can make up for it then. But none is so small that requests rule.
    """
    work = costs.byte * group.size * share
    wanted = min(round(1 + 2 * spread), _MOST_PARTS, int(work / (_LEAST_WORK * costs.request)))
    return max(math.ceil(share / group.most), wanted, 1)


def _employed(groups: Sequence[Group], waits: Sequence[float], costs: Costs) -> list[float]:
    """Return the waits of those connections among which the work is worth dividing."""
    work = costs.byte * sum(group.size * group.products for group in groups)
    worth = max(int(work / (_LEAST_WORK * costs.request)), 1)
    return [waits[0], *sorted(waits[1:])][:worth]


def _all_end_within(
    seconds: float, groups: Sequence[Group], connections: Sequence[float], costs: Costs
) -> bool:
    """Return whether the connections, one after the other, can take all of the groups in time."""
    left = list(groups)
    for wait in connections:
        free = seconds - wait
        while left:
            taken = costs.within(left[0], free)
            free -= costs.seconds(left[0], taken)
            if taken < left[0].products:
                group = left[0]
                left[0] = Group(group.products - taken, group.size, group.most)
                break
            left.pop(0)
    return not left
