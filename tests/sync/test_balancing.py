"""How the queue is cut among connections, so that all of them end together."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winter_sync.sync.balancing import Costs, Group, first_share, parts_of

COSTS = Costs(0.5, 3.5e-8)
groups = st.lists(
    st.builds(Group, st.integers(1, 60), st.floats(1e3, 6e7), st.sampled_from([1, 2, 8, 25, 256])),
    min_size=1,
    max_size=6,
)
waits = st.lists(st.floats(0, 30), max_size=15).map(lambda others: (0.0, *others))


def cut(queue: list[Group], waits: tuple[float, ...], costs: Costs) -> list[tuple[float, float]]:
    """Return when each request begins and ends as the connections take one after the other."""
    left, free, requests = list(queue), list(waits), []
    while left:
        free.sort()
        now = free.pop(0)
        share = first_share(left, (0.0, *(max(at - now, 0.0) for at in free)), costs)
        taken = math.ceil(share / parts_of(share, left[0], 0.0, costs))
        ends = now + costs.seconds(left[0], taken)
        requests.append((now, ends))
        free.append(ends)
        rest = left[0].products - taken
        left[:1] = [Group(rest, left[0].size, left[0].most)] if rest else []
    return requests


@settings(max_examples=30)
@given(groups, waits)
def test_a_share_is_some_of_the_first_group(queue: list[Group], waits: tuple[float, ...]) -> None:
    """At least one product and no more than there are."""
    assert 1 <= first_share(queue, waits, COSTS) <= queue[0].products


@settings(max_examples=30)
@given(groups, st.integers(1, 16))
def test_all_end_together(queue: list[Group], connections: int) -> None:
    """The last ends within 4/3 of the time that work and connections allow at best.

    That is the bound of the longest-processing-time rule (Graham 1969). Beside it come the time of
    one product, as none is divided, and what further requests cost.
    """
    requests = cut(queue, (0.0,) * connections, COSTS)
    work = sum(COSTS.byte * group.size * group.products for group in queue)
    product = max(COSTS.byte * group.size for group in queue)
    rounds = math.ceil(len(requests) / connections)
    last = max(ends for _, ends in requests)
    alone = 6 * COSTS.request  # less than twice what a part must be worth is not divided
    best = max((work + COSTS.request * len(requests)) / connections, product)
    assert last <= 4 / 3 * best + product + COSTS.request * rounds + alone


@settings(max_examples=30)
@given(st.integers(100, 250), st.integers(1, 8))
def test_one_kind_is_divided_evenly(count: int, connections: int) -> None:
    """As many requests as connections; none takes more than its part, to a product."""
    requests = cut([Group(count, 2e7, 256)], (0.0,) * connections, COSTS)
    assert len(requests) == connections
    longest = max(ends - begins for begins, ends in requests)
    assert longest <= COSTS.request + COSTS.byte * 2e7 * math.ceil(count / connections) + 1e-6


@settings(max_examples=30)
@given(groups, waits, st.sampled_from([1e-3, 0.5, 2.0, 1e3]))
def test_the_scale_does_not_matter(
    queue: list[Group], waits: tuple[float, ...], times: float
) -> None:
    """Neither that of bytes nor that of seconds changes what is taken."""
    share = first_share(queue, waits, COSTS)
    larger = [Group(group.products, group.size * times, group.most) for group in queue]
    by_size = first_share(larger, waits, Costs(COSTS.request, COSTS.byte / times))
    slower = Costs(COSTS.request * times, COSTS.byte * times)
    by_time = first_share(queue, tuple(wait * times for wait in waits), slower)
    assert abs(by_size - share) <= 1
    assert abs(by_time - share) <= 1


@settings(max_examples=30)
@given(groups, waits, st.floats(0, 100))
def test_who_waits_longer_takes_no_more(
    queue: list[Group], waits: tuple[float, ...], later: float
) -> None:
    """The later the others are free, the more is for the one that asks."""
    share = first_share(queue, waits, COSTS)
    busier = (waits[0], *(wait + later for wait in waits[1:]))
    assert first_share(queue, busier, COSTS) >= share - 1


def test_what_is_too_little_is_not_divided() -> None:
    """Where requests would rule: three times what one costs goes to each connection."""
    little = Group(8, 5e6, 256)
    assert first_share([little], (0.0,) * 4, COSTS) == 8
    assert first_share([Group(8, 2e7, 256)], (0.0,) * 4, COSTS) < 8


@given(st.integers(1, 1000), st.integers(1, 256), st.floats(0, 2))
def test_a_share_is_asked_for_in_parts(share: int, most: int, spread: float) -> None:
    """As many as its limits need, and more the less sure the time is, but no crumbs."""
    group = Group(share, 2e7, most)
    parts = parts_of(share, group, spread, COSTS)
    assert math.ceil(share / parts) <= most
    assert parts <= parts_of(share, group, spread + 0.5, COSTS)
    if parts > math.ceil(share / most):
        assert COSTS.byte * group.size * share / parts >= 3 * COSTS.request
    assert parts_of(100, Group(100, 2e7, 256), 0.0, COSTS) == 1
    assert parts_of(100, Group(100, 2e7, 256), 0.5, COSTS) == 2


def test_products_of_one_connection_are_counted_with_their_requests() -> None:
    """Each full request costs its own, and what is left over another."""
    group = Group(100, 1e7, 10)
    assert COSTS.seconds(group, 25) == pytest.approx(3 * 0.5 + 25 * 0.35)
    for products in (1, 9, 10, 11, 99, 100):
        assert COSTS.within(group, COSTS.seconds(group, products) + 1e-9) == products
    assert COSTS.within(group, 0.5) == 0
    assert COSTS.within(group, 1e9) == 100
