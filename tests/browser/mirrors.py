"""Mirrors of the simulated observatory: of no night, of three, and of more than a year."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from support.rig import Rig

from winter_sync.core import ImageType, Instrument, Night, utc_now
from winter_sync.maintenance.facts import record_facts
from winter_sync.simulator import Campaign, Observatory, SimulatedClock, Simulator, Universe
from winter_sync.simulator.observatory.universe import default_sky

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

MANY = 400
_ONE_IMAGE = (ImageType.STACK, ImageType.DIFF, ImageType.AVRO)


def make_mirror(nights: int, root: Path) -> Path:
    """Make a mirror of no recent night, three or many in a directory, and return that.

    That of three nights also has what the notebooks of the real client found, years before.
    """
    now = utc_now()
    sky = {0: Universe(nights=()), 3: default_sky(now), MANY: long_sky(now)}[nights]
    # On a thread: where a browser runs, Playwright's event loop has the main one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, mirror_sky(sky, now, root)).result()
    return root


def long_sky(now: datetime) -> Universe:
    """Return one visit of each camera in each of many nights."""
    last = Night.at(now).plus(-1)
    return Universe(
        nights=tuple(last.plus(1 - MANY + day) for day in range(MANY)),
        campaigns=(
            Campaign("2024A000", dithers=1, boards=(2,), image_types=_ONE_IMAGE),
            Campaign("2025B001", Instrument.SPRING, dithers=1, image_types=(ImageType.RAW,)),
        ),
    )


async def mirror_sky(sky: Universe, now: datetime, root: Path) -> None:
    """Mirror all that is listed at a time, and read what the headers say."""
    async with Simulator(Observatory(sky, clock=SimulatedClock(now))) as simulator:
        rig = Rig(simulator, root)
        if sky.all_nights:
            await rig.backfill(min(sky.all_nights), max(sky.all_nights))
        else:
            await rig.sync()
        async with rig.opened() as mirror:
            await record_facts(mirror, rig.time)
