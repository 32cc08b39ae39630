"""A simulated archive on a real socket, and a client that speaks to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
from simulator.archive_client import Client

from winter_sync.simulator import Observatory, Simulator, demo_universe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def observatory() -> Observatory:
    """Return the demonstration night, settled, at a tiny scale."""
    return Observatory(demo_universe())


@pytest.fixture
async def client(observatory: Observatory) -> AsyncIterator[Client]:
    """Return a client of a simulator that serves the observatory."""
    async with Simulator(observatory) as simulator, aiohttp.ClientSession() as session:
        yield Client(simulator, session)
