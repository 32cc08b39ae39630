"""Measure how long it takes to find the images that show a position, and the memory it takes.

Asks the mirror that `million.py` makes, with a warm catalog: positions anywhere, the poles and
right ascension 0, and the targets that were observed again and again. The files of the images that
answer are made first, empty: whether each is there is a part of the question. Each question is put
several times; its quickest answer counts, in CPU time too, which a busy machine changes less.

    python -m benchmarks.covers DIRECTORY [--positions 300] [--runs 5]
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import statistics
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from math import asin, degrees
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks import million
from benchmarks.measuring import Measurement, Run, cost_of_command, winter_sync
from winter_sync import Mirror
from winter_sync.catalog.catalog import Catalog
from winter_sync.core import CATALOG
from winter_sync.core.layout import STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from winter_sync.core import Position

SPECIAL = [(0.0, 90.0), (120.0, 89.97), (359.98, 10.0), (0.02, -5.0), (0.0, 0.0), (0.0, -90.0)]
SOME = 250
"""A position that more images show is crowded."""


def bring_up_to_date(path: Path) -> tuple[int, list[Position]]:
    """Bring the catalog to the present edition; return its footprints, and where targets are."""
    Catalog(path, lambda: datetime.now(UTC)).close()
    with closing(sqlite3.connect(path)) as db:
        (count,) = db.execute("SELECT count(*) FROM footprints").fetchone()
        targets = db.execute(
            "SELECT target_ra, target_dec FROM facts GROUP BY target HAVING count(*) > 500"
        ).fetchall()
    return count, targets


def anywhere(random: Random, count: int) -> list[Position]:
    """Return positions all over the sky that can be observed from Palomar."""
    return [(random.uniform(0, 360), degrees(asin(random.uniform(-0.5, 1)))) for _ in range(count)]


def measure(ask: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the shortest time of a question, and its shortest CPU time, milliseconds."""
    wall, cpu = [], []
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        ask()
        cpu.append(time.process_time() - used)
        wall.append(time.perf_counter() - began)
    return min(wall) * 1000, min(cpu) * 1000


def make_files(root: Path, mirror: Mirror, positions: Iterable[Position]) -> None:
    """Make the files of all images that show these positions."""
    for position in positions:
        for image in mirror.covers(position).lost:
            path = root / image.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def measure_row(run: Run) -> Iterator[Measurement]:
    """Measure positions anywhere, and those of targets that were observed often."""
    root = run.directory / "million"
    million.make(root, run.choose(1_000_000, 2000))
    _, targets = bring_up_to_date(root / STATE_DIR / CATALOG)
    with Mirror.open(root) as mirror:
        some = anywhere(Random(1), run.choose(200, 5))
        make_files(root, mirror, [*some, *targets])
        for name, positions in (("anywhere", some), ("a target observed often", targets)):
            if positions:
                images = [float(len(mirror.covers(at))) for at in positions]
                cpu = [measure(partial(mirror.covers, at), run.choose(3, 1))[1] for at in positions]
                how = f"median of {statistics.median(images):g} images, {max(images):g} at most"
                yield Measurement(f"{name}: CPU", tuple(cpu), "ms", how=how)


def report(name: str, mirror: Mirror, positions: Iterable[Position], runs: int) -> None:
    """Print how long the answers took, and how many images were in them."""
    figures = []
    for position in positions:
        found = len(mirror.covers(position))
        figures.append((found, *measure(partial(mirror.covers, position), runs)))
    if figures:
        images, wall, cpu = ([figure[at] for figure in figures] for at in range(3))
        typical, most = statistics.median(images), max(images)
        print(f"{name}: {len(figures)} positions, images: median {typical:g}, most {most}")
        print(f"    ms: {_spread(wall)}; ms of CPU: {_spread(cpu)}")


def _spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    high = ordered[int(0.95 * (len(ordered) - 1))]
    return f"median {statistics.median(ordered):.2f}, 95 % {high:.1f}, most {ordered[-1]:.1f}"


def measure_command(directory: Path, position: Position) -> None:
    """Print what the command takes, start-up included."""
    place = map(str, position)
    cost = cost_of_command(winter_sync("covers", *place, "--root", str(directory)))
    print(f"command: {cost.wall:.2f} s, {cost.cpu:.2f} s of CPU, peak {cost.peak / 1e6:.0f} MB")


def main() -> None:
    """Put the questions and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--positions", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    count, targets = bring_up_to_date(options.directory / STATE_DIR / CATALOG)
    print(f"{count} footprints, {len(targets)} targets that were observed often")
    with Mirror.open(options.directory) as mirror:
        random = Random(1)
        some = anywhere(random, options.positions)
        make_files(options.directory, mirror, [*some, *SPECIAL, *targets])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        crowded = [at for at in targets if len(mirror.covers(at)) > SOME]
        report("anywhere", mirror, some, options.runs)
        report("poles, right ascension 0", mirror, SPECIAL, options.runs)
        often = [at for at in targets if at not in crowded]
        report(f"targets, at most {SOME} images", mirror, often, options.runs)
        report(f"targets, more than {SOME}", mirror, crowded, options.runs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"peak memory {peak / 1e6:.0f} MB, {(peak - before) / 1e6:.0f} MB of it for the answers")
    measure_command(options.directory, often[0] if often else SPECIAL[0])


if __name__ == "__main__":
    main()
