"""Two runs on one mirror share its work: nothing is fetched twice and neither fails."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.rig import path_of_savepath

from winter_sync.core.errors import ExitCode
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_PROGRAMS,
    DEFAULT_USER,
    DEMO_NIGHT,
    key_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from support.rig import DownloadLog, Rig

SETTINGS = """
[api]
base_url = "{url}"
user = "{user}"
password = "{password}"
request_interval = "0s"
[mirror]
root = "{root}"
min_free = 0
"""
PROGRAM = """
[[programs]]
name = "{name}"
api_key = "{key}"
image_types = ["exposure", "raw", "science", "stack", "diff", "avro"]
instruments = ["winter", "spring"]
"""


async def test_two_runs_share_the_work(rig: Rig, download_log: DownloadLog) -> None:
    """A sync and a backfill, begun together, ask for each product once between them."""
    reports = await asyncio.gather(rig.sync(), rig.backfill(DEMO_NIGHT, DEMO_NIGHT), rig.sync())
    assert rig.files() == rig.truth()
    assert set(download_log.asked.values()) == {1}
    assert sum(report.published for report in reports) == len(rig.truth())
    assert {report.exit_code for report in reports} == {ExitCode.DONE}


@pytest.mark.fault(
    kind="a backfill beside a running mirror",
    injected="(a second process)",
    outcome="neither fails, and nothing is fetched twice",
    kept="everything",
)
async def test_two_processes_share_the_work(
    rig: Rig, download_log: DownloadLog, tmp_path: Path
) -> None:
    """The same with the real command, in processes of their own, which have the real time."""
    rig.observatory.clock.set(datetime.now(UTC))
    config = tmp_path / "winter-sync.toml"
    text = SETTINGS.format(
        url=rig.simulator.url, user=DEFAULT_USER, password=DEFAULT_PASSWORD, root=rig.root
    )
    text += "".join(PROGRAM.format(name=name, key=key_of(name)) for name in DEFAULT_PROGRAMS)
    config.write_text(text)
    nights = ["--from", DEMO_NIGHT.name, "--to", DEMO_NIGHT.name]
    runs = [await _start(config, "sync"), await _start(config, "backfill", *nights)]
    ended = [await run.communicate() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], ended
    truth = rig.truth()
    assert rig.files() == truth
    times = {path_of_savepath(savepath): asked for savepath, asked in download_log.asked.items()}
    assert {times.pop(path) for path in truth} == {1}, ended
    # A backfill asks again for what the archive did not have, if the sync was there before it.
    assert set(times.values()) <= {1, 2}, ended


async def _start(config: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "winter_sync", "--config", str(config), *arguments),
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
