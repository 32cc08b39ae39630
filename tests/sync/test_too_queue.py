"""The queue of requests: from requested to here, never further than was seen, and only read."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support.rig import Rig

from winter_sync.catalog import ToOQueue
from winter_sync.cli.views.status import show
from winter_sync.core import (
    ListedForToO,
    ToOQueueRead,
    ToORequest,
    ToOStage,
    is_awaited,
    progress_of,
)
from winter_sync.core.errors import ExitCode
from winter_sync.core.products import Night
from winter_sync.factory import open_existing_catalog
from winter_sync.monitoring.status import read_status
from winter_sync.monitoring.status_json import status_as_json
from winter_sync.simulator import (
    Answer,
    Call,
    Faults,
    Observatory,
    SimulatedClock,
    Simulator,
    Universe,
)
from winter_sync.sync.too_queue import read_too_queue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from winter_sync.core import ToOProgress
    from winter_sync.monitoring.status import Status

PROGRAM = "2024A000"
NIGHT = Night("20251022")
EVENING = datetime(2025, 10, 22, 22, tzinfo=UTC)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Return a mirror of a program's stacks, on the evening before a night."""
    universe = Universe(nights=(NIGHT,), gone_fraction=0)
    observatory = Observatory(universe, clock=SimulatedClock(EVENING))
    async with Simulator(observatory) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        rig.programs = [{"name": PROGRAM, "image_types": ["stack"]}]
        yield rig


async def awaited(rig: Rig) -> list[ToOProgress]:
    """Mirror, read the queue, and return what waits."""
    async with rig.opened() as mirror:
        assert (await mirror.sync()).exit_code is ExitCode.DONE
        await read_too_queue(mirror)
        now = rig.observatory.clock.now()
        return await mirror.catalog.too(ToOQueue.awaited, [PROGRAM], now)


async def test_a_request_goes_from_requested_to_here(rig: Rig) -> None:
    """It is observed in the night, listed with its stacks, and waits no more when they are here."""
    first = await awaited(rig)
    targets = {
        entry.holding.visit.target
        for entry in rig.observatory.all_entries()
        if entry.program == PROGRAM and entry.holding.visit.target
    }
    assert {each.request.target for each in first} == targets
    assert {each.stage for each in first} == {ToOStage.REQUESTED}
    rig.observatory.clock.set(EVENING + timedelta(hours=16))
    assert {each.stage for each in await awaited(rig)} == {ToOStage.OBSERVED}
    rig.observatory.clock.set(EVENING + timedelta(days=5))
    assert await awaited(rig) == []
    for product in rig.observatory.products(PROGRAM):
        rig.observatory.withdraw(product)
    assert {each.stage for each in await awaited(rig)} == {ToOStage.OBSERVED}


async def test_the_queue_is_only_read(rig: Rig) -> None:
    """Whatever is in it, no request has another method than GET, and both calls are made."""
    await awaited(rig)
    assert {record.method for record in rig.simulator.requests} == {"GET"}
    assert rig.requests["/too/summary"] == rig.requests["/too/details"] == 1


async def test_a_status_shows_what_waits(rig: Rig) -> None:
    """For a person and for a machine, with the stage; and nothing of it once all is here."""
    waiting = await awaited(rig)
    status = await status_of(rig)
    shown = io.StringIO()
    show(Console(file=shown, width=200), status)
    assert f"Requests that wait: {len(waiting)}" in shown.getvalue()
    told = json.loads(status_as_json(status))["too"]
    assert [each["target"] for each in told] == [each.request.target for each in waiting]
    assert {each["stage"] for each in told} == {"requested"}
    rig.observatory.clock.set(EVENING + timedelta(days=5))
    await awaited(rig)
    assert json.loads(status_as_json(await status_of(rig)))["too"] == []


async def status_of(rig: Rig) -> Status:
    """Read the status of the mirror."""
    settings = rig.settings()
    async with open_existing_catalog(settings) as catalog:
        return await read_status(catalog, settings.selections, rig.observatory.clock.now())


class Refusing(Faults):
    """Answers calls about the queue with a status."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def before(self, call: Call) -> Answer | None:
        """Refuse."""
        return Answer(self.status) if call.path.startswith("/too/") else None


@pytest.mark.parametrize("status", [401, 404, 422, 500, 503])
async def test_a_queue_that_cannot_be_read_costs_nothing_else(rig: Rig, status: int) -> None:
    """It is asked once, without a retry, and all else goes on; what was read before stays."""
    before = await awaited(rig)
    rig.simulator.faults = Refusing(status)
    rig.events.clear()
    assert await awaited(rig) == before
    read = [event for event in rig.events if isinstance(event, ToOQueueRead)]
    assert [event.error is not None for event in read] == [True]
    assert rig.requests["/too/summary"] == 2
    assert rig.waits == []


class Saying(Faults):
    """Answers calls about the queue with a schedule and the rows that are given."""

    def __init__(self, name: str, rows: list[dict[str, object]], schedules: int = 1) -> None:
        self.rows = rows
        self.names = [f"{name}{number or ''}" for number in range(schedules)]

    async def before(self, call: Call) -> Answer | None:
        """Answer in the archive's place."""
        named = [{"too_schedule_name": name} for name in self.names]
        body = {"/too/summary": named, "/too/details": self.rows}.get(call.path)
        return None if body is None else Answer(200, json.dumps({"body": body}).encode())


ODD: tuple[object, ...] = (
    *(10**400, -(10**400), 1e308, -678_575, 2_973_483.999, float("nan"), True, None, [[1]], {}),
    *("", "\ud800", "\x1b[31m", "1e999", "0001-01-01", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:59-23:59", "9999-12-31", "2025-10-22T22:00:00+23:59"),
)
"""What no observatory says: numbers beyond any, half characters, instants at the ends of time."""


async def test_odd_entries_of_the_queue_are_entries_with_less(rig: Rig) -> None:
    """Whatever stands in a row: it is read, kept and shown, and ends nothing."""
    columns = ("targName", "raDeg", "decDeg", "validStart", "validStop", "observed")
    rows = [{column: value} for column in columns for value in ODD]
    rows += [dict.fromkeys(columns, value) for value in ODD]
    rig.simulator.faults = Saying("half \ud800", rows)
    waiting = await awaited(rig)
    assert 0 < len(waiting) <= len(rows)
    output = io.StringIO()
    status = await status_of(rig)
    show(Console(file=output), status)
    json.loads(status_as_json(status))
    assert "\x1b" not in output.getvalue()


@pytest.mark.parametrize(
    ("entries", "schedules", "calls", "kept"), [(1000, 9, 1, 200), (0, 300, 50, 0)]
)
async def test_an_endless_queue_is_followed_so_far(
    rig: Rig, entries: int, schedules: int, calls: int, kept: int
) -> None:
    """Neither requests nor what a status has to ask grows with what somebody sends."""
    rows: list[dict[str, object]] = [{"targName": "SN2025abc"} for _ in range(entries)]
    rig.simulator.faults = Saying("s", rows, schedules)
    assert len(await awaited(rig)) == kept
    assert rig.requests["/too/details"] == calls


REQUEST = ToORequest(
    PROGRAM, "s", 0, "SN2025abc", 10.0, 20.0, EVENING, EVENING + timedelta(hours=15)
)
products = st.builds(
    ListedForToO,
    target=st.sampled_from([None, "SN2025abc", "SN2025xyz"]),
    ra=st.sampled_from([None, 10.2, 14.0]),
    dec=st.sampled_from([None, 20.1]),
    night=st.sampled_from([NIGHT.plus(-1), NIGHT, NIGHT.plus(1)]),
    is_here=st.booleans(),
)


def is_its_own(product: ListedForToO) -> bool:
    """Return whether a product is of the request above: by its night, name and place."""
    if product.night != NIGHT or product.target == "SN2025xyz":
        return False
    is_placed = None not in (product.ra, product.dec)
    return product.ra == 10.2 if is_placed else product.target is not None


@given(
    listed=st.lists(products, max_size=4),
    observed=st.booleans(),
    hours=st.integers(-24, 24 * 9),
)
def test_no_more_is_claimed_than_was_seen(
    listed: list[ListedForToO], *, observed: bool, hours: int
) -> None:
    """Products of other targets, places and nights never count; here means every one that does."""
    request = ToORequest(
        *(PROGRAM, "s", 0, "SN2025abc", 10.0, 20.0, REQUEST.begins, REQUEST.ends, observed)
    )
    now = EVENING + timedelta(hours=hours)
    progress = progress_of(request, listed, now)
    own = [product for product in listed if is_its_own(product)]
    assert progress.listed == len(own)
    assert progress.here == sum(product.is_here for product in own)
    assert (progress.stage is ToOStage.HERE) == (bool(own) and all(p.is_here for p in own))
    if progress.stage is ToOStage.OBSERVED:
        assert observed
    assert not is_awaited(progress, EVENING + timedelta(days=9))


@pytest.mark.parametrize("ends", [None, EVENING + timedelta(days=101)])
def test_without_a_window_nothing_is_claimed(ends: datetime | None) -> None:
    """Neither listed nor over: nobody knows when it may be observed, or that is any time."""
    begins = None if ends is None else EVENING
    request = ToORequest(PROGRAM, "s", 0, "SN2025abc", begins=begins, ends=ends)
    product = ListedForToO("SN2025abc", None, None, NIGHT, is_here=True)
    assert progress_of(request, [product], EVENING).stage is ToOStage.REQUESTED
