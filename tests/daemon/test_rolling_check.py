"""The daemon reads its files again, slowly, and what it finds is told, counted and got back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from daemon.scenes import here

from winter_sync.core.events import (
    CheckPaused,
    FileChecked,
    FilesChanged,
    FilesLost,
    FilesUnreadable,
    Stalled,
    StorageFailing,
)
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.traits import ImageType
from winter_sync.factory import CATALOG
from winter_sync.simulator import Faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.keeper import Keeper


ALL = (ImageType.STACK, ImageType.RAW)


def seldom(keeper: Keeper, **daemon: Any) -> None:  # noqa: ANN401 - settings
    """Let polls be rare and short of reach, so that only the slow check finds anything."""
    keeper.changes["schedule"] = {"poll_every": "7d", "lookback_nights": 1, "sweep_every": "60d"}
    keeper.changes["daemon"] = {"check_every": "1h", **daemon}


def flip(path: Path) -> None:
    """Change one byte, and hide it."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def files(keeper: Keeper) -> list[Path]:
    """Give all files of the tree."""
    return [keeper.root / path for path in sorted(keeper.files())]


async def mirrored(keeper: Keeper) -> None:
    """Wait until everything is here."""
    while not here(keeper, *ALL):  # noqa: ASYNC110 - as a person looks
        await asyncio.sleep(10)


def test_what_is_wrong_is_found_and_what_is_gone_comes_back(play: Callable[..., None]) -> None:
    """A deleted file is downloaded again without a poll; a changed one is told and left alone."""

    async def scene(keeper: Keeper) -> None:
        seldom(keeper)
        async with keeper.keeping() as service:
            await mirrored(keeper)
            gone, changed, *_ = files(keeper)
            gone.unlink()
            flip(changed)
            wrong = changed.read_bytes()
            await asyncio.sleep(4 * 3600)
            assert gone.exists()
            assert changed.read_bytes() == wrong
            page = (await service.pages.sources.metrics()).decode()
        (lost,) = keeper.told(FilesLost)
        assert lost.paths == (str(gone.relative_to(keeper.root)),)
        (told,) = keeper.told(FilesChanged)
        assert told.paths == (str(changed.relative_to(keeper.root)),)
        assert 'winter_sync_products{state="damaged"} 1.0' in page
        assert 'winter_sync_damaged_files_total{damage="missing"} 1.0' in page
        assert 'winter_sync_damaged_files_total{damage="changed"} 1.0' in page

    play(scene)


def test_every_file_is_read_in_its_turn_and_no_sooner(play: Callable[..., None]) -> None:
    """In an hour without polls each file is read once, at no more than the rate that is set."""

    async def scene(keeper: Keeper) -> None:
        seldom(keeper, check_rate="20 kB/s", check_every="1d")
        async with keeper.keeping():
            await mirrored(keeper)
            number = len(files(keeper))
            size = sum(path.stat().st_size for path in files(keeper))
            await asyncio.sleep(26 * 3600)
        reads = [at for at, event in keeper.events if isinstance(event, FileChecked)]
        assert len(reads) == number
        last = max(event.size for event in keeper.told(FileChecked))
        assert (reads[-1] - reads[0]).total_seconds() >= (size - 2 * last) / 20_000
        assert not keeper.told(Stalled)

    play(scene)


def test_it_can_be_turned_off(play: Callable[..., None]) -> None:
    """With a rate of 0 nothing is read."""

    async def scene(keeper: Keeper) -> None:
        seldom(keeper, check_rate=0)
        async with keeper.keeping():
            await mirrored(keeper)
            await asyncio.sleep(6 * 3600)
        assert not keeper.told(FileChecked)

    play(scene)


class Held(Faults):
    """Holds downloads of one night back until told to go on."""

    def __init__(self) -> None:
        self.hold = False
        self.go_on = asyncio.Event()

    async def before_zip(self, call: Any) -> None:  # noqa: ANN401 - a call
        """Wait."""
        del call
        if self.hold:
            await self.go_on.wait()


def test_it_pauses_while_anything_is_downloaded(play: Callable[..., None]) -> None:
    """Downloads come first: as long as one is under way, no file is read."""
    faults = Held()

    async def scene(keeper: Keeper) -> None:
        seldom(keeper, stall_after="1d")
        keeper.changes["api"] = {"first_byte_timeout": "10h"}
        async with keeper.keeping():
            await mirrored(keeper)
            faults.hold = True
            files(keeper)[0].unlink()
            await asyncio.sleep(3 * 3600)
            before = len(keeper.told(FileChecked))
            assert keeper.told(FilesLost)
            await asyncio.sleep(2 * 3600)
            assert len(keeper.told(FileChecked)) == before
            faults.go_on.set()
            faults.hold = False
            await asyncio.sleep(3 * 3600)
            assert len(keeper.told(FileChecked)) > before
            assert here(keeper, *ALL)

    play(scene, faults=faults)


def test_an_unreadable_file_stops_no_other(play: Callable[..., None]) -> None:
    """It is told once in its turn, and all others are read."""

    async def scene(keeper: Keeper) -> None:
        seldom(keeper)
        async with keeper.keeping():
            await mirrored(keeper)
            number = len(files(keeper))
            loop = files(keeper)[0].parent
            aside = loop.with_name("aside")
            loop.rename(aside)
            loop.symlink_to(loop.name)
            await asyncio.sleep(3600 + 1800)
            assert len(keeper.told(FileChecked)) == number
            assert keeper.told(FilesUnreadable)
            assert not keeper.told(FilesLost)
            loop.unlink()
            aside.rename(loop)

    play(scene)


def test_a_catalog_that_cannot_be_written_pauses_it_only(play: Callable[..., None]) -> None:
    """It says so, downloads go on, and later it takes up where it was."""

    async def scene(keeper: Keeper) -> None:
        seldom(keeper)
        async with keeper.keeping():
            await mirrored(keeper)
            with closing(sqlite3.connect(keeper.root / STATE_DIR / CATALOG)) as db:
                db.execute(
                    "CREATE TRIGGER full BEFORE UPDATE OF checked_at ON products WHEN"
                    " old.state = 'published' BEGIN SELECT RAISE(ABORT, 'disk full'); END"
                )
                await asyncio.sleep(3600 + 1200)
                paused = len(keeper.told(CheckPaused))
                assert paused
                assert not keeper.told(FileChecked)
                db.execute("DROP TRIGGER full")
            await asyncio.sleep(3600)
            assert len(keeper.told(FileChecked)) >= len(files(keeper))
        assert len(keeper.told(CheckPaused)) <= paused + 1
        assert not keeper.told(StorageFailing)

    play(scene)


def test_a_root_that_goes_away_makes_nothing_wanted(play: Callable[..., None]) -> None:
    """A file system that is unmounted under the check has not lost its files."""

    async def scene(keeper: Keeper) -> None:
        seldom(keeper)
        keeper.changes["mirror"] = {"state": keeper.root.with_name("state")}
        async with keeper.keeping():
            await mirrored(keeper)
            aside = keeper.root.with_name("aside")
            keeper.root.rename(aside)
            keeper.root.mkdir()
            await asyncio.sleep(3600 + 1200)
            assert not keeper.told(FilesLost)
            for path in keeper.root.iterdir():
                path.rmdir()
            keeper.root.rmdir()
            aside.rename(keeper.root)
            await asyncio.sleep(3 * 3600)
            assert keeper.told(FileChecked)
            assert not keeper.told(FilesLost)
            assert not keeper.told(Stalled)

    play(scene)


def test_deleted_files_come_back_with_the_next_poll(play: Callable[..., None]) -> None:
    """A poll looks whether the files of its nights are there, and what is gone is downloaded."""

    async def scene(keeper: Keeper) -> None:
        keeper.changes["daemon"] = {"check_rate": 0}
        async with keeper.keeping():
            await mirrored(keeper)
            whole = keeper.files()
            for path in files(keeper)[:5]:
                path.unlink()
            changed = files(keeper)[-1]
            changed.write_bytes(b"mine")
            await asyncio.sleep(1800)
            assert changed.read_bytes() == b"mine"
            assert len(keeper.files()) == len(whole)
        assert sum(event.files for event in keeper.told(FilesLost)) == 5
        assert len(keeper.told(FilesChanged)) == 1

    play(scene)
