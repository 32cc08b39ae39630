"""The daemon takes the facts of what it downloads, and is disturbed by nothing that goes wrong."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.scenarios import is_mirrored

from winter_sync.core import FactsPaused, FactsRead, FactsUpToDate, Stalled, StorageFailing
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.traits import ImageType
from winter_sync.simulator import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from support.daemon_rig import DaemonRig

ALL = (ImageType.STACK, ImageType.RAW)


def count(rig: DaemonRig, query: str) -> int:
    """Count by a query of the catalog."""
    with closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as db:
        return int(db.execute(query).fetchone()[0])


def facts(rig: DaemonRig) -> int:
    """Count the facts that are recorded."""
    return count(rig, "SELECT count(*) FROM facts")


async def mirrored(rig: DaemonRig) -> None:
    """Wait until everything is mirrored."""
    while not is_mirrored(rig, *ALL):  # noqa: ASYNC110 - as a person looks
        await asyncio.sleep(10)


def readers() -> list[str]:
    """Return the processes of this one that read headers; other tests leave others to it."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return [child for child in children if b"facts_worker" in command_line(child)]


def command_line(process: str) -> bytes:
    """Return how a process was started, nothing where it has ended."""
    try:
        return Path("/proc", process, "cmdline").read_bytes()
    except OSError:
        return b""


def test_facts_follow_the_downloads(run_scenario: Callable[..., None]) -> None:
    """Minutes later all are recorded and counted, and the process that read them has ended."""

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["facts"] = {"enabled": True}
        async with rig.running() as service:
            await mirrored(rig)
            files = len(rig.files())
            # The process that reads them takes real time, which no driven clock shortens.
            while facts(rig) < files or readers():  # noqa: ASYNC110 - as a person looks
                await asyncio.sleep(10)
            await asyncio.sleep(300)
            page = (await service.pages.read_metrics()).decode()
            assert "winter_sync_facts_due 0.0" in page
            assert f'winter_sync_facts_total{{result="complete"}} {files}.0' in page
            assert 'winter_sync_facts_total{result="odd"} 0.0' in page
        assert sum(event.files for event in rig.emitted(FactsUpToDate)) == files
        assert not rig.emitted(FactsPaused)
        assert not rig.emitted(Stalled)

    run_scenario(scenario)


def test_it_can_be_turned_off(run_scenario: Callable[..., None]) -> None:
    """Then nothing is read, and all of it is due."""

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["facts"] = {"enabled": False}
        async with rig.running() as service:
            await mirrored(rig)
            await asyncio.sleep(3600)
            page = (await service.pages.read_metrics()).decode()
            assert f"winter_sync_facts_due {len(rig.files())}.0" in page
        assert not rig.emitted(FactsRead)
        assert facts(rig) == 0

    run_scenario(scenario)


class Held(Faults):
    """Holds all downloads while told to."""

    def __init__(self) -> None:
        self.hold = False
        self.go_on = asyncio.Event()

    async def before_zip(self, call: Any) -> None:  # noqa: ANN401 - a call
        """Wait."""
        del call
        if self.hold:
            await self.go_on.wait()


def test_a_download_that_takes_hours_keeps_no_facts_back(run_scenario: Callable[..., None]) -> None:
    """While one is under way facts are taken slowly, and not never."""
    faults = Held()

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["facts"] = {"enabled": True}
        rig.changes["daemon"] = {"check_rate": 0, "stall_after": "1d"}
        rig.changes["api"] = {"first_byte_timeout": "10h"}
        async with rig.running():
            await mirrored(rig)
            await asyncio.sleep(300)
            faults.hold = True
            files = sorted(rig.files())
            (rig.root / files[0]).unlink()
            with closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as db, db:
                db.execute("UPDATE products SET facts_due = 1")
            await asyncio.sleep(2 * 3600)
            assert not (rig.root / files[0]).exists()
            left = "SELECT count(*) FROM products WHERE facts_due AND state = 'published'"
            assert count(rig, left) == 0
            faults.hold = False
            faults.go_on.set()

    run_scenario(scenario, faults=faults)


def test_without_astropy_only_facts_pause(
    run_scenario: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, ever more rarely; downloads go on, and later it catches up by itself."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "sitecustomize.py").write_text("import sys; sys.modules['astropy'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(library))

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["facts"] = {"enabled": True}
        rig.changes["daemon"] = {"check_rate": 0}
        async with rig.running():
            await mirrored(rig)
            await asyncio.sleep(3 * 3600)
            waits = [event.wait for event in rig.emitted(FactsPaused)]
            assert waits == sorted(waits)
            assert waits[:3] == [60, 120, 240]
            assert max(waits) <= 3600
            monkeypatch.delenv("PYTHONPATH")
            await asyncio.sleep(2 * 3600)
            assert facts(rig) == len(rig.files())
            assert len(rig.emitted(FactsPaused)) <= len(waits) + 1
        assert not rig.emitted(Stalled)

    run_scenario(scenario)


def test_a_catalog_that_cannot_be_written_pauses_facts_only(
    run_scenario: Callable[..., None],
) -> None:
    """Nothing that was read is lost: it is read again."""

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["facts"] = {"enabled": True}
        rig.changes["daemon"] = {"check_rate": 0}
        async with rig.running():
            while not (rig.root / STATE_DIR / CATALOG).exists():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            await asyncio.sleep(1)
            with closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as db:
                db.execute(
                    "CREATE TRIGGER full BEFORE INSERT ON facts"
                    " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
                )
                await mirrored(rig)
                await asyncio.sleep(1800)
                assert rig.emitted(FactsPaused)
                assert facts(rig) == 0
                db.execute("DROP TRIGGER full")
            await asyncio.sleep(2 * 3600)
            assert facts(rig) == len(rig.files())
        assert not rig.emitted(StorageFailing)

    run_scenario(scenario)
