"""Ticks: regular, each a little late, and none costlier when the clock is set."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.driven import DrivenTime

from winter_sync.core.clocks import REAL_TIME, Time
from winter_sync.core.queries import Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.daemon.schedule import RegularTrigger, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable

START = datetime(2025, 3, 30, tzinfo=UTC)
"""The day on which summer time begins in Europe."""
SUBJECT = Subject("2024A000", Instrument.WINTER, ImageType.STACK)
YEAR = timedelta(days=365)
jumps = st.one_of(
    st.sampled_from([YEAR, -YEAR, 10 * YEAR, timedelta(hours=1), timedelta(hours=-1)]),
    st.timedeltas(-YEAR, YEAR),
)


class Ticks:
    """A schedule of one subject on driven time; counts its ticks and the times it works out."""

    def __init__(self, every: timedelta) -> None:
        self.time = DrivenTime(START)
        self.ticks: list[float] = []
        self.worked_out = 0
        self.errors: list[BaseException] = []
        self.schedule = Schedule(
            {SUBJECT: every},
            lambda _: self.ticks.append(self.time.loop.now),
            self.errors.append,
            Time(self.time.wall, random=self._random),
        )

    def _random(self) -> float:
        """Return a number that is drawn once for each time that is worked out."""
        self.worked_out += 1
        return 0.0

    async def until(self, seconds: float) -> None:
        """Wait until the given number of seconds after the start."""
        await self.time.until(START + timedelta(seconds=seconds))


def played(every: timedelta, scene: Callable[[Ticks], object]) -> Ticks:
    """Run a scenario with ticks."""
    ticks = Ticks(every)

    async def whole() -> None:
        ticks.schedule.start()
        try:
            await scene(ticks)  # type: ignore[misc] # a coroutine function
        finally:
            await ticks.schedule.stop()

    ticks.time.run(whole())
    assert not ticks.errors
    return ticks


@given(st.lists(st.tuples(st.integers(0, 4), jumps), max_size=4), st.sampled_from([10, 600]))
def test_a_jump_of_the_clock_costs_one_tick(
    story: list[tuple[int, timedelta]], seconds: int
) -> None:
    """However far it goes and whichever way: one tick more, and the work of one tick."""

    async def scene(ticks: Ticks) -> None:
        now = 0.0
        for regular, jump in story:
            now += (regular + 0.5) * seconds
            await ticks.until(now)
            ticks.time.ahead += jump
            ticks.schedule.all_now()
        await ticks.until(now + 3.5 * seconds)

    ticks = played(timedelta(seconds=seconds), scene)
    assert len(ticks.ticks) == sum(regular + 1 for regular, _ in story) + 4
    assert ticks.worked_out == 2 * len(ticks.ticks)


@pytest.mark.parametrize("jump", [YEAR, 400 * YEAR, timedelta(seconds=25)])
def test_a_clock_set_forward_unnoticed_costs_no_more_than_a_tick(jump: timedelta) -> None:
    """Before anybody has noticed the jump, too, what it skipped is not worked out."""

    async def scene(ticks: Ticks) -> None:
        await ticks.until(60.5)
        ticks.time.ahead += jump
        await ticks.until(95)

    ticks = played(timedelta(seconds=10), scene)
    assert [round(tick) for tick in ticks.ticks] == [*range(0, 100, 10)]
    assert ticks.worked_out <= 2 * len(ticks.ticks)


def test_what_was_to_be_looked_at_again_is_with_the_rest() -> None:
    """Everything is due after a jump: a look that was to come sooner does not come a year late."""

    async def scene(ticks: Ticks) -> None:
        await ticks.until(1)
        ticks.schedule.again(SUBJECT, timedelta(seconds=30))
        ticks.schedule.all_now()
        await ticks.until(50)

    assert [round(tick) for tick in played(timedelta(minutes=10), scene).ticks] == [0, 1]


@given(
    every=st.timedeltas(timedelta(milliseconds=1), timedelta(days=30)),
    late=st.timedeltas(timedelta(0), 10 * YEAR),
    random=st.floats(0, 1, exclude_max=True),
)
def test_the_next_tick_is_after_now_and_within_the_jitter(
    every: timedelta, late: timedelta, random: float
) -> None:
    """Counted from the last tick, or from now where that time has passed."""
    jitter = every / 10
    now = START + late
    tick = RegularTrigger(every, jitter, lambda: random).get_next_fire_time(START, now)
    since = now if tick - START > every + jitter else START
    assert tick > now
    assert every <= tick - since <= every + jitter


@pytest.mark.parametrize("random", [0.0, 0.25, 0.999])
def test_jitter_makes_ticks_late_and_never_early(random: float) -> None:
    """Nobody is asked more often than was agreed."""
    every, jitter = timedelta(minutes=10), timedelta(minutes=1)
    tick = RegularTrigger(every, jitter, lambda: random).get_next_fire_time(START, START)
    assert tick - START == every + jitter * random


@pytest.mark.parametrize("turns", range(4))
async def test_a_stop_at_any_moment_logs_nothing(
    turns: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Also while ticks are on their way: none fails, and no traceback is written."""
    failures: list[BaseException] = []
    schedule = Schedule(
        {SUBJECT: timedelta(minutes=10)}, lambda _: None, failures.append, REAL_TIME
    )
    schedule.start()
    for _ in range(turns):
        await asyncio.sleep(0)
    await schedule.stop()
    for _ in range(4):
        await asyncio.sleep(0)
    assert not failures
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
