"""Measure what facts of images cost: CPU and memory, and what downloads lose beside them.

The same products are mirrored again and again from one simulated observatory, in turn alone and
while headers of another mirror are read without any rest. The daemon rests 49 times as long as it
reads while anything is downloaded (`winter_sync.maintenance.facts`), so it loses a fiftieth of the
difference. The files are small and many, so that downloads are bound by the processor: a slower
wire would hide a loss. Headers are those of real products: what is in the images is not read.

    python -m benchmarks.facts [--products 3000] [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Cost, cost_of_command, winter_sync
from benchmarks.observatory import PROGRAM, Observatory, observatory
from winter_sync.catalog import Catalog, Scope
from winter_sync.core import utc_now
from winter_sync.maintenance.facts_process import HeaderProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.catalog import Held

TYPES = ["exposure", "raw", "stack", "diff", "avro"]
TICKS = os.sysconf("SC_CLK_TCK")
SHARE = 0.02
"""Of the time, in which the daemon reads headers while anything is downloaded."""


def mirror(archive: Observatory, root: Path) -> Cost:
    """Mirror the products with `winter-sync sync`, without facts."""
    program = {"name": PROGRAM, "api_key": archive.key, "image_types": TYPES, "since": 20251023}
    settings = {
        "WINTER_SYNC_API__BASE_URL": archive.url,
        "WINTER_SYNC_API__USER": archive.user,
        "WINTER_SYNC_API__PASSWORD": archive.password,
        "WINTER_SYNC_API__REQUEST_INTERVAL": "0s",
        "WINTER_SYNC_MIRROR__ROOT": str(root),
        "WINTER_SYNC_MIRROR__MIN_FREE": "0",
        "WINTER_SYNC_FACTS__ENABLED": "false",
        "WINTER_SYNC_PROGRAMS": json.dumps([program]),
    }
    return cost_of_command(winter_sync("--log-level", "error", "sync"), settings)


def held_in(root: Path) -> list[Held]:
    """Return all files of a mirror."""
    everything = Scope(programs=())
    with closing(Catalog(root / ".winter-sync/catalog.sqlite3", utc_now, reading=True)) as catalog:
        nights = catalog.files.held_nights(everything)
        return [held for night in nights for held in catalog.files.held(everything, night)]


@contextmanager
def reading(root: Path, files: list[Held]) -> Iterator[None]:
    """Read the files of a mirror again and again, without any rest."""
    with HeaderProcess(root) as process:
        process.read(files[0])

        def read() -> None:
            while process.read_all(files):
                pass

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            process.stop()
            thread.join()


def compare(options: argparse.Namespace) -> None:
    """Measure downloads in turn alone and beside the reader, and print medians and ratios."""
    with tempfile.TemporaryDirectory(prefix="winter-sync-benchmark-") as name:
        place = Path(name)
        small = ("--scale", "0.05", "--products", str(options.products))
        with observatory(*small) as archive:
            mirror(archive, place / "first")
            files = held_in(place / "first")
            pairs = []
            for _ in range(options.runs):
                alone = once(archive, place / "run")
                with reading(place / "first", files):
                    beside = once(archive, place / "run")
                print(f"alone {alone}, beside {beside}", file=sys.stderr)
                pairs.append((alone, beside))
        show(len(files), pairs)
        show_files(place / "first", files)


def once(archive: Observatory, root: Path) -> Cost:
    """Mirror the products into an empty root, and delete it."""
    cost = mirror(archive, root)
    shutil.rmtree(root)
    return cost


def show(files: int, pairs: list[tuple[Cost, Cost]]) -> None:
    """Print how much longer downloads take while headers are read, and what the daemon loses."""
    print(f"{files} products, {len(pairs)} runs")
    for word in ("wall", "cpu"):
        alone, beside = ([getattr(pair[side], word) for pair in pairs] for side in (0, 1))
        ratios = [one / other for one, other in zip(beside, alone, strict=True)]
        print(
            f"{word:5} alone {statistics.median(alone):6.2f} s  while headers are read "
            f"{statistics.median(beside):6.2f} s  ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )
        print(f"      the daemon's downloads lose {(statistics.median(ratios) - 1) * SHARE:.2%}")


def show_files(root: Path, files: list[Held]) -> None:
    """Print the CPU that a file of each type costs, what the start costs, and the memory."""
    with HeaderProcess(root) as process:
        process.read(files[0])
        assert process.pid is not None
        print(f"start {cpu_of(process.pid):.2f} s of CPU")
        for image_type in TYPES:
            some = [held for held in files if held.product.image_type == image_type]
            if some:
                show_type(process, process.pid, image_type, some)
        print(f"peak {peak(process.pid) / 1e6:.0f} MB")


def show_type(process: HeaderProcess, pid: int, image_type: str, files: list[Held]) -> None:
    """Print the cost of the files of a type."""
    cpu, wall = cpu_of(pid), time.perf_counter()
    for held in files:
        process.read(held)
    cpu, wall = cpu_of(pid) - cpu, time.perf_counter() - wall
    print(
        f"{image_type:8} {len(files)} files: {cpu / len(files) * 1e3:.1f} ms of CPU a file, "
        f"{wall / len(files) * 1e3:.1f} ms of time"
    )


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=3000, help="of all types")
    parser.add_argument("--runs", type=int, default=5)
    compare(parser.parse_args())
