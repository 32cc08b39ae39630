"""A catalog on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.thread import CatalogThread
from winter_sync.core.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from support.clock import Clock


async def test_coroutines_reach_the_catalog_on_its_thread(path: Path, clock: Clock) -> None:
    """Every call runs on one thread of the catalog's own, and gives its result or its error."""
    async with CatalogThread(path, clock) as thread:
        names = {await thread(lambda _: threading.current_thread().name) for _ in range(3)}
        assert len(names) == 1
        assert names != {threading.current_thread().name}
        await thread(Catalog.take_mirror_name, "mirror")
        assert await thread(Catalog.mirror_name) == "mirror"
        with pytest.raises(StorageError, match="no such column"):
            await thread(lambda catalog: catalog.connection.rows("SELECT sense FROM mirror"))
    with closing(Catalog(path, clock)) as catalog:
        assert catalog.mirror_name() == "mirror"


async def test_a_thread_that_is_not_open_says_so(path: Path, clock: Clock) -> None:
    """A call before the catalog was opened is a mistake of the caller."""
    with pytest.raises(RuntimeError, match="not open"):
        await CatalogThread(path, clock)(Catalog.mirror_name)


async def test_a_catalog_that_cannot_be_opened_leaves_no_thread(path: Path, clock: Clock) -> None:
    """When opening fails the error arrives, and the thread is gone."""
    before = set(threading.enumerate())
    with pytest.raises(StorageError):
        async with CatalogThread(path / "gone", clock):
            pass
    assert set(threading.enumerate()) <= before


async def test_a_cancelled_caller_learns_when_the_work_has_ended(path: Path, clock: Clock) -> None:
    """Cancelling never leaves a transaction running behind the caller's back."""
    started, go = threading.Event(), threading.Event()

    def work(catalog: Catalog) -> None:
        started.set()
        go.wait()
        catalog.take_mirror_name("mirror")

    async with CatalogThread(path, clock) as thread:
        task = asyncio.create_task(thread(work))
        await asyncio.to_thread(started.wait)
        task.cancel()
        await asyncio.wait({task}, timeout=0)
        assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await thread(Catalog.mirror_name) == "mirror"
