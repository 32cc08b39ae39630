"""Measure a whole `sync` of many small files: CPU of each, requests, bytes of the catalog.

The CPU is that of the whole process, its start included; the catalog is measured when it is closed.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.archive import Products, fits_file, pack, serve
from benchmarks.measuring import Goal, Measurement, Run, cost_of_command, winter_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 6000
CPU, REQUESTS, CATALOG = Goal(0.7), Goal(1), Goal(0.8)


def measure(run: Run) -> Iterator[Measurement]:
    """Mirror the files several times, each time into an empty root."""
    count, times = run.choose((10_000, 3), (100, 1))
    content = pack(run.directory / "small", fits_file(SIZE))
    cpu, requests, catalog, peaks = [], [], [], []
    with serve(run, Products(count, [content])) as archive:
        for _ in range(times):
            root, asked = run.directory / "mirror", _downloads(archive.requests())
            cost = cost_of_command(
                winter_sync("--log-level", "error", "sync"), archive.settings(root)
            )
            found = sum(1 for _ in (root / "winter").rglob("*.fits"))
            assert found == count, f"{found} of {count} were downloaded"
            cpu.append(cost.cpu / count * 1e3)
            requests.append((_downloads(archive.requests()) - asked) / count * 100)
            catalog.append((root / ".winter-sync/catalog.sqlite3").stat().st_size / count / 1e3)
            peaks.append(cost.peak / 1e6)
            run.log(f"{cost}, {requests[-1]:.2f} requests a hundred")
            shutil.rmtree(root)
        server = archive.cpu / times / count * 1e3
    how = f"{count:,} files; the server {server:.2f} ms"
    yield Measurement("CPU of a file", tuple(cpu), "ms", CPU, how)
    yield Measurement("requests for 100 files", tuple(requests), goal=REQUESTS)
    yield Measurement("catalog, for each product", tuple(catalog), "kB", CATALOG)
    yield Measurement("peak memory", tuple(peaks), "MB")


def _downloads(requests: list[dict[str, object]]) -> int:
    return sum(request["path"] == "/images/download_list" for request in requests)
