"""Measure questions to the catalog of a mirror of a million products: time, CPU and memory.

    python benchmarks/million.py DIRECTORY
    python benchmarks/search.py DIRECTORY [--all]

Times are the best of three, in this process, with the catalog open; each product is read and
converted. `--all` reads the whole catalog as well.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winter_sync.catalog import Catalog, Search
from winter_sync.core import CATALOG, STATE_DIR, Cone, ImageType, Night, Rectangle, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUNS = 3


def searches(catalog: Catalog) -> Iterator[tuple[str, Search]]:
    """Yield what is measured, with a name."""
    ((night, _),) = catalog.connection.tuples(
        "SELECT night, count(*) FROM products GROUP BY night ORDER BY 2 DESC LIMIT 1"
    )
    often, ra, dec = next(
        catalog.connection.tuples(
            "SELECT target, ra, dec FROM listings GROUP BY target ORDER BY count(*) DESC"
            " LIMIT 1 OFFSET 9"
        )
    )
    nights = (Night(night),)
    stack = (ImageType.STACK,)
    yield "one night", Search(nights=nights)
    yield "stacks of one night", Search(nights=nights, image_types=stack)
    yield "cone of 1 degree", Search(cones=(Cone(200.0, 20.0, 1.0),))
    yield "cone at a pole", Search(cones=(Cone(0.0, 90.0, 0.01),), image_types=stack)
    yield "stacks in a cone over RA 0", Search(cones=(Cone(0.0, 10.0, 1.0),), image_types=stack)
    yield "cone of 10 degrees", Search(cones=(Cone(200.0, 20.0, 10.0),))
    yield "rectangle over RA 0", Search(rectangles=(Rectangle(350.0, 10.0, 30.0, 32.0),))
    yield "cone at a target often observed", Search(cones=(Cone(ra, dec, 0.1),))
    yield "a target often observed", Search(targets=(often,))
    yield "the newest 20 of a program", Search(programs=("2024A000",), newest_first=True, limit=20)
    yield "new since now", Search(downloaded_since=utc_now())


def measure(catalog: Catalog, name: str, search: Search, runs: int = _RUNS) -> None:
    """Print how long a question takes, and how much memory the process had so far."""
    best, cpu, count = float("inf"), float("inf"), 0
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        count = sum(1 for _ in catalog.searches.search(search))
        best = min(best, time.perf_counter() - began)
        cpu = min(cpu, time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:34}{count:9} products{best * 1000:10.1f} ms{cpu * 1000:10.1f} ms CPU{peak:6.0f} MB"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--all", action="store_true")
    asked: Any = parser.parse_args()
    path = asked.directory / STATE_DIR / CATALOG
    Catalog(path, utc_now).close()  # brings it up to date
    catalog = Catalog(path, utc_now, reading=True)
    for name, search in searches(catalog):
        measure(catalog, name, search)
    if asked.all:
        measure(catalog, "everything", Search(), runs=1)


if __name__ == "__main__":
    main()
