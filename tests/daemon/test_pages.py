"""The pages of a daemon while it starts, ends and reloads its settings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from winter_sync.core import Reloading
from winter_sync.core.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.daemon_rig import DaemonRig


def test_pages_are_there_or_say_why_not(run_scenario: Callable[..., None]) -> None:
    """A request in the moment of a reload gets an answer or a reason, and no internal fault."""

    async def scenario(rig: DaemonRig) -> None:
        async with rig.running() as service:
            await asyncio.sleep(60)
            answers = 0

            async def ask() -> None:
                nonlocal answers
                while answers < 300:
                    await service.pages.read_metrics()
                    try:
                        await service.pages.read_status()
                        answers += 1
                        if answers % 10 == 0:
                            service.signals.reload()
                    except StorageError:
                        await asyncio.sleep(0.01)

            await asyncio.gather(*(ask() for _ in range(3)))
        assert len(rig.emitted(Reloading)) > 5

    run_scenario(scenario)
