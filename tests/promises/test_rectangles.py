"""Rectangles over right ascension 0: two questions to the archive, one region of the mirror."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.rig import Rig

from winter_sync.core import Polled
from winter_sync.core.errors import ExitCode
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Observatory, Simulator, Universe
from winter_sync.simulator.observatory.detectors import place_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from winter_sync.core.products import Product

PROGRAM = "2024A000"
WEST, EAST = 310.0, 30.0


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Return a mirror of a region over right ascension 0."""
    universe = Universe(nights=(Night("20251010"),), products_a_night=600, gone_fraction=0)
    async with Simulator(Observatory(universe)) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        edges = {"ra_min": WEST, "ra_max": EAST, "dec_min": -90, "dec_max": 90}
        rig.programs = [{"name": PROGRAM, "image_types": ["stack"], "rectangles": [edges]}]
        yield rig


def halves(rig: Rig) -> tuple[list[Product], list[Product]]:
    """Return the stacks west and east of right ascension 0 that are in the region."""
    stacks = rig.observatory.entries(PROGRAM, Instrument.WINTER, ImageType.STACK)
    places = [(entry.product, place_of(entry.holding)[0]) for entry in stacks]
    west = [product for product, ra in places if ra >= WEST]
    east = [product for product, ra in places if ra <= EAST]
    assert west
    assert east
    assert len(west) + len(east) < len(places)
    return west, east


def withdrawn(rig: Rig) -> int:
    """Return how many products polls have called withdrawn since this was asked last."""
    number = sum(event.withdrawn for event in rig.events if isinstance(event, Polled))
    rig.events.clear()
    return number


async def test_both_halves_are_mirrored(rig: Rig) -> None:
    """All of both is here, nothing else, and the catalog has one region."""
    west, east = halves(rig)
    report = await rig.sync()
    assert report.exit_code is ExitCode.DONE
    assert rig.files() == rig.truth([*west, *east])
    polled = [event for event in rig.events if isinstance(event, Polled)]
    assert sum(event.new for event in polled) == len(west) + len(east)
    with closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as catalog:
        regions = catalog.execute("SELECT DISTINCT region FROM listings").fetchall()
    assert len(regions) == 1


async def test_a_product_is_withdrawn_from_the_half_that_had_it(rig: Rig) -> None:
    """One of each half vanishes: these two are withdrawn and no other, and they come back."""
    await rig.sync()
    assert withdrawn(rig) == 0
    for half in halves(rig):
        rig.observatory.withdraw(half[0])
        await rig.sync()
        assert withdrawn(rig) == 1
        rig.observatory.relist(half[0])
        await rig.sync()
        assert withdrawn(rig) == 0
