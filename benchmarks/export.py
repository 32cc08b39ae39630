"""Measure exports of a large catalog: time and memory, for each format.

    python -m benchmarks.million DIRECTORY
    python -m benchmarks.export DIRECTORY [--format csv]... [--products 100000]

Each format is written by a process of its own, whose greatest memory is measured.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import million
from benchmarks.measuring import Measurement, Run, cost_of_command
from winter_sync import Mirror
from winter_sync.science import TableFormat

if TYPE_CHECKING:
    from collections.abc import Iterator


def export(root: Path, form: TableFormat, output: Path, products: int | None) -> None:
    """Write everything that a mirror knows, or some of it, and print how long that took."""
    began = time.perf_counter()
    with Mirror.open(root) as mirror:
        count = mirror.export(output, format=form, limit=products)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"{form:8} {count} rows: {seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU; "
        f"peak {used.ru_maxrss * 1024 / 1e6:.0f} MB; file {output.stat().st_size / 1e9:.2f} GB",
        flush=True,
    )


def measure(run: Run) -> Iterator[Measurement]:
    """Measure each format on a part of a large catalog."""
    root, products = run.directory / "million", run.choose(100_000, 200)
    million.make(root, run.choose(1_000_000, 2000))
    for form in TableFormat:
        command = [
            sys.executable,
            "-m",
            "benchmarks.export",
            str(root),
            "--products",
            str(products),
        ]
        cost = cost_of_command([*command, "--format", form, "--alone"])
        how = f"{products:,} rows; peak {cost.peak / 1e6:.0f} MB"
        yield Measurement(f"{form}: CPU", (cost.cpu,), "s", how=how)


def main() -> None:
    """Measure each format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--format", action="append", dest="formats", type=TableFormat)
    parser.add_argument("--products", type=int)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    for form in options.formats or TableFormat:
        with tempfile.TemporaryDirectory(dir=options.directory.parent) as place:
            if options.alone:
                output = Path(place) / f"export.{form}"
                export(options.directory, form, output, options.products)
                continue
            again = [sys.executable, "-m", "benchmarks.export", str(options.directory)]
            if options.products is not None:
                again += ["--products", str(options.products)]
            subprocess.run([*again, "--format", form, "--alone"], check=True)


if __name__ == "__main__":
    main()
