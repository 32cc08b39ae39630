"""Trying again: polls that failed, programs that were refused, downloads that brought nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from daemon.scenes import TYPES, Slow, Told, here

from winter_sync.events import BatchBegun, DownloadsRest, Received
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
