"""A mirror to look at, made once from the simulated observatory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.rig import Rig

from winter_sync.core import STATE_DIR
from winter_sync.maintenance.facts import record_facts
from winter_sync.pages import PageContext
from winter_sync.simulator import Observatory, Simulator, demo_universe

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


@pytest.fixture(scope="session")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> tuple[PageContext, datetime]:
    """Return what is known of a mirror of the demonstration night, and the time after it.

    It is of one program and camera; what the headers and alerts say was read.
    """
    root = tmp_path_factory.mktemp("pages") / "winter"
    return asyncio.run(_mirror(root))


async def _mirror(root: Path) -> tuple[PageContext, datetime]:
    async with Simulator(Observatory(demo_universe())) as simulator:
        rig = Rig(simulator, root)
        rig.programs = [{"name": "2024A000", "image_types": TYPES}]
        async with rig.opened() as mirror:
            await mirror.sync()
            await record_facts(mirror, rig.time)
        selections = tuple(rig.settings().selections)
        return (
            PageContext(root, root / STATE_DIR, selections=selections, min_free=0),
            rig.observatory.clock.now(),
        )


TYPES = ["exposure", "raw", "stack", "diff", "avro"]
