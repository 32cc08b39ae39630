"""The pages of a daemon while it starts, ends and reloads its settings."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from daemon.scenarios import EventWaiter, Slow, is_mirrored

from winter_sync.core import BatchEnded, BatchStarted, Received, Reloading
from winter_sync.core.errors import StorageError
from winter_sync.core.traits import ImageType
from winter_sync.web import Document, PageRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.daemon_rig import DaemonRig


ALL = (ImageType.STACK, ImageType.RAW)


def _is_downloading(rig: DaemonRig) -> bool:
    return len(rig.emitted(BatchEnded)) < len(rig.emitted(BatchStarted))


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


def test_downloads_under_way_are_on_the_page(run_scenario: Callable[..., None]) -> None:
    """The first page shows them while they last; before the mirror is open it says why not."""
    slow = Slow()

    async def scenario(rig: DaemonRig) -> None:
        waiter = EventWaiter(rig)
        service = rig.service()
        site = service.pages.sources.site
        first = await site.answer(PageRequest("/", {}))
        assert isinstance(first, Document)
        assert first.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert b"it is beginning" in first.body
        async with rig.running() as running:
            site = running.pages.sources.site
            await waiter.wait_for(Received)
            during = await site.answer(PageRequest("/", {}))
            slow.go_on.set()
            while not is_mirrored(rig, *ALL) or _is_downloading(rig):  # noqa: ASYNC110 - as a person
                await asyncio.sleep(10)
            await asyncio.sleep(600)
            after = await site.answer(PageRequest("/", {}))
        assert isinstance(during, Document)
        assert isinstance(after, Document)
        assert b"Downloads that are under way" in during.body
        assert b"Nothing is being downloaded." in after.body
        assert b"The archive last answered" in after.body

    run_scenario(scenario, faults=slow)
