"""The slow check: every file is read in its turn, while nothing is downloaded."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.counting_threads import CountingThreads
from support.download_rig import CONTENT
from support.makers import PROGRAM, path_of, product
from support.tables import set_path

from winter_sync.catalog.records import Scope
from winter_sync.core.errors import StorageError
from winter_sync.core.file_events import CheckPaused, FileChecked, FilesChanged, FilesLost
from winter_sync.sync.rolling_check import RollingCheck

if TYPE_CHECKING:
    from support.download_rig import DownloadRig

    from winter_sync.core.products import Product

ONE, TWO, THREE = PRODUCTS = tuple(product(number) for number in range(3))
IDLE, BUSY, FAILED = 600.0, 2.0, 600.0
"""Seconds to wait: with nothing to check, while something is downloaded, and after a failure."""
RATE = 100
READING = len(CONTENT) / RATE


class Rolling:
    """A check that runs until it has waited so often; time passes in its waits only."""

    def __init__(self, rig: DownloadRig, every: timedelta = timedelta(hours=1)) -> None:
        self.rig = rig
        self.waits: list[float] = []
        self.busy = 0
        """How often something is still being downloaded."""
        self.lost = 0
        self.most = 0
        self.over = asyncio.Event()
        rig.polling.time = replace(rig.polling.time, sleep=self._sleep)
        self.check = RollingCheck(
            rig.mirror().quick_check,
            threads=rig.threads,
            rate=RATE,
            every=every,
            is_busy=self._is_busy,
            found_lost=self._found_lost,
            emit=rig.events.append,
        )

    async def _sleep(self, seconds: float) -> None:
        if len(self.waits) == self.most:
            self.over.set()
            await asyncio.Event().wait()
        self.waits.append(seconds)
        self.rig.polling.clock.advance(seconds=seconds)

    def _is_busy(self) -> bool:
        self.busy -= 1
        return self.busy >= 0

    def _found_lost(self) -> None:
        self.lost += 1

    async def run(self, waits: int) -> list[float]:
        """Run until it has waited so often; return for how long."""
        self.waits.clear()
        self.over.clear()
        self.rig.events.clear()
        self.most = waits
        running = asyncio.create_task(self.check.run())
        over = asyncio.create_task(self.over.wait())
        await asyncio.wait([running, over], return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return self.waits


async def have(rig: DownloadRig, *products: Product) -> None:
    """Mirror products."""
    await rig.want(*products)
    rig.send_all()
    await rig.mirror().fetch(Scope((PROGRAM,)))


async def test_each_file_is_read_when_its_time_has_come(downloads: DownloadRig) -> None:
    """At the rate given; then there is nothing to check until it has come again."""
    await have(downloads, *PRODUCTS)
    rolling = Rolling(downloads)
    reading = pytest.approx(READING)
    assert await rolling.run(11) == [IDLE] * 7 + [reading] * 3 + [IDLE]
    assert downloads.events == [FileChecked(len(CONTENT))] * 3
    assert await rolling.run(8) == [IDLE] * 5 + [reading] * 2 + [IDLE]


async def test_many_files_are_each_read_once(downloads: DownloadRig) -> None:
    """However many are due at a time."""
    many = [product(number) for number in range(120)]
    await have(downloads, *many)
    downloads.polling.clock.advance(hours=2)
    rolling = Rolling(downloads)
    assert (await rolling.run(121))[120:] == [IDLE]
    assert len(downloads.emitted(FileChecked)) == 120


async def test_what_is_to_be_read_again_is_read_whatever_its_path(downloads: DownloadRig) -> None:
    """A layout may begin with the night."""
    await have(downloads, ONE)
    (downloads.tree.root / path_of(ONE)).rename(downloads.tree.root / "20240130.fits")
    with closing(sqlite3.connect(downloads.polling.path)) as catalog, catalog:
        set_path(catalog, "20240130.fits")
        catalog.execute("UPDATE products SET checked_ms = 0")
    await Rolling(downloads).run(1)
    assert downloads.emitted(FileChecked) == [FileChecked(len(CONTENT))]


async def test_downloads_come_first(downloads: DownloadRig) -> None:
    """Before a file is read and while it is."""
    await have(downloads, ONE)
    downloads.polling.clock.advance(hours=2)
    rolling = Rolling(downloads)
    rolling.busy = 2
    assert await rolling.run(4) == [BUSY, BUSY, pytest.approx(READING), IDLE]
    downloads.polling.clock.advance(hours=2)
    checks = iter([False, True, True, False])
    rolling.check._is_busy = lambda: next(checks)
    assert await rolling.run(4) == [pytest.approx(READING), BUSY, BUSY, IDLE]


async def test_what_is_wrong_is_recorded_and_what_is_lost_comes_back(
    downloads: DownloadRig,
) -> None:
    """Whoever downloads is told only of what is wanted again."""
    await have(downloads, *PRODUCTS)
    downloads.polling.clock.advance(hours=2)
    (downloads.tree.root / path_of(ONE)).unlink()
    (downloads.tree.root / path_of(TWO)).write_bytes(b"x" * len(CONTENT))
    rolling = Rolling(downloads)
    await rolling.run(3)
    assert rolling.lost == 1
    assert len(downloads.emitted(FilesLost)) == len(downloads.emitted(FilesChanged)) == 1
    states = [await downloads.stored(one) for one in PRODUCTS]
    assert [(one["state"], one["damage"]) for one in states] == [
        ("wanted", "missing"),
        ("published", "changed"),
        ("published", None),
    ]


async def test_a_file_that_cannot_be_read_is_tried_again_in_its_turn(
    downloads: DownloadRig,
) -> None:
    """Not before all others were."""
    await have(downloads, ONE)
    directory = (downloads.tree.root / path_of(ONE)).parent
    directory.rename(downloads.tree.root / "elsewhere")
    directory.symlink_to(downloads.tree.root / "elsewhere")
    before = (await downloads.stored(ONE))["checked_at"]
    downloads.polling.clock.advance(hours=2)
    rolling = Rolling(downloads)
    assert await rolling.run(3) == [IDLE] * 3
    assert downloads.emitted(FileChecked) == [FileChecked(0)]
    stored = await downloads.stored(ONE)
    assert stored["checked_at"] > before
    assert stored["damage"] is None


async def test_storage_that_fails_pauses_it(downloads: DownloadRig) -> None:
    """It says so, and goes on later."""
    await have(downloads, ONE)
    downloads.polling.clock.advance(hours=2)
    (downloads.tree.root / path_of(ONE)).unlink()
    rolling = Rolling(downloads)
    failures = [StorageError("it is not mounted", remedy="Mount it.")]

    def refuse() -> None:
        if failures:
            raise failures.pop()

    quick_check = rolling.check._quick_check
    quick_check.mirror = replace(quick_check.mirror, check_root=refuse)
    waits = await rolling.run(2)
    (paused,) = downloads.emitted(CheckPaused)
    assert paused == CheckPaused("it is not mounted", "Mount it.", FAILED)
    assert waits == [FAILED, IDLE]
    assert (await downloads.stored(ONE))["state"] == "wanted"


async def test_files_are_read_in_the_threads_given(downloads: DownloadRig) -> None:
    """To open one, for each piece, for its end, and to judge it."""
    await have(downloads, ONE)
    downloads.polling.clock.advance(hours=2)
    with CountingThreads() as threads:
        downloads.threads = threads
        await Rolling(downloads).run(2)
        assert threads.calls == 4
