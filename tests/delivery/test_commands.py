"""Events to commands: real processes, well-behaved and not."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from delivery.conftest import until
from support.processes import is_running

from winter_sync.core import REAL_TIME, DeliveryFailed, DeliveryRecovered
from winter_sync.core.event_filter import EventFilter
from winter_sync.core.outbox import EventKind
from winter_sync.delivery.sinks import Batching, Command, EventSink

if TYPE_CHECKING:
    from delivery.conftest import Place

LIMIT = 30_000
"""Bytes that a file may have: more than the catalog's log gets, less than the events need."""
TAKES = """
import json, os, sys
with open("taken", "a") as file:
    file.write(json.dumps([json.loads(line)["number"] for line in sys.stdin]) + "\\n")
"""
"""Writes the numbers of what it is given, a line for each call, in the root of the mirror."""


def sink(script: str, *arguments: str, name: str = "reduce", **changes: object) -> EventSink:
    """Return a sink that runs a script of Python."""
    return EventSink(name, Command((sys.executable, "-c", script, *arguments)), **changes)  # type: ignore[arg-type] # all kinds


def taken(place: Place) -> list[list[int]]:
    """Return the numbers of the events of each call."""
    path = place.root / "taken"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_each_event_is_delivered_once_and_in_order(place: Place) -> None:
    """From when the sink was named; at most so many in a call."""
    await place.record(3)
    reduce = sink(TAKES, at_most=2)
    await place.deliver(reduce)
    assert taken(place) == []
    await place.record(3)
    await place.deliver(reduce)
    await place.deliver(reduce)
    await place.record()
    await place.deliver(reduce)
    assert taken(place) == [[4, 5], [6], [7]]


async def test_only_what_is_wanted_is_delivered(place: Place) -> None:
    """What is passed over is not looked at again."""
    reduce = sink(TAKES, wanted=EventFilter(kinds=("missing",)))
    await place.deliver(reduce)
    for kind in (EventKind.DOWNLOADED, EventKind.MISSING, EventKind.WITHDRAWN):
        await place.record(2, kind)
    await place.deliver(reduce)
    assert taken(place) == [[3, 4]]
    assert (await place.progress("reduce")).cursor == 6


async def test_a_failure_is_recorded_and_delivered_again(place: Place) -> None:
    """With the last line that the command wrote; a success ends it."""
    await place.deliver(sink(TAKES))
    await place.record(2)
    await place.deliver(sink("import sys; sys.exit('first\\nno such \\x1b[31mdetector\\n')"))
    progress = await place.progress("reduce")
    assert (progress.cursor, progress.failures) == (0, 1)
    assert progress.error == "it ended with code 1: no such \\x1b[31mdetector"
    assert place.events == [DeliveryFailed("reduce", progress.error, 5.0)]
    place.clock.advance(minutes=1)
    await place.deliver(sink(TAKES))
    assert taken(place) == [[1, 2]]
    assert place.events[1:] == [DeliveryRecovered("reduce", 60.0)]
    assert (await place.progress("reduce")).failing_since is None


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("/no/such/program",), "/no/such/program cannot be run: No such file or directory"),
        (("/etc/passwd",), "/etc/passwd cannot be run: Permission denied"),
        (("/bin/sh", "-c", "kill -9 $$"), "it was killed by signal 9"),
    ],
)
async def test_what_cannot_be_run_is_a_failure(
    place: Place, arguments: tuple[str, ...], reason: str
) -> None:
    """The reason says what is wrong."""
    broken = EventSink("reduce", Command(arguments))
    await place.deliver(broken)
    await place.record()
    await place.deliver(broken)
    assert (await place.progress("reduce")).error == reason


ENDLESS = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open("child", "w") as file:
    file.write(f"{child.pid}")
child.wait()
"""


async def test_events_that_cannot_be_written_for_a_command_wait(place: Place) -> None:
    """A disk for temporary files that is full, as here a limit, is a failure like any other."""
    await place.deliver(sink(TAKES))
    await place.record(50, reason="x" * 1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with place.deliverer(sink(TAKES)) as deliverer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
        try:
            await deliverer.deliver_waiting()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    progress = await place.progress("reduce")
    assert (progress.cursor, progress.failures) == (0, 1)
    assert "cannot be written" in (progress.error or "")
    await place.deliver(sink(TAKES))
    assert taken(place) == [list(range(1, 51))]


async def test_a_command_that_takes_too_long_is_killed_with_all_it_started(place: Place) -> None:
    """Its whole process group; other sinks are served meanwhile."""
    limit = timedelta(seconds=77)
    sinks = (sink(ENDLESS, name="endless", timeout=limit), sink(TAKES, name="other"))
    child = place.root / "child"
    await place.deliver(*sinks)
    await place.record()

    async def sleep(seconds: float) -> None:
        if seconds == limit.total_seconds():
            await until(lambda: child.exists() and child.read_text() != "" and taken(place) != [])
        else:
            await asyncio.sleep(seconds)

    await place.deliver(*sinks, time=replace(place.time, sleep=sleep))
    error = (await place.progress("endless")).error or ""
    assert error == "it did not end within 1 min 17 s and was killed"
    assert taken(place) == [[1]]
    assert not is_running(int(child.read_text()))


async def test_a_command_sees_no_secret_and_no_shell(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment is small and fixed, its arguments are given as they are written."""
    monkeypatch.setenv("WINTER_API_PASSWORD", "hush")
    monkeypatch.setenv("HOME", "/home/astronomer")
    script = "import json, os, sys; json.dump([dict(os.environ), sys.argv[1:]], open('seen', 'w'))"
    looks = sink(script, "$HOME; rm *", "`id`")
    await place.deliver(looks)
    await place.record()
    await place.deliver(looks)
    environment, arguments = json.loads((place.root / "seen").read_text())
    assert arguments == ["$HOME; rm *", "`id`"]
    environment.pop("LC_CTYPE", None)
    assert environment == {
        "PATH": os.environ["PATH"],
        "HOME": "/home/astronomer",
        "LANG": "C.UTF-8",
        "WINTER_SYNC_MIRROR__ROOT": str(place.root),
    }


async def test_a_command_need_not_read_and_may_leave_something_running(place: Place) -> None:
    """However much it is given, and whoever keeps its standard streams open."""
    careless = EventSink("reduce", Command(("/bin/sh", "-c", "sleep 30 & echo $! > child")))
    await place.deliver(careless)
    await place.record(500, reason="x" * 2000)
    await place.deliver(careless)
    assert (await place.progress("reduce")).cursor == 500
    child = int((place.root / "child").read_text())
    assert is_running(child)
    os.kill(child, 9)


async def test_batches_are_delivered_when_they_are_complete(place: Place) -> None:
    """Those of a night together, when nothing was added for a while; nothing twice."""
    batched = sink(TAKES, batching=Batching.NIGHT)
    async with place.deliverer(batched) as deliverer:
        delivery = deliverer._deliveries[0]

        async def look() -> None:
            assert await delivery.deliver(lambda: False) is None

        await place.record(2, night="20240130")
        await place.record(1, night="20240131")
        await look()
        place.clock.advance(minutes=1)
        await place.record(1, night="20240130")
        await place.record(1, EventKind.SERVER_DOWN)
        await look()
        assert taken(place) == [[5]]
        place.clock.advance(minutes=1)
        await look()
        assert taken(place)[1:] == [[3]]
        place.clock.advance(minutes=1)
        await look()
        assert taken(place)[2:] == [[1, 2, 4]]
        await place.record(1, night="20240131")
        await place.record(1, EventKind.NIGHT_SETTLED, night="20240131")
        await look()
        assert taken(place)[3:] == [[6, 7]]
    assert (await place.progress("reduce")).cursor == 7


async def test_visits_are_batches_too_and_a_run_that_ends_waits_for_none(place: Place) -> None:
    """A visit is of one camera, target and night."""
    batched = sink(TAKES, batching=Batching.VISIT)
    await place.deliver(batched)
    for target in ("M31", "M33", "M31"):
        await place.record(1, instrument="winter", night="20240130", target=target)
    await place.deliver(batched)
    assert taken(place) == [[1, 3], [2]]


async def test_two_processes_deliver_nothing_twice(place: Place) -> None:
    """Of several that deliver to a sink at once, one waits for the other."""
    reduce = sink(TAKES, at_most=1)
    await place.deliver(reduce)
    await place.record(5)
    await asyncio.gather(*(place.deliver(reduce, time=REAL_TIME) for _ in range(3)))
    assert taken(place) == [[1], [2], [3], [4], [5]]


async def test_a_call_is_waited_for_when_the_daemon_ends(place: Place) -> None:
    """Nothing is broken off, and no further call begins."""
    slow = (
        """
import os, sys, time
open("begun", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
"""
        + TAKES
    )
    sinks = sink(slow, at_most=1)
    async with place.deliverer(sinks, time=REAL_TIME) as deliverer:
        await place.record(3)
        running = asyncio.create_task(deliverer.run())
        await until((place.root / "begun").exists)
        deliverer.close()
        (place.root / "go").touch()
        await running
    assert taken(place) == [[1]]
    assert (await place.progress("reduce")).cursor == 1
