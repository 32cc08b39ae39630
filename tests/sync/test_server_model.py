"""What is learnt of the server from how the last downloads went."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.sync.server_model import GUESS, MOST, Transfer, estimate

SIZES = st.lists(st.integers(10**6, 10**9), min_size=1, max_size=32)
FIXED = st.floats(0.3, 30)
ZIPPING = st.floats(0, 1e-6)
RECEIVING = st.floats(1e-9, 1e-5)


def went(size: int, waited: float, receiving: float, products: int = 9) -> Transfer:
    """Return a download that arrived."""
    return Transfer(0.0, products, size, waited, receiving)


def failed(size: int, products: int = 9) -> Transfer:
    """Return a download that did not begin."""
    return Transfer(0.0, products, size, None)


@given(st.lists(st.integers(1, 300), min_size=6, max_size=32), FIXED, ZIPPING, RECEIVING)
def test_a_server_that_keeps_to_a_rule_is_known(
    megabytes: list[int], fixed: float, zipping: float, receiving: float
) -> None:
    """Its fixed cost, its rate of zipping and its rate on the wire, from a few downloads."""
    sizes = [size * 10**6 for size in (*megabytes, 10, 400)]
    model = estimate([went(size, fixed + zipping * size, receiving * size) for size in sizes])
    assert model.fixed == pytest.approx(fixed, abs=1e-6)
    assert model.zipping == pytest.approx(zipping, rel=1e-6, abs=1e-15)
    assert model.receiving == pytest.approx(receiving)
    assert model.seconds(10**8) == pytest.approx(fixed + (zipping + receiving) * 1e8)


@given(
    st.lists(st.tuples(st.floats(0, 600), st.floats(0, 600)), min_size=1, max_size=4),
    st.permutations(range(20)),
)
def test_outliers_do_not_matter(odd: list[tuple[float, float]], order: list[int]) -> None:
    """A fifth of the downloads may have taken any time: the model stays near the truth."""
    size = 10**8
    regular = [went(size + n * 10**7, 0.5 + 0.01 * (10 + n), 2.5 + 0.25 * n) for n in range(16)]
    strange = [went(size, waited, receiving) for waited, receiving in odd]
    everything = [*regular, *strange]
    shuffled = [everything[n] for n in order if n < len(everything)]
    model = estimate(shuffled)
    assert model.seconds(2 * size) == pytest.approx(0.5 + 2 + 5, rel=0.25)


@given(SIZES, st.floats(0, 100), st.floats(0, 100))
def test_whatever_went_something_is_known(sizes: list[int], waited: float, rest: float) -> None:
    """One download, many of one size, no time at all: no request is free, and no byte."""
    for transfers in ([went(sizes[0], waited, rest)] * 9, [went(s, waited, rest) for s in sizes]):
        model = estimate(transfers)
        assert model.fixed > 0
        assert model.zipping >= 0
        assert model.receiving > 0
        assert model.spread >= 0
        assert model.largest > 0
        assert 0 < model.most <= MOST


def test_nothing_known_is_the_guess() -> None:
    """A new mirror begins prudently; what it learns lets requests grow."""
    assert estimate([]) == GUESS
    assert estimate([went(10**8, 1.5, 5.0)]).largest > GUESS.largest


@given(SIZES, st.integers(1, 1000))
def test_the_scale_of_sizes_does_not_matter(sizes: list[int], times: int) -> None:
    """A server of products so many times larger takes so many times less for each byte."""
    small = estimate([went(size, 1.0 + size / 1e8, size / 1e7) for size in (*sizes, 10, 10**9)])
    large = estimate(
        [went(size * times, 1.0 + size / 1e8, size / 1e7) for size in (*sizes, 10, 10**9)]
    )
    assert large.fixed == pytest.approx(small.fixed)
    assert large.per_byte * times == pytest.approx(small.per_byte)
    assert large.spread == pytest.approx(small.spread, abs=1e-6)


def test_the_spread_is_how_far_downloads_are_from_the_model() -> None:
    """None where all keep to it; half, as guessed, while that is not known."""
    sure = [went(n * 10**7, 0.5 + n / 10, n / 4) for n in range(1, 9)]
    assert estimate(sure).spread == pytest.approx(0, abs=1e-6)
    assert estimate(sure[:1]).spread == GUESS.spread
    unsure = [went(10**8, 1.0, 2.5 * factor) for factor in (0.5, 0.6, 1, 1.7, 2) * 4]
    assert estimate(unsure).spread > 0.3


@given(st.lists(st.integers(1, 10**9), min_size=1), st.integers(1, 300))
def test_what_failed_is_asked_for_in_halves(sizes: list[int], products: int) -> None:
    """Less than the smallest that failed, but no less than says nothing about size."""
    model = estimate([failed(size, products) for size in sizes])
    assert model.largest == min(max(min(sizes) // 2, 32_000_000), GUESS.largest)
    assert model.most == min(max(products // 2, 32), MOST)
    more = estimate([failed(size, products) for size in (*sizes, max(sizes))])
    assert more.largest <= model.largest


def test_what_arrived_later_was_not_too_much() -> None:
    """A failure of as much before it had another reason; one of more still counts."""
    before = [failed(400_000_000), failed(200_000_000), went(200_000_000, 2.0, 5.0)]
    assert estimate(before).largest == 200_000_000
    assert estimate([*before, failed(100_000_000)]).largest == 50_000_000
