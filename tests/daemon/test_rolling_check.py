"""The daemon rereads its files slowly; what it finds is reported, counted and restored."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from daemon.scenarios import is_mirrored

from winter_sync.core import (
    CheckPaused,
    FileChecked,
    FilesChanged,
    FilesLost,
    FilesUnreadable,
    Stalled,
    StorageFailing,
)
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.traits import ImageType
from winter_sync.simulator import Faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.daemon_rig import DaemonRig


ALL = (ImageType.STACK, ImageType.RAW)


def seldom(rig: DaemonRig, **daemon: Any) -> None:  # noqa: ANN401 - settings
    """Make polls rare and their windows short, so that only the slow check finds anything."""
    rig.changes["schedule"] = {"poll_every": "7d", "lookback_nights": 1, "sweep_every": "60d"}
    rig.changes["daemon"] = {"check_every": "1h", **daemon}


def flip(path: Path) -> None:
    """Change one byte, and hide it."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def files(rig: DaemonRig) -> list[Path]:
    """Return all files of the tree."""
    return [rig.root / path for path in sorted(rig.files())]


async def mirrored(rig: DaemonRig) -> None:
    """Wait until everything is mirrored."""
    while not is_mirrored(rig, *ALL):  # noqa: ASYNC110 - as a person looks
        await asyncio.sleep(10)


def test_what_is_wrong_is_found_and_what_is_gone_comes_back(
    run_scenario: Callable[..., None],
) -> None:
    """A deleted file is downloaded again without a poll; a changed one is only reported."""

    async def scenario(rig: DaemonRig) -> None:
        seldom(rig)
        async with rig.running() as service:
            await mirrored(rig)
            gone, changed, *_ = files(rig)
            gone.unlink()
            flip(changed)
            wrong = changed.read_bytes()
            await asyncio.sleep(4 * 3600)
            assert gone.exists()
            assert changed.read_bytes() == wrong
            page = (await service.pages.read_metrics()).decode()
        (lost,) = rig.emitted(FilesLost)
        assert lost.paths == (str(gone.relative_to(rig.root)),)
        (told,) = rig.emitted(FilesChanged)
        assert told.paths == (str(changed.relative_to(rig.root)),)
        assert 'winter_sync_products{state="damaged"} 1.0' in page
        assert 'winter_sync_damaged_files_total{damage="missing"} 1.0' in page
        assert 'winter_sync_damaged_files_total{damage="changed"} 1.0' in page

    run_scenario(scenario)


def test_every_file_is_read_in_its_turn_and_no_sooner(run_scenario: Callable[..., None]) -> None:
    """In an hour without polls each file is read once, at no more than the rate that is set."""

    async def scenario(rig: DaemonRig) -> None:
        seldom(rig, check_rate="20 kB/s", check_every="1d")
        async with rig.running():
            await mirrored(rig)
            number = len(files(rig))
            size = sum(path.stat().st_size for path in files(rig))
            await asyncio.sleep(26 * 3600)
        reads = [at for at, event in rig.timed_events if isinstance(event, FileChecked)]
        assert len(reads) == number
        last = max(event.size for event in rig.emitted(FileChecked))
        assert (reads[-1] - reads[0]).total_seconds() >= (size - 2 * last) / 20_000
        assert not rig.emitted(Stalled)

    run_scenario(scenario)


def test_it_can_be_turned_off(run_scenario: Callable[..., None]) -> None:
    """With a rate of 0 nothing is read."""

    async def scenario(rig: DaemonRig) -> None:
        seldom(rig, check_rate=0)
        async with rig.running():
            await mirrored(rig)
            await asyncio.sleep(6 * 3600)
        assert not rig.emitted(FileChecked)

    run_scenario(scenario)


class Held(Faults):
    """Holds the downloads of one night until released."""

    def __init__(self) -> None:
        self.hold = False
        self.go_on = asyncio.Event()

    async def before_zip(self, call: Any) -> None:  # noqa: ANN401 - a call
        """Wait."""
        del call
        if self.hold:
            await self.go_on.wait()


def test_it_pauses_while_anything_is_downloaded(run_scenario: Callable[..., None]) -> None:
    """Downloads come first: as long as one is under way, no file is read."""
    faults = Held()

    async def scenario(rig: DaemonRig) -> None:
        seldom(rig, stall_after="1d")
        rig.changes["api"] = {"first_byte_timeout": "10h"}
        async with rig.running():
            await mirrored(rig)
            faults.hold = True
            files(rig)[0].unlink()
            await asyncio.sleep(3 * 3600)
            before = len(rig.emitted(FileChecked))
            assert rig.emitted(FilesLost)
            await asyncio.sleep(2 * 3600)
            assert len(rig.emitted(FileChecked)) == before
            faults.go_on.set()
            faults.hold = False
            await asyncio.sleep(3 * 3600)
            assert len(rig.emitted(FileChecked)) > before
            assert is_mirrored(rig, *ALL)

    run_scenario(scenario, faults=faults)


def test_an_unreadable_file_stops_no_other(run_scenario: Callable[..., None]) -> None:
    """It is reported once, and all others are read."""

    async def scenario(rig: DaemonRig) -> None:
        seldom(rig)
        async with rig.running():
            await mirrored(rig)
            number = len(files(rig))
            loop = files(rig)[0].parent
            aside = loop.with_name("aside")
            loop.rename(aside)
            loop.symlink_to(loop.name)
            await asyncio.sleep(3600 + 1800)
            assert len(rig.emitted(FileChecked)) == number
            assert rig.emitted(FilesUnreadable)
            assert not rig.emitted(FilesLost)
            loop.unlink()
            aside.rename(loop)

    run_scenario(scenario)


def test_a_catalog_that_cannot_be_written_pauses_it_only(run_scenario: Callable[..., None]) -> None:
    """It says so, downloads continue, and later it resumes where it was."""

    async def scenario(rig: DaemonRig) -> None:
        seldom(rig)
        async with rig.running():
            await mirrored(rig)
            with closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as db:
                db.execute(
                    "CREATE TRIGGER full BEFORE UPDATE OF checked_ms ON products WHEN"
                    " old.state = 'published' BEGIN SELECT RAISE(ABORT, 'disk full'); END"
                )
                await asyncio.sleep(3600 + 1200)
                paused = len(rig.emitted(CheckPaused))
                assert paused
                assert not rig.emitted(FileChecked)
                db.execute("DROP TRIGGER full")
            await asyncio.sleep(3600)
            assert len(rig.emitted(FileChecked)) >= len(files(rig))
        assert len(rig.emitted(CheckPaused)) <= paused + 1
        assert not rig.emitted(StorageFailing)

    run_scenario(scenario)


def test_a_root_that_goes_away_makes_nothing_wanted(run_scenario: Callable[..., None]) -> None:
    """Files on a file system that is unmounted during the check do not count as lost."""

    async def scenario(rig: DaemonRig) -> None:
        seldom(rig)
        rig.changes["mirror"] = {"state": rig.root.with_name("state")}
        async with rig.running():
            await mirrored(rig)
            aside = rig.root.with_name("aside")
            rig.root.rename(aside)
            rig.root.mkdir()
            await asyncio.sleep(3600 + 1200)
            assert not rig.emitted(FilesLost)
            for path in rig.root.iterdir():
                path.rmdir()
            rig.root.rmdir()
            aside.rename(rig.root)
            await asyncio.sleep(3 * 3600)
            assert rig.emitted(FileChecked)
            assert not rig.emitted(FilesLost)
            assert not rig.emitted(Stalled)

    run_scenario(scenario)


def test_deleted_files_come_back_with_the_next_poll(run_scenario: Callable[..., None]) -> None:
    """A poll checks whether the files of its nights are there; deleted ones are downloaded."""

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["daemon"] = {"check_rate": 0}
        async with rig.running():
            await mirrored(rig)
            whole = rig.files()
            for path in files(rig)[:5]:
                path.unlink()
            changed = files(rig)[-1]
            changed.write_bytes(b"mine")
            await asyncio.sleep(1800)
            assert changed.read_bytes() == b"mine"
            assert len(rig.files()) == len(whole)
        assert sum(event.files for event in rig.emitted(FilesLost)) == 5
        assert len(rig.emitted(FilesChanged)) == 1

    run_scenario(scenario)
