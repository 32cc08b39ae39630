"""Measure `winter-sync verify` beside `sha256sum -c` of the same files: CPU, time, memory.

Makes a mirror of synthetic FITS files as a sync would have left it, catalog and all, without an
archive. Then both read the same files in turn, several times, from the page cache where they fit in
it. Ours also checks the structure of each file and records in the catalog that it was checked.
Whole processes are measured, start-up included, as the operating system accounts for them.

    python -m benchmarks.verify [--files 10000] [--size 1000000] [--runs 3] [--quick]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import tempfile
import uuid
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Cost, Measurement, Run, cost_of_command, ratios, winter_sync
from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import Poll
from winter_sync.core import CATALOG
from winter_sync.core.backoff import MISSING_PRODUCT
from winter_sync.core.downloads import Candidate, Evidence, Published
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.marks import Marks
from winter_sync.core.products import Night, Product, Row
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "2024A000"
FIRST = Night("20240201")
A_NIGHT = 250
BLOCK = 2880


def product(number: int) -> Product:
    """Make a product; no two have one name."""
    night = FIRST.plus(number // A_NIGHT)
    name = f"WINTERcamera_{night}-{number % 1_000_000:06}-000_mef_4_0_0_stack.fits"
    savepath = f"/data/loki/data/winter/{night}/final/{name}"
    return Product(Instrument.WINTER, savepath, ImageType.STACK, night)


def content(number: int, size: int) -> bytes:
    """Make a FITS file of about so many bytes, another for each number."""
    blocks = max(1, size // BLOCK - 1)
    cards = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    1",
        f"NAXIS1  = {blocks * BLOCK:20}",
        f"COMMENT   file {number}",
        "END",
    ]
    header = "".join(card.ljust(80) for card in cards).ljust(BLOCK).encode()
    return header + number.to_bytes(8, "big") * (blocks * BLOCK // 8)


def make(root: Path, files: int, size: int) -> int:
    """Make the mirror and a list for `sha256sum`; returns the bytes of all files."""
    tree = Tree(root)
    name = tree.prepare(uuid.uuid4().hex)
    total = 0
    with (
        closing(Catalog(root / STATE_DIR / CATALOG, lambda: datetime.now(UTC))) as catalog,
        (root.parent / "SHA256SUMS").open("w") as sums,
    ):
        catalog.take_mirror_name(name)
        for first in range(0, files, 1000):
            evidences = list(_files(root, range(first, min(first + 1000, files)), size))
            _record(catalog, evidences)
            total += sum(evidence.size for evidence in evidences)
            sums.writelines(f"{evidence.sha256}  {evidence.path}\n" for evidence in evidences)
    return total


def _files(root: Path, numbers: range, size: int) -> Iterator[Evidence]:
    for number in numbers:
        one = product(number)
        path = Path("winter", one.night.name, "final", one.filename)
        data = content(number, size)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
        yield Evidence(
            instrument=one.instrument,
            savepath=one.savepath,
            path=str(path),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            marks=Marks(),
            mtime_ns=(root / path).stat().st_mtime_ns,
        )


def _record(catalog: Catalog, evidences: list[Evidence]) -> None:
    """Let the catalog know of files as if they had been listed and downloaded."""
    subject = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK)
    products = [
        Product(
            evidence.instrument,
            evidence.savepath,
            ImageType.STACK,
            Night(evidence.path.split("/")[1]),
        )
        for evidence in evidences
    ]
    listed = [
        (Row(each, PROGRAM, nightdate="2024-02-01"), evidence.path)
        for each, evidence in zip(products, evidences, strict=True)
    ]
    query = Query(subject, date(2024, 1, 1))
    catalog.listings.record_poll(Poll(query, sweep=True, listed=len(listed)), listed=listed)
    catalog.outcomes.commit(
        [
            Published(Candidate(each, PROGRAM, evidence.path, 0, Marks(), evidence.size), evidence)
            for each, evidence in zip(products, evidences, strict=True)
        ],
        lambda attempts, _: MISSING_PRODUCT.delay(attempts),
    )


def settings_of(root: Path) -> dict[str, str]:
    """Return the environment in which winter-sync keeps this mirror."""
    return {
        "WINTER_SYNC_MIRROR__ROOT": str(root),
        "WINTER_SYNC_PROGRAMS": json.dumps([{"name": PROGRAM, "api_key": "none"}]),
    }


def pair(root: Path, *options: str) -> tuple[Cost, Cost]:
    """Let both read the files, one after the other."""
    ours = cost_of_command(winter_sync("verify", *options), settings_of(root))
    sums = root.parent / "SHA256SUMS"
    there = f"cd '{root}' && exec sha256sum --quiet -c '{sums}'"
    return ours, cost_of_command(["sh", "-c", there])


def measure(run: Run) -> Iterator[Measurement]:
    """Measure both on files of two sizes."""
    for files, size in run.choose(((2000, 1_000_000), (20_000, 6000)), ((20, 6000),)):
        root = run.directory / "winter"
        make(root, files, size)
        pairs = [pair(root) for _ in range(run.choose(3, 1))]
        cpu = ratios([ours.cpu for ours, _ in pairs], [other.cpu for _, other in pairs])
        how = f"theirs {statistics.median(other.cpu for _, other in pairs):.1f} s"
        name = f"{files:,} files of {size / 1e3:,.0f} kB"
        yield Measurement(f"{name}: CPU, times `sha256sum`", cpu, how=how)
        quick = tuple(pair(root, "--quick")[0].cpu for _ in pairs)
        yield Measurement(f"{name}: `--quick`, CPU", quick, "s")
        shutil.rmtree(root)


def main() -> None:
    """Make the files, measure both in turn, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=1_000_000, help="bytes of a file")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="ours only looks at the files")
    options = parser.parse_args()
    given = ["--quick"] if options.quick else []
    with tempfile.TemporaryDirectory(prefix="winter-sync-benchmark-") as name:
        root = Path(name, "winter")
        size = make(root, options.files, options.size)
        pairs = [pair(root, *given) for _ in range(options.runs)]
    print(f"{options.files} files, {size / 1e9:.2f} GB, {options.runs} runs; medians")
    for word in ("cpu", "wall"):
        left, right = ([getattr(pair[side], word) for pair in pairs] for side in (0, 1))
        compared = ratios(left, right)
        print(
            f"{word:5} ours {statistics.median(left):6.2f} s  sha256sum "
            f"{statistics.median(right):6.2f} s  ratio {statistics.median(compared):.2f} "
            f"({min(compared):.2f} to {max(compared):.2f})"
        )
    print(f"peak  ours {statistics.median(pair.peak for pair, _ in pairs) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
