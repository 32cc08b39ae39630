"""Measure a mirror run beside `curl` and `unzip` on the same products: CPU, time, memory.

Both fetch the same products from one archive, in turn, several times. Ours also hashes every member
with SHA-256, judges its structure, makes it durable and records it; theirs does what the two
commands do. Whole processes are measured, start-up included.
"""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.archive import (
    KEY,
    PASSWORD,
    PROGRAM,
    USER,
    Archive,
    Products,
    exposures,
    fits_file,
    pack,
    serve,
)
from benchmarks.measuring import Cost, Goal, Measurement, Run, cost_of_command, ratios, winter_sync

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.archive_server import Content

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
CPU, WALL = Goal(0.60), Goal(0.44)


def measure(run: Run) -> Iterator[Measurement]:
    """Measure both on zips that are deflated, and on zips that are not."""
    for method in ("deflated", "stored"):
        contents = _contents(run, deflated=method == "deflated")
        listed = Products(run.choose(24, 2), contents, "exposure" if not run.quick else "stack")
        with serve(run, listed) as archive:
            yield from _compare(run, archive, listed, method)
        for content in contents:
            Path(content.path).unlink()


def _contents(run: Run, *, deflated: bool) -> Sequence[Content]:
    if run.quick:
        return [pack(run.directory / "small", fits_file(100_000), deflated=deflated)]
    run.log("making exposures")
    return exposures(run.directory, 4, deflated=deflated)


def _compare(run: Run, archive: Archive, listed: Products, method: str) -> Iterator[Measurement]:
    paths = [row["savepath"] for row in listed.rows()]
    pairs = []
    for _ in range(run.choose(4, 1)):
        server = archive.cpu
        pair = _pair(archive, run.directory / "run", listed.image_type, paths)
        pairs.append(pair)
        run.log(f"{method}: ours {pair[0]}, theirs {pair[1]}, server {archive.cpu - server:.2f} s")
    used = pairs[1:] or pairs
    theirs = statistics.median(other.cpu for _, other in used)
    told = f"theirs {theirs:.1f} s, server {archive.cpu / len(pairs):.1f} s for both"
    cpu = ratios([ours.cpu for ours, _ in used], [other.cpu for _, other in used])
    wall = ratios([ours.wall for ours, _ in used], [other.wall for _, other in used])
    yield Measurement(f"{method}: CPU, times theirs", cpu, goal=CPU, how=told)
    yield Measurement(f"{method}: time, times theirs", wall, goal=WALL)
    yield Measurement(f"{method}: peak memory", tuple(o.peak / 1e6 for o, _ in used), "MB")


def _pair(archive: Archive, place: Path, kind: str, paths: list[str]) -> tuple[Cost, Cost]:
    place.mkdir()
    environment = archive.settings(place / "ours", kind)
    ours = cost_of_command(winter_sync("--log-level", "error", "sync"), environment)
    theirs = _run_theirs(archive, place / "theirs", kind, paths)
    fetched = sum(path.stat().st_size for path in (place / "theirs/out").rglob("*.fits"))
    mirrored = sum(path.stat().st_size for path in (place / "ours/winter").rglob("*.fits"))
    assert fetched == mirrored > 0, "both must have fetched the same"
    shutil.rmtree(place)
    return ours, theirs


def _run_theirs(archive: Archive, root: Path, kind: str, paths: list[str]) -> Cost:
    """Fetch and unpack the products as a careful person would, in batches."""
    bodies = root / "bodies"
    bodies.mkdir(parents=True)
    (root / "out").mkdir()
    for number in range(0, len(paths), BATCH):
        body = [{"path": path} for path in paths[number : number + BATCH]]
        (bodies / f"{number:05}.json").write_text(json.dumps(body))
    query = f"program_name={PROGRAM}&program_api_key={KEY}&image_type={kind}"
    environment = {
        "URL": f"{archive.url}/images/download_list?instrument=winter&{query}",
        "USER_PASSWORD": f"{USER}:{PASSWORD}",
    }
    command = ["sh", "-c", CURL_AND_UNZIP, "sh", str(bodies), str(root / "out")]
    return cost_of_command(command, environment)
