"""Poll the archive of the environment's settings in a process of its own, without downloading.

    python -m benchmarks.polling [--times N] [--sweep]

Prints as JSON for each poll: the rows listed and new, seconds of CPU, bytes written to files.
`sweep` polls the whole span of each subject, as the first poll of a mirror does in any case.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import cost_of_command
from winter_sync.config import load_settings
from winter_sync.core import Event, Polled
from winter_sync.factory import open_mirror

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.measuring import Cost


async def poll(times: int, *, sweep: bool) -> list[dict[str, Any]]:
    """Poll every subject this many times, and return what each time cost."""
    events: list[Event] = []
    costs = []
    async with open_mirror(load_settings(), events.append) as mirror:
        await mirror.api.ping()  # tells the archive's date
        for _ in range(times):
            events.clear()
            cpu, wall, written = time.process_time(), time.perf_counter(), _written()
            for selection in mirror.selections:
                for subject in selection.subjects:
                    result = await mirror.poller.poll(selection, subject, sweep=sweep)
                    if result.error is not None:
                        raise result.error
            polled = [event for event in events if isinstance(event, Polled)]
            costs.append(
                {
                    "rows": sum(event.listed for event in polled),
                    "new": sum(event.new for event in polled),
                    "answers": len(polled),
                    "cpu": time.process_time() - cpu,
                    "wall": time.perf_counter() - wall,
                    "written": _written() - written,
                }
            )
    return costs


def poll_apart(
    environment: Mapping[str, str], times: int = 1, *, sweep: bool = False
) -> tuple[Cost, list[dict[str, Any]]]:
    """Poll in a process of its own; return what that cost as a whole, and each poll."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place, "polls")
        command = [sys.executable, "-m", "benchmarks.polling", "--times", str(times)]
        command += ["--output", str(output), *(["--sweep"] if sweep else [])]
        cost = cost_of_command(command, environment)
        polls: list[dict[str, Any]] = json.loads(output.read_text())
    return cost, polls


def _written() -> int:
    """Return the bytes that this process has passed to write(2) and its kin (proc(5), io)."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not count what a process writes")


def main() -> None:
    """Poll, and tell what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("/dev/stdout"))
    options = parser.parse_args()
    costs = asyncio.run(poll(options.times, sweep=options.sweep))
    options.output.write_text(json.dumps(costs) + "\n")


if __name__ == "__main__":
    main()
