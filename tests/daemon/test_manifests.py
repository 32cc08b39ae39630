"""The daemon writes the manifest of a night once it was quiet and listed again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from astropy.table import Table
from daemon.scenarios import NIGHT, TYPES, is_mirrored

from winter_sync.core import ManifestsPaused, ManifestWritten
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.daemon_rig import DaemonRig


def test_a_night_settles_while_the_daemon_runs(run_scenario: Callable[..., None]) -> None:
    """Not before the time that is set has passed; with a log line, metrics, and the tree's sums."""

    async def scenario(rig: DaemonRig) -> None:
        rig.changes["schedule"] = {"settle_after": "30m"}
        async with rig.running() as service:
            while not is_mirrored(rig, *map(ImageType, TYPES)):  # noqa: ASYNC110 - as a person looks
                await asyncio.sleep(10)
            await asyncio.sleep(25 * 60)
            assert not rig.emitted(ManifestWritten)
            await asyncio.sleep(35 * 60)
            page = (await service.pages.read_metrics()).decode()
            assert 'winter_sync_settled_nights{program="2024A000"} 1.0' in page
            newest = 'winter_sync_newest_settled_night{program="2024A000"} '
            (value,) = (line for line in page.splitlines() if line.startswith(newest))
            assert float(value.removeprefix(newest)) == float(NIGHT.name)
        (written,) = rig.emitted(ManifestWritten)
        assert (written.program, written.night, written.settled) == ("2024A000", NIGHT, True)
        manifest = rig.root / STATE_DIR / "manifests" / "2024A000" / f"{NIGHT}.ecsv"
        table = Table.read(manifest, format="ascii.ecsv")
        assert dict(zip(table["path"], table["sha256"], strict=True)) == rig.files()
        assert not rig.emitted(ManifestsPaused)

    run_scenario(scenario)
