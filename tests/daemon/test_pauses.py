"""Retries: polls that failed, programs that were refused, downloads that brought nothing."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from daemon.scenarios import NIGHT, TYPES, EventWaiter, Slow, is_mirrored

from winter_sync.catalog.queue import Queue
from winter_sync.core import (
    BatchStarted,
    DownloadsPaused,
    Polled,
    PollFailed,
    ProductFinished,
    ProgramRefused,
    Received,
    Recovered,
)
from winter_sync.core.downloads import Failed
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Answer, Call, Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from support.daemon_rig import DaemonRig

    from winter_sync.catalog.records import Scope
    from winter_sync.core import Event
    from winter_sync.core.downloads import Refetch


def test_one_download_may_come_while_the_others_rest(run_scenario: Callable[..., None]) -> None:
    """A download under way when the others are paused completes, and does not end the pause."""

    class OneOnly(Slow):
        begun = 0

        async def before_zip(self, call: Call) -> Answer | None:
            del call
            self.begun += 1
            serves = self.begun == 1 or self.go_on.is_set()
            return None if serves else Answer(200, b"<html>", "text/html")

    faults = OneOnly()

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"connections": 2, "silence_timeout": "10m"}
        waiter = EventWaiter(rig)
        async with rig.running():
            await waiter.wait_for(Received)
            await waiter.wait_for(DownloadsPaused)
            assert faults.begun > 1
            faults.go_on.set()
            await asyncio.sleep(3 * 3600)
            assert is_mirrored(rig, *map(ImageType, TYPES))

    run_scenario(scenario, faults=faults)


def test_all_downloads_pause_together(run_scenario: Callable[..., None]) -> None:
    """However many connections there are, nothing is requested until the pause is over."""

    class Slowly(Faults):
        begun = 0

        async def before_zip(self, call: Call) -> Answer | None:
            del call
            self.begun += 1
            await asyncio.sleep(100 * (self.begun % 3))
            return Answer(200, b"<html>", "text/html")

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"connections": 3}
        async with rig.running():
            await asyncio.sleep(12 * 3600)
        begun = [at for at, event in rig.timed_events if isinstance(event, BatchStarted)]
        rests = [
            (at, at + timedelta(seconds=event.wait))
            for at, event in rig.timed_events
            if isinstance(event, DownloadsPaused)
        ]
        assert len(rests) > 5
        assert not [at for at in begun for since, until in rests if since < at < until]

    run_scenario(scenario, faults=Slowly())


def test_a_refused_program_is_tried_again_by_true_time(run_scenario: Callable[..., None]) -> None:
    """A clock that is a little ahead, or an interval of days, does not delay that."""

    async def scenario(rig: DaemonRig) -> None:
        slow = {"poll_every": "3d"}
        rig.programs = [
            {"name": "2024A000", "api_key": "wrong", "schedule": slow},
            {"name": "2025B001", "image_types": ["stack"]},
        ]
        async with rig.running():
            for hours in range(1, 24):
                await asyncio.sleep(3600)
                rig.driven.ahead = timedelta(seconds=hours)
        told = [at for at, event in rig.timed_events if isinstance(event, ProgramRefused)]
        waits = [(after - before).total_seconds() for before, after in pairwise(told)]
        assert waits == pytest.approx([6 * 3600] * 3, abs=60)
        assert (
            len([request for request in rig.simulator.requests if request.program == "2024A000"])
            == 4
        )

    run_scenario(scenario)


def test_a_program_that_is_accepted_again_is_fetched_from(
    run_scenario: Callable[..., None],
) -> None:
    """When the archive accepts its key again, it is polled as scheduled, and downloaded from."""

    class Forgetful(Faults):
        async def before(self, call: Call) -> Answer | None:
            refused = call.path != "/ping" and not asyncio.get_running_loop().time() > 3 * 3600
            return Answer(401, b"{}") if refused else None

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(6.1 * 3600)
            assert is_mirrored(rig, *map(ImageType, TYPES))
            polls = len(rig.emitted(Polled))
            await asyncio.sleep(3600)
            assert len(rig.emitted(Polled)) - polls >= 10
        assert len(rig.emitted(ProgramRefused)) == 1

    run_scenario(scenario, faults=Forgetful())


def test_a_key_that_is_good_for_lists_only_is_reported_once(
    run_scenario: Callable[..., None],
) -> None:
    """Downloads that are refused, several at a time, stop a program as a refused poll does."""

    class ListsOnly(Faults):
        async def before(self, call: Call) -> Answer | None:
            refused = call.path == "/images/download_list"
            return Answer(403, b"{}") if refused else None

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(5 * 3600)
            assert len(rig.emitted(ProgramRefused)) == 1
            asked = len(rig.simulator.requests)
            assert asked < 15
            rig.simulator.faults = Faults()
            await asyncio.sleep(1.1 * 3600)
            assert is_mirrored(rig, *map(ImageType, TYPES))

    run_scenario(scenario, faults=ListsOnly())


def test_a_poll_that_fails_is_tried_sooner_and_ever_later(
    run_scenario: Callable[..., None],
) -> None:
    """A minute later, then two, up to an hour; when it succeeds, the count begins anew."""

    class Confused(Faults):
        failing = True

        async def before(self, call: Call) -> Answer | None:
            failing = self.failing and call.path == "/images/query"
            return Answer(404, b"{}") if failing else None

    faults = Confused()

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["schedule"] = {"poll_every": "12h"}
        rig.programs = [{"name": "2024A000", "image_types": ["stack"]}]
        async with rig.running():
            await asyncio.sleep(3 * 3600)
            asked = [at for at, event in rig.timed_events if isinstance(event, PollFailed)]
            minutes = [
                round((after - before) / timedelta(minutes=1)) for before, after in pairwise(asked)
            ]
            assert minutes == [1, 2, 4, 8, 16, 32, 60]
            faults.failing = False
            await asyncio.sleep(3600)
            assert is_mirrored(rig, ImageType.STACK)
            faults.failing, before = True, len(asked)
            await asyncio.sleep(12 * 3600)
            asked = [at for at, event in rig.timed_events if isinstance(event, PollFailed)][before:]
            assert asked[1] - asked[0] == pytest.approx(
                timedelta(minutes=1), abs=timedelta(seconds=5)
            )

    run_scenario(scenario, faults=faults)


@pytest.mark.parametrize("answer", [Answer(404, b"{}"), Answer(200, b"<html>", "text/html")])
def test_a_program_without_a_span_is_a_failed_poll(
    run_scenario: Callable[..., None], answer: Answer
) -> None:
    """When the archive does not describe a program, nothing is polled, and that is reported."""

    class Unsaid(Faults):
        async def before(self, call: Call) -> Answer | None:
            return answer if call.path == "/validation/program" else None

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running() as service:
            await asyncio.sleep(3600)
            assert len(rig.emitted(PollFailed)) >= 5
            (polls, *_) = json.loads(await service.pages.read_status())["polls"]
            assert "/validation/program" in polls["error"] or "404" in polls["error"]

    run_scenario(scenario, faults=Unsaid())


def test_pauses_are_short_again_after_a_success(run_scenario: Callable[..., None]) -> None:
    """Waits that grew in one outage do not carry over to the next."""

    class Moody(Faults):
        moody = True

        async def before_zip(self, call: Call) -> Answer | None:
            del call
            return Answer(200, b"<html>", "text/html") if self.moody else None

    faults = Moody()

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running():
            await asyncio.sleep(3 * 3600)
            assert rig.emitted(DownloadsPaused)[-1].wait >= 2400
            faults.moody = False
            await asyncio.sleep(6 * 3600)
            assert is_mirrored(rig, *map(ImageType, TYPES))
            rests, faults.moody = len(rig.emitted(DownloadsPaused)), True
            rig.observatory.reprocess(NIGHT)
            await asyncio.sleep(6 * 3600)
            assert rig.emitted(DownloadsPaused)[rests].wait == 300

    run_scenario(scenario, faults=faults)


def test_as_many_downloads_run_as_may(run_scenario: Callable[..., None]) -> None:
    """Each connection that is allowed is used, and no more."""
    slow = Slow()

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"connections": 3, "silence_timeout": "10m"}
        async with rig.running():
            await asyncio.sleep(60)
            assert len(rig.emitted(BatchStarted)) == 3
            slow.go_on.set()

    run_scenario(scenario, faults=slow)


def test_a_product_is_tried_again_when_it_is_time(run_scenario: Callable[..., None]) -> None:
    """To the second, not at the next check: a minute after the last immediate retry."""

    class Poisoned(Faults):
        poison = ""

        async def before_zip(self, call: Call) -> Answer | None:
            poisoned = self.poison in call.savepaths
            return Answer(200, b"<html>", "text/html") if poisoned else None

    faults = Poisoned()

    async def scenario(rig: DaemonRig) -> None:
        stacks = rig.observatory.products("2024A000", Instrument.WINTER, ImageType.STACK)
        faults.poison = stacks[0].savepath
        rig.changes["schedule"] = {"poll_every": "1d"}
        async with rig.running():
            await asyncio.sleep(1800)
        failed = [at for at, event in rig.timed_events if _is_failure(event, faults.poison)]
        waits = [(after - before).total_seconds() for before, after in pairwise(failed)]
        assert all(wait < 20 for wait in waits[:3])
        assert 45 <= waits[3] <= 80
        assert 90 <= waits[4] <= 155

    run_scenario(scenario, faults=faults)


def _is_failure(event: Event, savepath: str) -> bool:
    outcome = event.outcome if isinstance(event, ProductFinished) else None
    return isinstance(outcome, Failed) and outcome.candidate.product.savepath == savepath


def test_what_a_killed_process_had_is_taken_over_at_once(run_scenario: Callable[..., None]) -> None:
    """As soon as its leases are found to be abandoned, their products are fetched."""

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["schedule"] = {"poll_every": "1d"}
        async with rig.running():
            await asyncio.sleep(60)
            with (
                closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as catalog,
                catalog,
            ):
                catalog.execute("UPDATE products SET state = 'wanted', claimed_by = 'killed'")
            before = len(rig.timed_events)
            await asyncio.sleep(900)
            later = rig.timed_events[before:]
            (found,) = [at for at, event in later if isinstance(event, Recovered)]
            begun = [at for at, event in later if isinstance(event, BatchStarted)]
            assert begun[0] - found < timedelta(seconds=5)
            assert is_mirrored(rig, *map(ImageType, TYPES))

    run_scenario(scenario)


def test_what_is_refused_is_not_looked_for(
    run_scenario: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pending products of a refused program cause no work."""
    looks = 0
    next_retry = Queue.next_retry

    def counted(queue: Queue, scope: Scope, reasons: Iterable[Refetch]) -> datetime | None:
        nonlocal looks
        looks += 1
        return next_retry(queue, scope, reasons)

    class ListsOnly(Faults):
        async def before(self, call: Call) -> Answer | None:
            refused = call.path == "/images/download_list"
            return Answer(403, b"{}") if refused else None

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["api"] = {"connections": 1}
        monkeypatch.setattr(Queue, "next_retry", counted)
        async with rig.running():
            await asyncio.sleep(3600)
        assert looks < 30

    run_scenario(scenario, faults=ListsOnly())
