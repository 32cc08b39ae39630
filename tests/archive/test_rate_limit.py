"""Requests keep their distance in time, and callers their order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.archive.rate_limit import RateLimit
from winter_sync.core.clocks import Time


class DrivenTime:
    """A time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    @property
    def bundle(self) -> Time:
        """What is passed."""
        return Time(monotonic=lambda: self.now, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once, and others run."""
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.now += seconds


@pytest.fixture
def time() -> DrivenTime:
    """Return a time that is driven."""
    return DrivenTime()


async def test_the_first_caller_does_not_wait(time: DrivenTime) -> None:
    """Nothing came before the first request."""
    await RateLimit(5, time.bundle).wait_turn()
    assert time.slept == []


async def test_starts_are_kept_apart(time: DrivenTime) -> None:
    """Each further request starts an interval after the one before."""
    pace, starts = RateLimit(5, time.bundle), []
    for _ in range(4):
        await pace.wait_turn()
        starts.append(time.now)
    assert starts == [100, 105, 110, 115]


async def test_what_has_passed_is_not_waited_for(time: DrivenTime) -> None:
    """Time that a request took counts, and a long rest earns no burst."""
    pace = RateLimit(5, time.bundle)
    await pace.wait_turn()
    time.now += 3
    await pace.wait_turn()
    assert time.slept == [2]
    time.now += 1000
    await pace.wait_turn()
    await pace.wait_turn()
    assert time.slept == [2, 5]


async def test_callers_are_served_in_their_order(time: DrivenTime) -> None:
    """Who asks first starts first, also when many ask at once."""
    pace, served = RateLimit(1, time.bundle), list[tuple[int, float]]()

    async def call(number: int) -> None:
        await pace.wait_turn()
        served.append((number, time.now))

    await asyncio.gather(*(call(number) for number in range(5)))
    assert served == [(number, 100.0 + number) for number in range(5)]


async def test_a_caller_that_gives_up_takes_no_turn(time: DrivenTime) -> None:
    """The turn of a cancelled caller is the next one's, at the same time."""
    asleep = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if not asleep.is_set():
            asleep.set()
            await asyncio.Event().wait()
        await time.sleep(seconds)

    pace = RateLimit(5, replace(time.bundle, sleep=sleep))
    await pace.wait_turn()
    waiting = asyncio.create_task(pace.wait_turn())
    await asleep.wait()
    following = asyncio.create_task(pace.wait_turn())
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await following
    assert time.now == 105


async def test_no_interval_is_no_wait(time: DrivenTime) -> None:
    """An interval of zero lets every request start at once."""
    pace = RateLimit(0, time.bundle)
    for _ in range(3):
        await pace.wait_turn()
    assert time.slept == []


@given(st.floats(0.01, 100), st.lists(st.floats(0, 300), max_size=20))
def test_starts_are_never_closer_than_the_interval(interval: float, works: list[float]) -> None:
    """Whatever happens between requests, the interval is kept, and no more is waited than it."""

    async def run() -> list[float]:
        time, starts = DrivenTime(), list[float]()
        pace = RateLimit(interval, time.bundle)
        for seconds in works:
            await pace.wait_turn()
            starts.append(time.now)
            time.now += seconds
        assert all(0 < slept <= interval + 1e-9 for slept in time.slept)
        return starts

    starts = asyncio.run(run())
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert all(gap >= interval - 1e-9 for gap in gaps)
    expected = [max(interval, seconds) for seconds in works[:-1]]
    assert gaps == pytest.approx(expected)
