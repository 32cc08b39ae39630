"""Measure a mirror run beside `curl` and `unzip` on the same products: CPU, time, memory.

Both fetch the same products from one simulated observatory, in turn, several times. Ours also
hashes every member with SHA-256, judges its structure, makes it durable and records it; theirs does
what the two commands do. Whole processes are measured, start-up included,
as the operating system accounts for them once they have ended.

    python benchmarks/against_curl.py [--products 140] [--runs 5] [--type exposure] [--zip deflated]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "2024A000"
BATCH = 8
CURL_AND_UNZIP = """
set -eu
for body in "$1"/*.json; do
    curl --silent --fail --user "$USER_PASSWORD" --request GET --data @"$body" \
        --header 'Content-Type: application/json' --output "$2/batch.zip" "$URL"
    unzip -q -o "$2/batch.zip" -d "$2"
    rm "$2/batch.zip"
done
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process and its children used: seconds, seconds, bytes."""

    cpu: float
    wall: float
    peak: int


@dataclass(frozen=True, slots=True)
class Observatory:
    """How to reach the simulated archive."""

    url: str
    user: str
    password: str
    key: str


@contextmanager
def observatory(*options: str) -> Iterator[Observatory]:
    """Run a simulated observatory of one night, with further options of `simulate`."""
    command = [
        *(sys.executable, "-m", "winter_sync", "simulate", "--port", "0"),
        *("--night", "20251023", *options),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            words = [process.stdout.readline().split() for _ in range(4)]
            keys = {line[1]: line[3] for line in words if line[0] == "program"}
            yield Observatory(words[0][-1], words[1][1], words[1][3], keys[PROGRAM])
        finally:
            process.terminate()


def savepaths(archive: Observatory, image_type: str) -> list[str]:
    """Return the products that both download."""
    with urllib.request.urlopen(f"{archive.url}/simulator/manifest") as answer:  # noqa: S310 - our own server
        entries: list[dict[str, Any]] = json.load(answer)["products"]
    return [
        entry["savepath"]
        for entry in entries
        if (entry["program"], entry["instrument"], entry["image_type"], entry["gone"])
        == (PROGRAM, "winter", image_type, False)
    ]


def measure(command: list[str], environment: dict[str, str]) -> Cost:
    """Run a command to its end and return what it and its children cost."""
    began = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed with status {status}")
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(cpu, time.perf_counter() - began, usage.ru_maxrss * 1024)


def run_ours(archive: Observatory, root: Path, image_type: str) -> Cost:
    """Mirror the products with `winter-sync sync`."""
    program = {"name": PROGRAM, "api_key": archive.key, "image_types": [image_type]}
    environment = {
        "WINTER_SYNC_API__BASE_URL": archive.url,
        "WINTER_SYNC_API__USER": archive.user,
        "WINTER_SYNC_API__PASSWORD": archive.password,
        "WINTER_SYNC_API__REQUEST_INTERVAL": "0s",
        "WINTER_SYNC_MIRROR__ROOT": str(root),
        "WINTER_SYNC_MIRROR__MIN_FREE": "0",
        "WINTER_SYNC_PROGRAMS": json.dumps([program]),
    }
    return measure(
        [sys.executable, "-m", "winter_sync", "--log-level", "error", "sync"], environment
    )


def run_theirs(archive: Observatory, root: Path, image_type: str, paths: list[str]) -> Cost:
    """Fetch and unpack the products as a careful person would, in batches."""
    bodies = root / "bodies"
    bodies.mkdir(parents=True)
    (root / "out").mkdir()
    for number in range(0, len(paths), BATCH):
        body = [{"path": path} for path in paths[number : number + BATCH]]
        (bodies / f"{number:05}.json").write_text(json.dumps(body))
    query = f"program_name={PROGRAM}&program_api_key={archive.key}&image_type={image_type}"
    environment = {
        "URL": f"{archive.url}/images/download_list?instrument=winter&{query}",
        "USER_PASSWORD": f"{archive.user}:{archive.password}",
    }
    return measure(["sh", "-c", CURL_AND_UNZIP, "sh", str(bodies), str(root / "out")], environment)


def compare(options: argparse.Namespace) -> None:
    """Measure both in turn and print medians and ratios."""
    with tempfile.TemporaryDirectory(prefix="winter-sync-benchmark-") as name:
        place = Path(name)
        cache = options.cache or place / "cache"  # each product is packed once
        real = ("--scale", "1", "--products", str(options.products), "--zip", options.zip)
        with observatory(*real, "--cache", str(cache)) as archive:
            paths = savepaths(archive, options.type)
            pairs = [
                _pair(archive, place / "run", options.type, paths) for _ in range(options.runs + 1)
            ]
    show(len(paths), pairs[1:])


def _pair(archive: Observatory, place: Path, kind: str, paths: list[str]) -> tuple[Cost, Cost]:
    place.mkdir()
    ours = run_ours(archive, place / "ours", kind)
    theirs = run_theirs(archive, place / "theirs", kind, paths)
    fetched = sum(path.stat().st_size for path in (place / "theirs/out").rglob("*.fits"))
    mirrored = sum(path.stat().st_size for path in (place / "ours/winter").rglob("*.fits"))
    assert fetched == mirrored, "both must have fetched the same"
    print(f"{mirrored / 1e6:.0f} MB: ours {ours}, theirs {theirs}", file=sys.stderr)
    shutil.rmtree(place)
    return ours, theirs


def show(count: int, pairs: list[tuple[Cost, Cost]]) -> None:
    """Print the medians of both and of the ratios pair by pair."""
    print(f"{count} products, {len(pairs)} runs after one to warm up; medians")
    for word in ("cpu", "wall"):
        ours, theirs = ([getattr(pair[side], word) for pair in pairs] for side in (0, 1))
        ratios = [first / other for first, other in zip(ours, theirs, strict=True)]
        print(
            f"{word:5} ours {statistics.median(ours):6.2f} s  theirs "
            f"{statistics.median(theirs):6.2f} s  ratio {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f})"
        )
    print(f"peak  ours {statistics.median(ours.peak for ours, _ in pairs) / 1e6:.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=140, help="of all types, a night")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--type", default="exposure")
    parser.add_argument("--zip", default="deflated", choices=("deflated", "stored"))
    parser.add_argument("--cache", type=Path, help="keep the packed products here")
    compare(parser.parse_args())
