"""Measure the peak memory of a whole `sync`: by connections, by sizes of files, by listings.

Files are stored in their zips and lie in sparse files, so that the server has nothing to do. A
first raw image may have 0.27 GB at most; once the mirror has such, one of 2 GB is accepted.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.archive import Products, serve, zeros_file
from benchmarks.measuring import Goal, Measurement, Run, cost_of_command, winter_sync
from benchmarks.polling import poll_apart

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.archive_server import Content

GOAL = Goal(120)
CONNECTIONS = (1, 2, 4)
SIZES = ((1_000_000, 120), (50_000_000, 16), (2_000_000_000, 4))
"""Bytes of a file, and how many files."""
USUAL = 250_000_000
LISTINGS = (10, 1_000, 40_000, 1_000_000)
A_NIGHT = 4_000
_SYNC = winter_sync("--log-level", "error", "sync")


def measure(run: Run) -> Iterator[Measurement]:
    """Measure files of each size over each number of connections, then listings."""
    yield from _files(run)
    for rows in run.choose(LISTINGS, LISTINGS[:2]):
        yield from _listings(run, rows)


def _files(run: Run) -> Iterator[Measurement]:
    sizes = run.choose(SIZES, ((1_000_000, 8),))
    usual = zeros_file(run.directory / "usual", USUAL)
    peaks: dict[int, list[float]] = {}
    for size, count in sizes:
        content = zeros_file(run.directory / "zeros", size)
        for connections in run.choose(CONNECTIONS, (1, 4)):
            peak = _peak(run, [content] * count, connections, usual if size > USUAL else None)
            run.log(f"{count} of {size / 1e6:.0f} MB, {connections} connections: {peak:.0f} MB")
            peaks.setdefault(connections, []).append(peak)
    how = f"files of {', '.join(f'{size / 1e6:.0f}' for size, _ in sizes)} MB"
    for connections, found in peaks.items():
        name = f"downloads, {connections} connection{'s' if connections > 1 else ''}"
        yield Measurement(name, tuple(found), "MB", GOAL, how)


def _peak(run: Run, contents: list[Content], connections: int, first: Content | None) -> float:
    """Return the peak of a sync of these files, MB; a file of the usual size may come before."""
    root = run.directory / "mirror"
    if first is not None:
        with serve(run, Products(1, [first], "raw")) as archive:
            cost_of_command(_SYNC, archive.settings(root, "raw"))
        contents = [first, *contents]
    with serve(run, Products(len(contents), contents, "raw")) as archive:
        settings = archive.settings(root, "raw", api={"connections": connections})
        peak = cost_of_command(_SYNC, settings).peak / 1e6
    _require(root, len(contents))
    shutil.rmtree(root)
    return peak


def _require(root: Path, count: int) -> None:
    found = sum(1 for _ in (root / "winter").rglob("*.fits"))
    if found != count:
        raise RuntimeError(f"{found} of {count} files were downloaded")


def _listings(run: Run, rows: int) -> Iterator[Measurement]:
    """Measure polls of the whole span: all rows new, then all known."""
    nights = -(-rows // A_NIGHT)
    with serve(run, Products(rows, nights=nights)) as archive:
        settings = archive.settings(run.directory / "mirror")
        first, polls = poll_apart(settings, sweep=True)
        run.log(f"{rows} rows: {polls}")
        again, polls = poll_apart(settings, sweep=True)
        if polls[0]["rows"] < rows:
            raise RuntimeError(f"{polls[0]['rows']} of {rows} rows were listed")
    shutil.rmtree(run.directory / "mirror")
    how = f"{polls[0]['answers']} answers; all rows new, and all known"
    peaks = (first.peak / 1e6, again.peak / 1e6)
    yield Measurement(f"a listing of {rows:,} rows", peaks, "MB", GOAL, how)
