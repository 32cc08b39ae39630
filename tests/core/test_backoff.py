"""The one formula of all waits after a failure, and the table of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core import backoff
from winter_sync.core.backoff import Backoff

TABLE = {name: entry for name, entry in vars(backoff).items() if isinstance(entry, Backoff)}

NONE = timedelta(0)
ROUNDING = timedelta(microseconds=1)

waits = st.timedeltas(NONE, timedelta(days=1))
backoffs = st.builds(
    Backoff,
    first=st.timedeltas(timedelta(seconds=1), timedelta(hours=1)),
    longest=st.timedeltas(timedelta(hours=1), timedelta(days=30)),
    jitter=st.floats(0, 1),
    steps=st.lists(waits, max_size=6).map(tuple),
)
randoms = st.floats(0, 1, exclude_max=True)


@given(backoffs, st.integers(-5, 10_000), randoms)
def test_jitter_spreads_a_wait_evenly(table: Backoff, failures: int, random: float) -> None:
    """The wait is within the jitter around its middle, wherever the random number lies."""
    middle = table.delay(failures)
    assert abs(table.delay(failures, random) - middle) <= middle * table.jitter + ROUNDING
    assert table.delay(failures, 0) <= middle * (1 - table.jitter) + ROUNDING
    mirrored = table.delay(failures, random) + table.delay(failures, 1 - random)
    assert abs(mirrored - 2 * middle) <= 2 * ROUNDING


@given(backoffs, st.integers(1, 6))
def test_the_steps_are_waited_in_their_order(table: Backoff, failures: int) -> None:
    """Each step is waited once, and only then does the doubling begin."""
    if failures <= len(table.steps):
        assert table.delay(failures) == table.steps[failures - 1]
    assert table.delay(len(table.steps) + 1) == min(table.first, table.longest)


@given(backoffs, st.integers(1, 10_000))
def test_a_wait_doubles_to_the_longest_and_no_further(table: Backoff, beyond: int) -> None:
    """However often something has failed, the middle of the wait is bounded."""
    wait, following = (table.delay(len(table.steps) + beyond + more) for more in (0, 1))
    assert following == min(2 * wait, table.longest)


@given(backoffs)
def test_no_failure_yet_counts_as_one(table: Backoff) -> None:
    """Whoever asks too early gets the first wait."""
    assert table.delay(0) == table.delay(-3) == table.delay(1)
    assert table.is_immediate(0) == table.is_immediate(1)


@given(backoffs, st.integers(0, 100), randoms)
def test_what_is_immediate_waits_for_nothing(table: Backoff, failures: int, random: float) -> None:
    """Both say the same, whatever the jitter."""
    if table.is_immediate(failures):
        assert table.delay(failures, random) == NONE
    else:
        assert table.delay(failures) > NONE


@pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE)
def test_every_wait_of_the_table_grows_and_ends(entry: Backoff) -> None:
    """In the middle of the jitter no wait is shorter than the one before it."""
    middles = [entry.delay(failures) for failures in range(1, 40)]
    assert middles == sorted(middles)
    assert NONE < entry.first <= entry.longest == middles[-1] <= timedelta(days=1)
    assert 0 <= entry.jitter <= 1


def test_the_waits_are_these() -> None:
    """Seconds after one failure, two and so on, in the middle of the jitter."""
    assert {name: _seconds(entry) for name, entry in TABLE.items()} == {
        "FAILED_DOWNLOAD": [0, 0, 0, 60, 120, 240, 480],
        "MISSING_PRODUCT": [3600, 10_800, 21_600, 43_200, 86_400, 86_400, 86_400],
        "REFUSED_CONTENT": [0, 600, 3600, 10_800, 21_600, 43_200, 86_400],
        "DOUBTFUL_CONTENT": [3900, 7800, 15_600, 21_600, 21_600, 21_600, 21_600],
        "FAILED_REQUEST": [0.5, 1, 2, 4, 8, 15, 15],
        "FAILING_SERVER": [15, 30, 60, 120, 240, 480, 900],
        "FAILED_WINDOW": [3600, 7200, 14_400, 28_800, 57_600, 86_400, 86_400],
        "FAILED_POLL": [60, 120, 240, 480, 960, 1920, 3600],
        "FUTILE_DOWNLOADS": [300, 600, 1200, 2400, 3600, 3600, 3600],
        "FAILED_DELIVERY": [5, 10, 20, 40, 80, 160, 320],
        "FAILING_STORAGE": [60, 120, 240, 480, 900, 900, 900],
        "FAILED_FILE_CHECK": [600] * 7,
        "FAILED_FACTS": [60, 120, 240, 480, 960, 1920, 3600],
        "FAILED_MANIFESTS": [60, 120, 240, 480, 960, 1920, 3600],
        "BUSY_CATALOG": [0.055] * 7,
    }


def _seconds(entry: Backoff) -> list[float]:
    return [entry.delay(failures).total_seconds() for failures in range(1, 8)]
