"""Windows that are too much for the server, or broken in one night: halved until they are not."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.faulty_rig import fault
from support.rig import Rig

from winter_sync.core import PollFailed, WindowHalved
from winter_sync.core.errors import ExitCode
from winter_sync.core.products import Night
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Call, Faults, Observatory, Reset, Simulator, Universe
from winter_sync.sync.windows import count_dates, split_in_half

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

PROGRAM = "2024A000"
NIGHTS = tuple(Night("20251001").plus(days) for days in range(16))
SUBJECT = Subject(PROGRAM, Instrument.WINTER, ImageType.RAW)
TODAY = date(2025, 10, 24)


class Weak(Faults):
    """A server that fails on listings of more nights than it can bear, or of a given one."""

    def __init__(self, *, most: int = 1000, broken: str | None = None) -> None:
        self.most = most
        self.broken = broken
        self.broke = 0

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Break, or give the listing."""
        del call
        nights = {str(row["savepath"]).split("/winter/")[1][:8] for row in body["body"]}
        if len(nights) > self.most or self.broken in nights:
            self.broke += 1
            raise Reset
        return body


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Return a mirror of sixteen nights of raw images."""
    universe = Universe(nights=NIGHTS, products_a_night=12, gone_fraction=0)
    async with Simulator(Observatory(universe)) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        rig.programs = [{"name": PROGRAM, "image_types": ["raw"]}]
        yield rig


def wanted(rig: Rig) -> dict[str, str]:
    """Return what is to be mirrored."""
    return rig.truth(rig.observatory.products(PROGRAM, Instrument.WINTER, ImageType.RAW))


TOO_MUCH = fault(
    "(the tests' own archive)",
    "a server that breaks over long listings",
    outcome="windows are halved until it answers, and asked for in that size from then on",
    kept="everything",
)
ONE_NIGHT = fault(
    "(the tests' own archive)",
    "a server that breaks whenever one night is in a listing",
    outcome="all other nights are listed at once, and this one as soon as it can be",
    kept="every other night",
)


@pytest.mark.parametrize(("_how", "_expected"), [TOO_MUCH])
async def test_a_long_listing_is_asked_for_in_parts(rig: Rig, _how: str, _expected: object) -> None:
    """All nights come in one run from a server that can list only four at a time."""
    rig.simulator.faults = weak = Weak(most=4)
    report = await rig.sync()
    assert report.exit_code is ExitCode.DONE
    assert weak.broke >= 2
    assert rig.files() == wanted(rig)
    assert any(isinstance(event, WindowHalved) for event in rig.events)
    assert not any(isinstance(event, PollFailed) for event in rig.events)


@pytest.mark.parametrize(("_how", "_expected"), [ONE_NIGHT])
async def test_a_broken_night_costs_its_neighbours_only(
    rig: Rig, _how: str, _expected: object
) -> None:
    """Only adjacent nights may wait with it; when it is fixed all are mirrored."""
    broken = NIGHTS[7]
    rig.simulator.faults = Weak(broken=broken.name)
    report = await rig.sync()
    assert report.exit_code is ExitCode.SERVER_FAILING
    missed = {path.split("/")[1] for path in set(wanted(rig)) - set(rig.files())}
    assert broken.name in missed
    assert missed <= {broken.plus(days).name for days in (-1, 0, 1)}
    rig.simulator.faults = Faults()
    assert (await rig.sync()).exit_code is ExitCode.DONE
    assert rig.files() == wanted(rig)


async def test_a_sweep_that_missed_a_night_is_no_sweep(rig: Rig) -> None:
    """The next poll looks at all of it again, and not only at the last nights."""
    rig.simulator.faults = Weak(broken=NIGHTS[1].name)
    await rig.sync()
    rig.simulator.faults = Faults()
    rig.observatory.clock.advance(timedelta(hours=1))
    await rig.sync()
    assert rig.files() == wanted(rig)


async def test_a_server_that_lists_nothing_is_not_pestered(rig: Rig) -> None:
    """When no window is answered at all, the others are not halved again: it is the server."""
    rig.programs = [{"name": PROGRAM, "image_types": list(ImageType)}]
    rig.simulator.faults = Weak(most=-1)
    report = await rig.sync()
    assert report.exit_code is ExitCode.SERVER_FAILING
    assert rig.requests["/images/query"] <= 80


async def test_a_bad_minute_is_forgotten(rig: Rig) -> None:
    """Windows that were halved to the end in one sweep are whole again in the next."""
    rig.programs[0]["since"] = "20230101"
    queries = await looks(rig, [1000, 3, 1000, 1000], timedelta(hours=25))
    assert queries[0] == queries[2] == queries[3] == 3
    assert queries[1] > 10


async def test_what_is_always_too_much_is_seldom_tried(rig: Rig) -> None:
    """A server that never lists more than four nights is asked for more a few times a day."""
    queries = await looks(rig, [4] * 144, timedelta(minutes=10))
    assert sum(number > 3 for number in queries) <= 6, "the sweep, and after 1, 2, 4 ... hours"
    assert len(halved(rig)) < 20, "in a day of polls every ten minutes"


async def looks(rig: Rig, most: Iterable[int], pause: timedelta) -> list[int]:
    """Look again and again in one process, the server listing so many nights each time.

    Returns the number of queries of each look.
    """
    queries = []
    async with rig.opened() as mirror:
        (selection,) = mirror.selections
        for nights in most:
            rig.simulator.faults = Weak(most=nights)
            before = rig.requests["/images/query"]
            await mirror.poller.poll(selection, selection.subjects[0])
            queries.append(rig.requests["/images/query"] - before)
            rig.observatory.clock.advance(pause)
    return queries


def halved(rig: Rig) -> list[WindowHalved]:
    """Return the reports of windows that were too large."""
    return [event for event in rig.events if isinstance(event, WindowHalved)]


async def _sweeps(rig: Rig, most: Iterable[int]) -> list[int]:
    """Sweep in one process, the server listing so many nights each time; counts the queries."""
    queries = []
    async with rig.opened() as mirror:
        (selection,) = mirror.selections
        for nights in most:
            rig.simulator.faults = Weak(most=nights)
            before = rig.requests["/images/query"]
            await mirror.poller.poll(selection, selection.subjects[0])
            queries.append(rig.requests["/images/query"] - before)
            rig.observatory.clock.advance(timedelta(days=1, hours=1))
    return queries


def cut(query: Query, most: int) -> tuple[Query, ...]:
    """Halve a window until no part has more than the given number of dates."""
    halves = split_in_half(query, TODAY) if count_dates(query, TODAY) > most else None
    return (query,) if halves is None else (*cut(halves[0], most), *cut(halves[1], most))


DAYS = st.dates(date(2021, 1, 1), TODAY)


@given(start=DAYS, days=st.integers(1, 800), to_today=st.booleans(), most=st.integers(1, 400))
def test_parts_cover_their_window(start: date, days: int, most: int, *, to_today: bool) -> None:
    """No date is lost, the parts overlap, and each is short enough if it can be."""
    end = None if to_today else min(start + timedelta(days=days - 1), TODAY)
    query = Query(SUBJECT, start, end)
    parts = cut(query, most)
    assert (parts[0].start, parts[-1].end) == (start, end)
    for earlier, later in pairwise(parts):
        assert earlier.end is not None
        assert (earlier.end - later.start).days == 1
    assert all(count_dates(part, TODAY) <= max(most, 3) for part in parts)


@given(start=DAYS, days=st.integers(1, 800))
def test_halves_are_shorter_and_end(start: date, days: int) -> None:
    """Halving ends: each half has fewer dates, and three dates are not cut."""
    query = Query(SUBJECT, start, start + timedelta(days=days - 1))
    halves = split_in_half(query, TODAY)
    assert (halves is None) == (days <= 3)
    for half in halves or ():
        assert count_dates(half, TODAY) < days
