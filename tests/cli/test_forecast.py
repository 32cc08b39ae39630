"""The rate of bytes and the sizes of products: never a number that makes no sense."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.cli.progress.forecast import WINDOW_SECONDS, Rate, Sizes
from winter_sync.core.traits import ImageType, Instrument

STACK = (Instrument.WINTER, ImageType.STACK)
RAW = (Instrument.WINTER, ImageType.RAW)

arrivals = st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**12)), max_size=50).map(sorted)


def rate_of(*came: tuple[float, int]) -> Rate:
    """Return the rate after bytes arrived, each at its time."""
    rate = Rate()
    for now, size in came:
        rate.add(size, now)
    return rate


def test_a_rate_is_not_known_at_once() -> None:
    """Before bytes have arrived for a second it would be noise."""
    assert rate_of().at(100.0) is None
    assert rate_of((100.0, 5000)).at(100.9) is None
    assert rate_of((100.0, 5000)).at(102.0) == 2500


def test_a_rate_is_that_of_late() -> None:
    """An hour in which nothing arrived is forgotten after half a minute, like earlier bytes."""
    rate = rate_of((0.0, 10**9), *((3600.0 + second, 1000) for second in range(60)))
    assert rate.at(3660.0) == pytest.approx(1000, rel=0.05)
    assert rate.at(3800.0) == 0


@given(arrivals, st.floats(0, 1e6))
def test_a_rate_makes_sense(came: list[tuple[float, int]], later: float) -> None:
    """It is finite, not negative and at most all bytes there were; half a minute is kept."""
    rate = rate_of(*came)
    now = (came[-1][0] if came else 0.0) + later
    at = rate.at(now)
    assert at is None or 0 <= at <= sum(size for _, size in came)
    assert at is None or math.isfinite(at)
    assert len(rate._seconds) <= WINDOW_SECONDS + 2


def test_sizes_are_those_that_came() -> None:
    """Types seen have their own mean size; the typical size of others is scaled likewise."""
    sizes = Sizes()
    assert sizes.of(STACK) == ImageType.STACK.traits.typical_size
    for size in (1000, 3000):
        sizes.add(STACK, size)
    assert sizes.of(STACK) == 2000
    assert sizes.of(RAW) == pytest.approx(
        ImageType.RAW.traits.typical_size * 2000 / ImageType.STACK.traits.typical_size
    )
