"""What is asked of the daemon while it begins, ends and reads its settings again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from winter_sync.core.errors import StorageError
from winter_sync.core.events import Reloading

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.keeper import Keeper


def test_pages_are_there_or_say_why_not(play: Callable[..., None]) -> None:
    """Whoever asks in the moment of a reload gets an answer or a reason, and no fault of ours."""

    async def scene(keeper: Keeper) -> None:
        async with keeper.keeping() as service:
            await asyncio.sleep(60)
            sources, answers = service.pages.sources, 0

            async def ask() -> None:
                nonlocal answers
                while answers < 300:
                    await sources.metrics()
                    try:
                        await sources.status()
                        answers += 1
                        if answers % 10 == 0:
                            service.signals.reload()
                    except StorageError:
                        await asyncio.sleep(0.01)

            await asyncio.gather(*(ask() for _ in range(3)))
        assert len(keeper.told(Reloading)) > 5

    play(scene)
