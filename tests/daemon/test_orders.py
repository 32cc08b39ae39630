"""Orders that come at bad moments: while it rests, opens, or ends; too many, or impossible ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from winter_sync.events import (
    Reloading,
    Started,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.keeper import Keeper


def test_many_reloads_at_once_are_one(play: Callable[..., None]) -> None:
    """What comes before the settings are read is answered by reading them."""

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping() as service:
            await asyncio.sleep(600)
            for _ in range(50):
                service.orders.reload()
            await asyncio.sleep(600)
        assert len(keeper.told(Reloading)) == 1
        assert len(keeper.told(Started)) == 2

    play(scene)
