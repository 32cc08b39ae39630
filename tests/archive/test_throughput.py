"""The floor under a download: what drips is given up, what pauses or is held up by us is not."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from winter_sync.archive.throughput import Throughput

FLOOR, WINDOW = 1000.0, 60.0
WAITS = st.floats(0, 59.9)
COMING = st.lists(st.tuples(st.integers(0, 1_000_000), WAITS), max_size=50)


def judged(coming: list[tuple[int, float]]) -> list[bool]:
    """Return the verdict after each block."""
    flow, verdicts = Throughput(FLOOR, WINDOW), []
    for size, waited in coming:
        flow.record(size, waited)
        verdicts.append(flow.is_too_slow)
    return verdicts


@given(COMING)
def test_nothing_is_judged_before_a_window_is_full(coming: list[tuple[int, float]]) -> None:
    """As long as we have waited less than a window in all, nothing is too slow."""
    total, early = 0.0, []
    for size, waited in coming:
        total += waited
        if total < WINDOW * 0.999:
            early.append((size, waited))
    assert not any(judged(early))


@given(st.lists(WAITS, min_size=1, max_size=50), st.floats(1.001, 1000))
def test_what_keeps_above_the_floor_goes_on(waits: list[float], factor: float) -> None:
    """However unevenly it comes, a flow above the floor is never too slow."""
    assert not any(judged([(int(FLOOR * wait * factor) + 1, wait) for wait in waits]))


@given(st.floats(0, 0.999), st.lists(st.floats(0.1, 59.9), min_size=1, max_size=50))
def test_what_keeps_below_the_floor_is_given_up(share: float, waits: list[float]) -> None:
    """A flow below the floor is too slow as soon as a window is full."""
    verdicts = judged([(int(FLOOR * wait * share), wait) for wait in waits])
    *_, waited = accumulate(waits)
    assert any(verdicts) == (waited >= WINDOW)
    assert all(later >= earlier for earlier, later in pairwise(verdicts))


def test_a_pause_is_no_drip() -> None:
    """Fifty silent seconds in a download that was fast before are forgiven."""
    assert not any(judged([(1_000_000, 1.0), (10, 50.0), (1_000_000, 9.5), (10, 50.0)]))


def test_a_drip_after_a_good_start_is_given_up() -> None:
    """What came long ago does not excuse what comes now: two windows at most are waited for."""
    verdicts = judged([(10_000_000, 1.0), *([(100, 1.0)] * 120)])
    assert True in verdicts
    assert verdicts.index(True) <= 120


def test_our_own_time_does_not_count() -> None:
    """Blocks that were there when we asked for them cost no waiting, however long we were away."""
    assert not any(judged([(1, 0.0)] * 10_000))
