"""Measure an export of the whole catalog: time and memory, for each format.

    python benchmarks/million.py DIRECTORY
    python benchmarks/export.py DIRECTORY [--format csv]...

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

from winter_sync import Mirror
from winter_sync.science import TableFormat


def export(root: Path, form: TableFormat, output: Path) -> None:
    """Write everything that a mirror knows, and print how long that took."""
    began = time.perf_counter()
    with Mirror.open(root) as mirror:
        mirror.export(output, format=form)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{form:8} {seconds:6.0f} s {peak / 1e6:6.0f} MB {output.stat().st_size / 1e9:6.2f} GB")


def main() -> None:
    """Measure each format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--format", action="append", dest="formats", type=TableFormat)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    for form in options.formats or TableFormat:
        with tempfile.TemporaryDirectory(dir=options.directory.parent) as place:
            if options.alone:
                export(options.directory, form, Path(place) / f"export.{form}")
                continue
            again = [sys.executable, __file__, str(options.directory)]
            subprocess.run([*again, "--format", form, "--alone"], check=True)


if __name__ == "__main__":
    main()
