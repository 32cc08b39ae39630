"""Measure questions for alerts in a large catalog: time and memory.

    python benchmarks/million.py DIRECTORY
    python benchmarks/million_alerts.py DIRECTORY
    python benchmarks/alerts.py DIRECTORY [--repeat 20]

Each question is put by the command in a process of its own, whose time, processor time and
greatest memory are measured; then repeatedly from Python, at other places and for other objects.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from winter_sync import Mirror

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.api import MirrorAlert


def measure(root: Path, *question: str) -> None:
    """Put a question by the command, and print what it took."""
    command = [sys.executable, "-m", "winter_sync", "alerts", *question]
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        env={**os.environ, "WINTER_SYNC_MIRROR__ROOT": str(root), "WINTER_API_PROGRAM": "2024A000"},
    )
    assert process.stdout is not None
    lines = process.stdout.read().count(b"\n") - 1
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    seconds, processor = time.perf_counter() - began, used.ru_utime + used.ru_stime
    print(
        f"{' '.join(question):50} {lines:8} alerts {seconds:6.2f} s, "
        f"{processor:6.2f} s of processor, {used.ru_maxrss * 1024 / 1e6:5.0f} MB",
        flush=True,
    )


def repeat(mirror: Mirror, what: str, questions: Sequence[dict[str, Any]]) -> None:
    """Put questions from Python, and print the median and the slowest."""
    times, processor, counts = [], [], []
    for question in questions:
        began, cpu = time.perf_counter(), time.process_time()
        counts.append(len(mirror.alerts(**question)))
        times.append((time.perf_counter() - began) * 1000)
        processor.append((time.process_time() - cpu) * 1000)
    middle = statistics.median(times)
    print(
        f"{what:30} {statistics.median(counts):6.0f} alerts, median {middle:7.1f} ms "
        f"({statistics.median(processor):.1f} ms of processor), slowest {max(times):7.1f} ms",
        flush=True,
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--repeat", type=int, default=20)
    options = parser.parse_args()
    random = Random(1)
    with Mirror.open(options.directory) as mirror:
        # A process inherits the greatest memory of the one that starts it: these come first.
        measure_commands(options.directory, mirror.alerts(since="2024-01-01", limit=100)[0])
        newest = mirror.alerts(since="2024-01-01", limit=200_000)
        known = [newest[random.randrange(len(newest))] for _ in range(options.repeat)]
        del newest
        for radius in (10 / 3600, 1.0):
            cones = [{"cone": (alert.ra, alert.dec, radius)} for alert in known]
            repeat(mirror, f"cone of {radius:.4f} deg", cones)
        anywhere = [(random.uniform(0, 360), random.uniform(-30, 90)) for _ in known]
        repeat(mirror, "cone of 0.1 deg, anywhere", [{"cone": (*at, 0.1)} for at in anywhere])
        repeat(mirror, "object", [{"objectid": alert.objectid} for alert in known])
        repeat(mirror, "night, rb >= 0.9", [{"night": a.night, "min_rb": 0.9} for a in known])
        repeat(mirror, "target", [{"target": "SN2024zero"}])


def measure_commands(root: Path, near: MirrorAlert) -> None:
    """Put questions about an alert by the command."""
    place = f"{near.ra:.5f},{near.dec:.5f}"
    assert near.time is not None
    measure(root, "--cone", f"{place},10s")
    measure(root, "--cone", f"{place},1")
    measure(root, "--object", str(near.objectid))
    measure(root, "--night", near.night, "--min-rb", "0.9")
    measure(root, "--since", str(near.time.date()), "--min-rb", "0.99")
    measure(root, "--target", "SN2024zero")


if __name__ == "__main__":
    main()
