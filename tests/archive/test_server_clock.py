"""The archive's clock: believed near our own, reported once beyond, and never a reason to fail."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.daemon_rig import daemon_rig
from support.driven import DrivenTime
from support.rig import Rig
from support.wires import ABSURD_DATES

from winter_sync.archive.server_clock import BELIEVED_WITHIN, ServerClock, http_date
from winter_sync.core import ClocksDiffer
from winter_sync.core.clocks import Time
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Observatory, Simulator, demo_universe

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2025, 10, 28, 12, tzinfo=UTC)
HEADERS = st.one_of(
    st.text(),
    st.sampled_from(ABSURD_DATES),
    st.datetimes().map(lambda when: format_datetime(when.replace(tzinfo=UTC), usegmt=True)),
    st.from_regex(r"\A[A-Z][a-z]{2}, -?\d{1,20} [A-Z][a-z]{2} -?\d{1,20} \d+:\d+:\d+ [+-]?\w*\Z"),
)


class Machine:
    """The two clocks of a machine: one that is set, and one that is not."""

    def __init__(self, wall: datetime = NOW) -> None:
        self.wall = self.steady = wall
        self.began = wall
        self.reported: list[timedelta] = []
        self.server = ServerClock(Time(lambda: self.wall, self._monotonic), self.reported.append)

    def _monotonic(self) -> float:
        return (self.steady - self.began).total_seconds()

    def pass_time(self, step: timedelta) -> None:
        """Let both go on, as far as there are dates."""
        with suppress(OverflowError):
            self.wall, self.steady = self.wall + step, self.steady + step


def test_a_date_that_agreed_with_a_wrong_clock_ends_with_it() -> None:
    """Ours stood a year ahead when the archive's did too; once ours is right, that is not used."""
    machine = Machine()
    machine.wall += timedelta(days=365)
    machine.server.record(format_datetime(machine.wall, usegmt=True))
    assert machine.server.today == machine.wall.date()
    machine.wall = machine.steady
    assert not machine.server.is_believed
    assert machine.server.today == NOW.date()


MOMENTS = st.datetimes().map(lambda when: when.replace(tzinfo=UTC))
STEPS = st.timedeltas(timedelta(0), timedelta(days=400))


@given(st.lists(st.tuples(HEADERS, STEPS, st.none() | MOMENTS), max_size=8), MOMENTS)
def test_today_is_never_far_from_our_own(
    lives: list[tuple[str, timedelta, datetime | None]], began: datetime
) -> None:
    """Whatever `Date` says and ours is set to, nothing raises; today is within a day of a clock."""
    machine = Machine(began)
    for header, step, set_to in lives:
        machine.pass_time(step)
        machine.wall = set_to or machine.wall
        machine.server.record(header)
        ours = machine.wall.date(), machine.steady.date()
        assert min(abs(machine.server.today - day) for day in ours) <= BELIEVED_WITHIN


@given(st.timedeltas(-BELIEVED_WITHIN, BELIEVED_WITHIN - timedelta(seconds=1)))
def test_near_our_own_the_archives_clock_decides(offset: timedelta) -> None:
    """Within the bound today is the archive's date, and nothing is reported."""
    machine = Machine()
    told = (NOW + offset + timedelta(seconds=1)).replace(microsecond=0)
    machine.server.record(format_datetime(told, usegmt=True))
    assert machine.server.today == told.date()
    assert machine.server.is_believed
    assert not machine.reported


@given(st.lists(st.booleans(), max_size=12))
def test_a_difference_is_reported_once(answers: list[bool]) -> None:
    """Of each stretch of answers that are not believed, the first alone is reported."""
    machine = Machine()
    for is_near in answers:
        told = NOW if is_near else datetime(1970, 1, 1, tzinfo=UTC)
        machine.server.record(format_datetime(told, usegmt=True))
    stretches = sum(
        not now and (number == 0 or answers[number - 1]) for number, now in enumerate(answers)
    )
    assert len(machine.reported) == stretches


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)])
def test_an_archive_that_was_right_is_right_when_our_clock_is_set(jump: timedelta) -> None:
    """Setting our own clock wrong, or right, changes neither today nor whom we believe."""
    machine = Machine()
    for _ in range(3):
        machine.server.record(format_datetime(machine.steady, usegmt=True))
        assert machine.server.today == machine.steady.date()
        machine.wall += jump
        assert machine.server.today == machine.steady.date()
        machine.pass_time(timedelta(days=2))
    assert not machine.reported


def test_no_archive_leads_us_away_step_by_step() -> None:
    """Dates that go on ahead a little with each answer are believed no further than the bound."""
    machine = Machine()
    for hours in range(0, 1000, 12):
        machine.server.record(format_datetime(NOW + timedelta(hours=hours), usegmt=True))
    assert machine.server.today == NOW.date()
    assert len(machine.reported) == 1


@pytest.mark.parametrize("header", ABSURD_DATES, ids=range(len(ABSURD_DATES)))
def test_a_retry_date_never_raises(header: str) -> None:
    """Every absurd date is a date or none."""
    assert http_date(header) is None or isinstance(http_date(header), datetime)


@pytest.mark.parametrize(
    "header",
    [
        # Far ahead, far behind, no date, nothing: whether others are read is tried above.
        pytest.param(date, marks=() if n in {0, 3, 9, 11} else pytest.mark.slow)
        for n, date in enumerate(ABSURD_DATES)
    ],
    ids=range(len(ABSURD_DATES)),
)
async def test_an_absurd_date_costs_nothing(header: str, tmp_path: Path) -> None:
    """With any `Date` header everything is mirrored, and a difference is reported once in a run."""
    header = header.encode("ascii", "ignore").decode().replace("\x1b", "").strip() or "x"
    async with Simulator(Observatory(demo_universe()), date=header) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        report = await rig.sync()
        assert rig.files() == rig.truth()
    assert not report.errors
    told = [event for event in rig.events if isinstance(event, ClocksDiffer)]
    read = http_date(header)
    assert len(told) == (read is not None and read.date() != rig.observatory.clock.now().date())


@pytest.mark.parametrize("header", [ABSURD_DATES[0], ABSURD_DATES[3]], ids=["9999", "1970"])
def test_a_daemon_outlives_an_absurd_date(header: str, tmp_path: Path) -> None:
    """A daemon whose archive tells the year 9999 or 1970 polls on for hours and reports it once."""
    time = DrivenTime(NOW)

    async def watch() -> None:
        async with daemon_rig(time, demo_universe(), tmp_path, date=header) as rig:
            async with rig.running():
                await time.until(NOW + timedelta(hours=2))
            stacks = rig.observatory.products("2024A000", Instrument.WINTER, ImageType.STACK)
            assert rig.files() == rig.truth(stacks)
            assert len(rig.emitted(ClocksDiffer)) == 1
            assert not rig.exits

    time.run(watch())


def test_a_date_some_days_ahead_blinds_no_poll() -> None:
    """An archive that is days ahead moves no window: what it lists of the last nights is asked."""
    machine = Machine()
    machine.server.record(format_datetime(NOW + timedelta(days=6), usegmt=True))
    assert machine.server.today == NOW.date()
