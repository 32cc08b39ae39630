"""Orders that come at bad moments: while it rests, opens, or ends; too many, or impossible ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from winter_sync.events import (
    Polled,
    Reloading,
    ReloadRefused,
    Started,
)
from winter_sync.sentry import only_daemon

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


@pytest.mark.parametrize("name", ["x" * 300, "kept"])
def test_a_root_that_cannot_be_had_is_refused(play: Callable[..., None], name: str) -> None:
    """Whether the system has no such name or another daemon keeps it, the old root is kept on."""

    async def scene(keeper: Keeper) -> None:
        other = keeper.root.with_name("kept")
        (other / ".winter-sync").mkdir(parents=True)
        with only_daemon(other, keeper.time.start):
            async with keeper.keeping() as service:
                await asyncio.sleep(60)
                keeper.changes["mirror"] = {"root": keeper.root.with_name(name)}
                service.orders.reload()
                await asyncio.sleep(3600)
        assert len(keeper.told(ReloadRefused)) == 1
        assert len(keeper.told(Started)) == 1
        assert len(keeper.told(Polled)) > 10

    play(scene)
