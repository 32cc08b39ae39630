"""Measure a daemon that has nothing to do: CPU, wake-ups and bytes, for each poll and between.

A whole `winter-sync run` with 4,000 known rows in its window, seen from outside (proc(5)): once it
polls every ten seconds, and once hardly ever. The difference is what a poll costs; an hour at the
usual ten minutes is six of these and the time between.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.archive import Archive, Products, serve
from benchmarks.measuring import Measurement, Run, winter_sync
from benchmarks.polling import poll_apart

if TYPE_CHECKING:
    from collections.abc import Iterator

POLLS_AN_HOUR = 6
_FIRST = 20.0
"""Seconds until a daemon has started, checked its files and polled once."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process has used since it began: seconds of CPU, how often it slept, bytes."""

    cpu: float
    wakeups: int
    written: int

    @classmethod
    def by(cls, process: int) -> Used:
        """Return what a process has used so far, in all threads."""
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        nanoseconds = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
        switches = sum(_field(task / "status", "voluntary_ctxt_switches") for task in tasks)
        return cls(nanoseconds / 1e9, switches, _field(Path(f"/proc/{process}/io"), "wchar"))

    def since(self, before: Used, seconds: float) -> Used:
        """Return what was used since then, for each second."""
        return Used(
            (self.cpu - before.cpu) / seconds,
            round((self.wakeups - before.wakeups) / seconds * 1000),
            round((self.written - before.written) / seconds),
        )


def measure(run: Run) -> Iterator[Measurement]:
    """Run a daemon that polls, and one that does not."""
    rows, seconds = run.choose((4000, 60), (20, 11))
    with serve(run, Products(rows)) as archive:
        root = run.directory / "mirror"
        poll_apart(archive.settings(root))
        often = _daemon(run, archive, root, "10s", seconds)
        seldom = _daemon(run, archive, root, "1h", seconds)
    catalog = (root / ".winter-sync/catalog.sqlite3").stat().st_size
    poll = {
        "CPU": ((often[0].cpu - seldom[0].cpu) / often[1] * 1e3, "ms"),
        "bytes written": ((often[0].written - seldom[0].written) / often[1] / 1e3, "kB"),
        "wake-ups": ((often[0].wakeups - seldom[0].wakeups) / often[1] / 1e3, ""),
    }
    how = f"{rows:,} known rows, {often[1] * seconds:.0f} polls"
    for name, (value, unit) in poll.items():
        yield Measurement(f"a poll: {name}", (value,), unit, how=how)
    yield Measurement("a minute between polls: CPU", (seldom[0].cpu * 60e3,), "ms")
    yield Measurement("a minute between polls: wake-ups", (seldom[0].wakeups * 0.06,))
    yield Measurement("a minute between polls: bytes written", (seldom[0].written * 0.06,), "kB")
    hour = seldom[0].cpu * 3600 + POLLS_AN_HOUR * poll["CPU"][0] / 1e3
    yield Measurement("an hour with six polls: CPU", (hour,), "s", how=f"catalog {catalog} B")


def _daemon(
    run: Run, archive: Archive, root: Path, poll_every: str, seconds: float
) -> tuple[Used, float]:
    """Return what a daemon uses each second (wake-ups in thousandths), and its polls a second."""
    with _running(archive, root, poll_every) as process:
        time.sleep(_FIRST)
        before, polled, began = Used.by(process), _polls(archive), time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        used = Used.by(process).since(before, passed)
        polls = (_polls(archive) - polled) / passed
    run.log(f"polled every {poll_every}: {used}, {polls:.3f} polls a second")
    return used, polls


@contextmanager
def _running(archive: Archive, root: Path, poll_every: str) -> Iterator[int]:
    settings = archive.settings(
        root, schedule={"poll_every": poll_every}, http={"listen": "127.0.0.1:0"}
    )
    command = winter_sync("--log-level", "error", "run")
    process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _polls(archive: Archive) -> int:
    with urllib.request.urlopen(f"{archive.url}/benchmark/requests") as answer:  # noqa: S310 - ours
        return sum(each["path"] == "/images/query" for each in json.load(answer))


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"{path} has no {name}")
