"""Trying again: polls that failed, programs that were refused, downloads that brought nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from daemon.scenes import TYPES, Slow, Told, here

from winter_sync.events import (
    BatchBegun,
    DownloadsRest,
    Polled,
    PollFailed,
    ProgramRefused,
    Received,
)
from winter_sync.models import ImageType
from winter_sync.simulator import Answer, Call, Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.keeper import Keeper


def test_one_download_may_come_while_the_others_rest(play: Callable[..., None]) -> None:
    """What was under way when downloads were given up comes whole, and ends nothing."""

    class OneOnly(Slow):
        begun = 0

        async def before_zip(self, call: Call) -> Answer | None:
            del call
            self.begun += 1
            mended = self.go_on.is_set() and self.begun > 20
            return None if self.begun == 1 or mended else Answer(200, b"<html>", "text/html")

    faults = OneOnly()

    async def scene(keeper: Keeper) -> None:
        keeper.changes["api"] = {"connections": 2, "silence_timeout": "10m"}
        told = Told(keeper)
        async with keeper.keeping():
            await told.of(Received)
            await told.of(DownloadsRest)
            assert faults.begun > 1
            faults.go_on.set()
            await asyncio.sleep(24 * 3600)
            assert here(keeper, *map(ImageType, TYPES))

    play(scene, faults=faults)


def test_all_downloads_rest_together(play: Callable[..., None]) -> None:
    """However many connections there are, nothing is asked for until the rest is over."""

    class Slowly(Faults):
        begun = 0

        async def before_zip(self, call: Call) -> Answer | None:
            del call
            self.begun += 1
            await asyncio.sleep(100 * (self.begun % 3))
            return Answer(200, b"<html>", "text/html")

    async def scene(keeper: Keeper) -> None:
        keeper.changes["api"] = {"connections": 3}
        async with keeper.keeping():
            await asyncio.sleep(12 * 3600)
        begun = [at for at, event in keeper.events if isinstance(event, BatchBegun)]
        rests = [
            (at, at + timedelta(seconds=event.wait))
            for at, event in keeper.events
            if isinstance(event, DownloadsRest)
        ]
        assert len(rests) > 5
        assert not [at for at in begun for since, until in rests if since < at < until]

    play(scene, faults=Slowly())


def test_a_refused_program_is_tried_again_by_true_time(play: Callable[..., None]) -> None:
    """A clock that runs ahead a little, or a rhythm of days, does not put that off."""

    async def scene(keeper: Keeper) -> None:
        slow = {"poll_every": "3d"}
        keeper.changes["programs"] = [
            {"name": "2024A000", "api_key": "wrong", "schedule": slow},
            {"name": "2025B001", "image_types": ["stack"]},
        ]
        async with keeper.keeping():
            for hours in range(1, 24):
                await asyncio.sleep(3600)
                keeper.time.ahead = timedelta(seconds=hours)
        told = [at for at, event in keeper.events if isinstance(event, ProgramRefused)]
        waits = [(after - before).total_seconds() for before, after in pairwise(told)]
        assert waits == pytest.approx([6 * 3600] * 3, abs=60)
        assert len([one for one in keeper.simulator.requests if one.program == "2024A000"]) == 4

    play(scene)


def test_a_program_that_is_accepted_again_is_fetched_from(play: Callable[..., None]) -> None:
    """When the archive takes its key once more, it is polled in its rhythm, and fetched from."""

    class Forgetful(Faults):
        async def before(self, call: Call) -> Answer | None:
            refused = call.path != "/ping" and not asyncio.get_running_loop().time() > 3 * 3600
            return Answer(401, b"{}") if refused else None

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping():
            await asyncio.sleep(6.1 * 3600)
            assert here(keeper, *map(ImageType, TYPES))
            polls = len(keeper.told(Polled))
            await asyncio.sleep(3600)
            assert len(keeper.told(Polled)) - polls >= 10
        assert len(keeper.told(ProgramRefused)) == 1

    play(scene, faults=Forgetful())


def test_a_key_that_is_good_for_lists_only_is_told_once(play: Callable[..., None]) -> None:
    """Downloads that are refused, several at a time, stop a program as a refused poll does."""

    class ListsOnly(Faults):
        async def before(self, call: Call) -> Answer | None:
            refused = call.path == "/images/download_list"
            return Answer(403, b"{}") if refused else None

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping():
            await asyncio.sleep(5 * 3600)
            assert len(keeper.told(ProgramRefused)) == 1
            asked = len(keeper.simulator.requests)
            assert asked < 15
            keeper.simulator.faults = Faults()
            await asyncio.sleep(1.1 * 3600)
            assert here(keeper, *map(ImageType, TYPES))

    play(scene, faults=ListsOnly())


def test_a_poll_that_fails_is_tried_sooner_and_ever_later(play: Callable[..., None]) -> None:
    """A minute later, then two, up to an hour; when it succeeds, the count begins anew."""

    class Confused(Faults):
        failing = True

        async def before(self, call: Call) -> Answer | None:
            failing = self.failing and call.path == "/images/query"
            return Answer(404, b"{}") if failing else None

    faults = Confused()

    async def scene(keeper: Keeper) -> None:
        keeper.changes["schedule"] = {"poll_every": "12h"}
        keeper.changes["programs"] = [{"name": "2024A000", "image_types": ["stack"]}]
        async with keeper.keeping():
            await asyncio.sleep(3 * 3600)
            asked = [at for at, event in keeper.events if isinstance(event, PollFailed)]
            minutes = [
                round((after - before) / timedelta(minutes=1)) for before, after in pairwise(asked)
            ]
            assert minutes == [1, 2, 4, 8, 16, 32, 60]
            faults.failing = False
            await asyncio.sleep(3600)
            assert here(keeper, ImageType.STACK)
            faults.failing, before = True, len(asked)
            await asyncio.sleep(12 * 3600)
            asked = [at for at, event in keeper.events if isinstance(event, PollFailed)][before:]
            assert asked[1] - asked[0] == pytest.approx(
                timedelta(minutes=1), abs=timedelta(seconds=5)
            )

    play(scene, faults=faults)


@pytest.mark.parametrize("answer", [Answer(404, b"{}"), Answer(200, b"<html>", "text/html")])
def test_a_program_without_a_span_is_a_failed_poll(
    play: Callable[..., None], answer: Answer
) -> None:
    """Where the archive does not say what a program is, nothing is polled, and that is told."""

    class Unsaid(Faults):
        async def before(self, call: Call) -> Answer | None:
            return answer if call.path == "/validation/program" else None

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping() as service:
            await asyncio.sleep(3600)
            assert len(keeper.told(PollFailed)) >= 5
            (polls, *_) = json.loads(await service._sources().status())["polls"]
            assert "/validation/program" in polls["error"] or "404" in polls["error"]

    play(scene, faults=Unsaid())
