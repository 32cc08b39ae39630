"""Fixtures that several kinds of test share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.rig import Noted, Rig

from winter_sync.simulator import Observatory, Simulator, demo_universe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def noted() -> Noted:
    """Give a note of what was downloaded from `rig`."""
    return Noted()


@pytest.fixture
async def rig(tmp_path: Path, noted: Noted) -> AsyncIterator[Rig]:
    """Give a mirror, yet empty, of the demonstration night, settled, at a tiny scale."""
    async with Simulator(Observatory(demo_universe()), faults=noted) as simulator:
        yield Rig(simulator, tmp_path / "winter")
