"""Measure the memory that a mirror takes to read listings, by month and in one piece.

A simulated observatory lists nights of one size; a process of its own polls them, without fetching
anything, and tells the rows of the largest answer and the peak of its memory.

    python benchmarks/listing_memory.py [--nights 365] [--products 40] [--whole]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.cli.demo import demo_settings
from winter_sync.core import Event, Polled
from winter_sync.core.products import Night
from winter_sync.factory import open_mirror
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from collections.abc import Iterator


FIRST = Night("20240201")
"""When the first of the simulated programs begins; the other adds to what is listed later on."""


@contextmanager
def observatory(options: argparse.Namespace) -> Iterator[str]:
    """Run a simulated observatory with so many nights of so many products; gives its URL."""
    nights = [word for day in range(options.nights) for word in ("--night", str(FIRST.plus(day)))]
    simulate = ["simulate", "--port", "0", "--products", str(options.products), *nights]
    command = [sys.executable, "-m", "winter_sync", *simulate]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


async def listed(url: str, root: Path, nights: Nights, *, whole: bool) -> list[int]:
    """Poll all nights and give the rows of each answer."""
    counts: list[int] = []

    def note(event: Event) -> None:
        if isinstance(event, Polled):
            counts.append(event.listed)

    async with open_mirror(demo_settings(url, root), note) as mirror:
        await mirror.api.ping()  # tells the simulated date
        for selection in mirror.selections:
            for subject in selection.subjects:
                if whole:
                    await mirror.poller.poll(selection, subject)
                else:
                    await mirror.poller.poll_nights(selection, subject, nights)
    return counts


def measure(options: argparse.Namespace) -> None:
    """Print the figures of this process, which polls."""
    with tempfile.TemporaryDirectory() as directory:
        nights = Nights(FIRST, FIRST.plus(options.nights - 1))
        root = Path(directory, "winter")
        counts = asyncio.run(listed(options.url, root, nights, whole=options.whole))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rows": sum(counts), "largest": max(counts), "peak_mb": round(peak / 1e6)}))


def main() -> None:
    """Start the observatory, and a process that polls it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--products", type=int, default=40, help="of all types, a night")
    parser.add_argument("--whole", action="store_true", help="ask for all nights in one piece")
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.url:
        measure(options)
        return
    with observatory(options) as url:
        subprocess.run([sys.executable, *sys.argv, "--url", url], check=True)


if __name__ == "__main__":
    main()
