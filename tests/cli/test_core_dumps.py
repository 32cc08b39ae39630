"""What is in the memory of a process that knows secrets ends in no file and with no neighbour."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from support.command import command, environment_of, served, settings_file

from winter_sync.simulator import Answer, Call, Faults, Reset

CORE_PATTERN = Path("/proc/sys/kernel/core_pattern").read_text().strip()
IS_FILE = "/" not in CORE_PATTERN and not CORE_PATTERN.startswith("|")
WITH_CORE_DUMPS = ("sh", "-c", 'ulimit -c unlimited && exec "$@"', "sh")
_POWERS = "-sys_ptrace,-sys_admin,-perfmon"
NEIGHBOUR = (
    ("setpriv", f"--inh-caps={_POWERS}", f"--bounding-set={_POWERS}") if os.geteuid() == 0 else ()
)
"""What makes processes of root as powerless towards each other as those of any other user."""


def reading(process: int, name: str) -> int:
    """Let another process of the same user read of a process; returns its exit code."""
    reader = [*NEIGHBOUR, "head", "-c", "1", f"/proc/{process}/{name}"]
    return subprocess.run(reader, capture_output=True, check=False).returncode  # noqa: S603 - ours


def limits_of(process: int) -> str:
    """Return the resource limits of a process, as the kernel writes them."""
    return Path(f"/proc/{process}/limits").read_text()


def dumps_in(directory: Path) -> list[Path]:
    """Return the core dumps in a directory."""
    return list(directory.glob("core*"))


class Abort(Faults):
    """Looks at the process that asks for a download, and makes it crash."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self.limits = ""
        self.read: list[int] = []

    async def before_zip(self, call: Call) -> Answer | None:
        """Look at it in the middle of its work, and abort it."""
        del call
        process, self.process = self.process, None
        if process is None:
            return None
        self.limits = limits_of(process.pid)
        self.read = [reading(process.pid, name) for name in ("environ", "maps")]
        process.send_signal(signal.SIGABRT)
        raise Reset


@pytest.mark.parametrize("word", ["sync", "run"])
async def test_a_crash_leaves_no_core_dump(tmp_path: Path, word: str) -> None:
    """A command that is aborted in its work leaves no dump, although the shell allowed any.

    Nor can another process of the same user look into it while it works.
    """
    fault = Abort()
    with served(fault) as archive:
        file = settings_file(
            tmp_path, api={"base_url": archive.url}, http={"listen": "127.0.0.1:0"}
        )
        fault.process = await asyncio.create_subprocess_exec(
            *NEIGHBOUR,
            *WITH_CORE_DUMPS,
            *command("--config", file, word),
            env=environment_of(tmp_path),
            cwd=tmp_path,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert await fault.process.wait() == -signal.SIGABRT
    assert re.search(r"^Max core file size +0 +0 ", fault.limits, re.MULTILINE)
    assert all(fault.read)
    assert dumps_in(tmp_path) == []


@pytest.mark.skipif(not IS_FILE, reason="the kernel gives core dumps to a program")
def test_a_core_dump_would_be_seen(tmp_path: Path) -> None:
    """Without that, the same abort leaves a dump here, and the neighbour can look."""
    crash = [*WITH_CORE_DUMPS, "sh", "-c", "kill -ABRT $$"]
    if subprocess.run(crash, cwd=tmp_path, check=False).returncode != -signal.SIGABRT:  # noqa: S603 - ours
        pytest.skip("no core dump is allowed here")
    assert dumps_in(tmp_path)
    waiting = [*NEIGHBOUR, "sh", "-c", "echo && exec cat"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603 - ours
        assert process.stdout is not None
        assert process.stdout.readline()
        assert [reading(process.pid, name) for name in ("environ", "maps")] == [0, 0]
        process.kill()
