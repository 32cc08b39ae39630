"""How long the mirror waits before it downloads a product again."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from winter_sync.catalog.queue import LONG_AGO
from winter_sync.core.backoff import (
    DOUBTFUL_CONTENT,
    FAILED_DOWNLOAD,
    MISSING_PRODUCT,
    REFUSED_CONTENT,
)

randoms = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), randoms)
def test_retries_wait_longer_and_longer_within_bounds(attempts: int, random: float) -> None:
    """The wait never shrinks from one failure to the next, and is never beyond eight hours."""
    delay = FAILED_DOWNLOAD.delay(attempts, random)
    assert delay <= FAILED_DOWNLOAD.delay(attempts + 1, random) <= timedelta(hours=7.5)
    assert (delay == timedelta(0)) is (attempts <= 3)
    if delay:
        shortest = FAILED_DOWNLOAD.delay(attempts, 0)
        assert shortest <= delay <= shortest * 5 / 3


def test_retries_wait_a_minute_first() -> None:
    """After the attempts at once the wait is a minute, twice that, up to six hours."""
    waits = [FAILED_DOWNLOAD.delay(attempts, 0.5) for attempts in range(3, 15)]
    minutes = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert waits == [timedelta(minutes=each) for each in minutes]


def test_a_missing_product_is_asked_for_ever_more_rarely() -> None:
    """After an hour, then three, six, twelve, and every day from then on."""
    waits = [MISSING_PRODUCT.delay(times) for times in (0, 1, 2, 3, 4, 5, 6, 1000)]
    assert waits == [timedelta(hours=hours) for hours in (1, 1, 3, 6, 12, 24, 24, 24)]


def test_a_refused_product_is_asked_for_at_once_and_then_ever_more_rarely() -> None:
    """Half written it may be whole in a moment; else it is asked for as rarely as a missing one."""
    waits = [REFUSED_CONTENT.delay(attempts) for attempts in range(1, 9)]
    hours = [timedelta(hours=hours) for hours in (1, 3, 6, 12, 24, 24)]
    assert waits == [timedelta(0), timedelta(minutes=10), *hours]


def test_a_doubtful_product_is_asked_for_when_it_would_be_believed() -> None:
    """Not before the same content counts as what the archive holds, and never much later."""
    waits = [DOUBTFUL_CONTENT.delay(attempts) for attempts in range(8)]
    assert LONG_AGO < waits[0] == waits[1] <= LONG_AGO * 1.1
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=6)
