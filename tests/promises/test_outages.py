"""A server that is out of order is left alone, reported once, and asked again later."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.faulty_rig import PROGRAM, FaultyRig, fault, faulty_rig

from winter_sync.core import BatchEnded, ServerFailing, ServerRecovered
from winter_sync.core.errors import ExitCode
from winter_sync.core.traits import ImageType
from winter_sync.monitoring.event_log import log_events
from winter_sync.monitoring.log_setup import configure_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from winter_sync.core import Event

GIVES_UP = "it is left alone; the run ends soon (exit code 4) and the next goes on"
TRIES_ALONE = (
    "a few products are tried alone; then the run ends (exit code 4), and the next goes on"
)
BEFORE = "all that came before"
LISTED = "all listings, and all that came before"

EVERYTHING = [
    fault(script, words, outcome=GIVES_UP, kept=BEFORE, told=1)
    for script, words in (
        ("500", "every request answered with 500"),
        ("503", "every request answered with 503"),
        ("503=60", "every request answered with 503 and Retry-After"),
        ("reset", "every connection reset"),
    )
]
DOWNLOADS = [
    fault(f"{name}@download", f"{words}, queries served", outcome=TRIES_ALONE, kept=LISTED, told=7)
    for name, words in (
        ("500", "every download answered with 500"),
        ("503", "every download answered with 503"),
        ("503=20", "every download answered with 503 and Retry-After"),
        ("reset", "every download reset before its answer"),
        ("html", "every download answered with a page"),
        ("422", "every download rejected"),
        ("reset-body=200", "every download reset after its first bytes"),
        ("end-early=200", "every download ended early"),
    )
]
DOWNLOADS += [
    fault(
        f"500@download,{name}@ping",
        f"every download answered with 500, and pings with {words}",
        outcome=TRIES_ALONE,
        kept=LISTED,
        told=7,
    )
    for name, words in (("404", "404"), ("401", "401"), ("html", "a page"))
]
DOWNLOADS.append(
    fault(
        "flip@*",
        "every product damaged on its way, queries served",
        outcome=TRIES_ALONE,
        kept=LISTED,
        told=7,
    )
)
MOST_REQUESTS = 180
"""Of one run, pings and queries included: far below one for each attempt at each product."""


@pytest.mark.parametrize(("script", "expected"), [*EVERYTHING, *DOWNLOADS])
async def test_an_outage_from_the_start(
    tmp_path: Path, script: str, expected: dict[str, int]
) -> None:
    """The run ends soon, with a few lines in the log, and the next one has everything.

    One line says that the server is unwell, unless queries succeed meanwhile: then one for each.
    """
    async with faulty_rig(tmp_path, script) as rig:
        lines = _logged(rig)
        report = await rig.run()
        assert report.exit_code is ExitCode.SERVER_FAILING
        assert len(rig.simulator.requests) <= MOST_REQUESTS
        grave = Counter(line["event"] for line in lines())
        assert grave["server not responding or returning errors"] <= expected["told"]
        assert grave.total() <= 30
        rig.inject("")
        await rig.run_after(timedelta(minutes=10))
        assert not rig.missed


@pytest.mark.parametrize("script", ["500", "reset", "html@download", "500@download"])
async def test_an_outage_in_the_middle(tmp_path: Path, script: str) -> None:
    """Products that arrived before are kept and not requested again; the rest follow."""
    async with faulty_rig(tmp_path, connections=1) as rig:

        def break_down(event: Event) -> None:
            if isinstance(event, BatchEnded) and event.trouble is None:
                rig.inject(script)

        rig.listeners.append(break_down)
        report = await rig.run()
        assert report.exit_code is ExitCode.SERVER_FAILING
        assert 0 < len(rig.missed) < len(rig.products)
        rig.listeners.clear()
        rig.inject("")
        await rig.run_after(timedelta(minutes=10))
        assert not rig.missed


REFUSED = fault(
    "refuse=20:x1@diff",
    "connections refused for a while",
    outcome="it is left alone for a while, then probed, and the same run goes on",
    kept=BEFORE,
)
GONE = fault(
    "(the simulator is stopped)",
    "connections refused for longer",
    outcome=GIVES_UP,
    kept=BEFORE,
)


@pytest.mark.parametrize(("script", "_expected"), [REFUSED])
async def test_a_server_that_comes_back(
    tmp_path: Path, script: str, _expected: dict[str, object]
) -> None:
    """Twenty seconds without a server cost a wait and nothing else."""
    async with faulty_rig(tmp_path, connections=1) as rig:
        await _be_away_and_come_back(rig, script)
        assert not rig.missed


async def test_a_server_that_comes_back_while_one_request_waits(tmp_path: Path) -> None:
    """A request that nothing else is made beside of does not use its attempts up meanwhile."""
    async with faulty_rig(tmp_path, connections=1) as rig:
        rig.programs = [{"name": PROGRAM, "image_types": [ImageType.STACK]}]
        await _be_away_and_come_back(rig, "refuse=20:x1@query")
        assert rig.files() == rig.truth(rig.stacks)


@pytest.mark.parametrize(("_how", "_expected"), [GONE])
async def test_a_server_that_stays_away(
    tmp_path: Path, _how: str, _expected: dict[str, object]
) -> None:
    """The run ends after some minutes, says so in one line, and the next one goes on."""
    async with faulty_rig(tmp_path) as rig:
        lines = _logged(rig)
        async with _stopped(rig):
            report = await rig.run()
            assert report.exit_code is ExitCode.SERVER_FAILING
            assert "refused" in report.errors[0].message.lower()
        assert rig.elapsed <= timedelta(minutes=10).total_seconds()
        assert [line["event"] for line in lines()].count(
            "server not responding or returning errors"
        ) <= 1
        await rig.run_after(timedelta(minutes=10))
        assert not rig.missed


async def test_a_refusal_of_one_program_stops_no_other(tmp_path: Path) -> None:
    """A key that is refused from some moment on stops its program; the other's products come."""
    async with faulty_rig(tmp_path, "401@2025B001") as rig:
        rig.programs.append({"name": "2025B001", "image_types": ["stack"]})
        report = await rig.run()
        assert report.exit_code is ExitCode.REFUSED
        assert not rig.missed


async def test_a_crowd_of_log_lines_is_a_bug(tmp_path: Path) -> None:
    """Nothing is said of the many small failures that a run gets over by itself."""
    async with faulty_rig(tmp_path, "500:x3,reset:x2,503:x2@query") as rig:
        lines = _logged(rig)
        await rig.run()
        assert not rig.missed
        assert len(lines()) <= 1


def _logged(rig: FaultyRig) -> _Lines:
    """Write a log of the runs as the command does, of all that is a warning or worse."""
    stream = io.StringIO()
    emit = log_events(configure_logging(str, level="warning", form="json", stream=stream))
    rig.listeners.append(emit)
    return _Lines(stream)


class _Lines:
    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def __call__(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]


async def _be_away_and_come_back(rig: FaultyRig, script: str) -> None:
    """Run once, while the server is away for as long as a script says; that must only cost time."""
    over = asyncio.Event()
    back_at: list[float] = []

    async def be_away(seconds: float) -> None:
        back_at.append(rig.elapsed + seconds)
        await over.wait()

    async def come_back() -> None:
        if back_at and rig.simulator._absence and rig.elapsed >= back_at[0]:
            over.set()
            await rig.simulator._absence

    rig.inject(script, sleep=be_away)
    rig.in_waits = come_back
    report = await rig.run()
    assert {ServerFailing, ServerRecovered} <= set(map(type, rig.events))
    assert rig.elapsed >= back_at[0] >= 20
    assert report.exit_code is ExitCode.DONE


@asynccontextmanager
async def _stopped(rig: FaultyRig) -> AsyncIterator[None]:
    """Have no server for a while, and then the same again."""
    simulator = rig.simulator
    await simulator.__aexit__(None, None, None)
    yield
    await simulator.__aenter__()
