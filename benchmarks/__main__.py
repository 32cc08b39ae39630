"""Measure the rows of the table in docs/performance.md, each beside its peer, and print it.

Server and client run on different cores; on a machine with one core they share it, and it is said.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.report import (
    PAGE,
    RESULTS,
    merge,
    read_results,
    table,
    write_page,
    write_results,
)
from benchmarks.rows import ROWS, named
from benchmarks.runner import cores, measure_apart, measure_here


def main() -> int:
    """Measure; return 1 if a row failed."""
    options = _options()
    if options.alone is not None:
        measure_here(options.rows[0], options.alone, quick=options.quick, products=options.products)
        return 0
    if options.list:
        for row in ROWS:
            print(f"{row.name:14} {row.title}{'' if row.in_table else ' (only when named)'}")
        return 0
    return _measure(options)


def _measure(options: argparse.Namespace) -> int:
    server, client = cores()
    if server == client:
        print("One core: server and client share it.", file=sys.stderr)
    results = []
    for row in named(options.rows):
        print(f"{row.name}: {row.title}", file=sys.stderr, flush=True)
        results.append(
            measure_apart(row, options.directory, quick=options.quick, products=options.products)
        )
    found = {
        "machine": {**describe_machine(options.directory), "shared_core": server == client},
        "quick": options.quick,
        "rows": [result.as_json() for result in results],
    }
    print(table(found))
    if options.json:
        write_results(options.json, found)
    if options.write_docs:
        order = [row.name for row in ROWS]
        merged = merge(read_results(RESULTS), found, order)
        write_results(RESULTS, merged)
        write_page(PAGE, merged)
    return int(any(result.error for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="all of the table if none")
    parser.add_argument("--quick", action="store_true", help="small cases: does it work?")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="put the results into docs/performance.md and benchmarks/results",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where files are made, on the disk to measure; needs 10 GB",
    )
    parser.add_argument(
        "--products",
        type=int,
        help="of the largest catalog (2 million; 20 million need 40 GB and an hour)",
    )
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set() if options.alone else set(options.rows) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}; --list names them")
    if options.quick and options.write_docs:
        parser.error("figures of --quick are not for the page")
    return options


if __name__ == "__main__":
    sys.exit(main())
