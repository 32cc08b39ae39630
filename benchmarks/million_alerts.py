"""Add alerts to the mirror that million.py makes: so many for each of its alert files.

Half of the sources of a field that was observed before are those seen there before, so that objects
have light curves. Rows are written straight into the tables that the catalog makes.

    python benchmarks/million.py DIRECTORY
    python benchmarks/million_alerts.py DIRECTORY [--alerts 3000000] [--seed 1]
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from contextlib import closing
from dataclasses import asdict
from math import cos, radians
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.alerts import Alerts
from winter_sync.core import CATALOG
from winter_sync.core.alerts import Alert
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.sphere import unit_vector

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = """
SELECT f.id, f.ra, f.dec, f.mjd, f.board, f.target, l.fid, l.program
FROM facts f JOIN products p ON p.id = f.product JOIN listings l ON l.product = p.id
WHERE p.image_type = 'avro' GROUP BY f.id ORDER BY f.mjd
"""
SEEN_AGAIN = 0.5
SPREAD = 0.2
"""Degrees around the position of the image."""
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'alerts'"

Source = tuple[str, float, float]
"""The name of an object, and where it is."""


def name_of(number: int, year: int) -> str:
    """Return the name of an object, as the pipeline makes names."""
    letters = ""
    for _ in range(5):
        number, letter = divmod(number, len(ALPHABET))
        letters = ALPHABET[letter] + letters
    return f"WNTR{year % 100}{letters}"


def sources(
    random: Random, file: tuple[Any, ...], known: list[Source], count: int, first: int
) -> list[Source]:
    """Return what an image shows: sources seen there before, and new ones."""
    _, ra, dec, mjd, *_ = file
    again = random.sample(known, min(len(known), int(count * SEEN_AGAIN)))
    year = 2024 + int((mjd - 60310.0) // 366)
    for number in range(count - len(again)):
        there = dec + random.uniform(-SPREAD, SPREAD)
        there = max(-90.0, min(90.0, there))
        across = SPREAD / max(cos(radians(there)), 1e-3)
        again.append(
            (name_of(first + number, year), (ra + random.uniform(-across, across)) % 360.0, there)
        )
    return again


def alerts(random: Random, files: list[tuple[Any, ...]], total: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of the alerts of all files, in the order of time."""
    fields: dict[tuple[Any, ...], list[Source]] = {}
    identifier = objects = 0
    for done, file in enumerate(files):
        facts, _, _, mjd, board, target, fid, program = file
        count = total * (done + 1) // len(files) - total * done // len(files)
        known = fields.setdefault((target, board), [])
        seen = sources(random, file, known, count, objects)
        objects += count
        known[:] = seen
        for number, (objectid, ra, dec) in enumerate(seen):
            identifier += 1
            alert = Alert(
                objectid=objectid,
                candid=identifier,
                jd=mjd + 2_400_000.5,
                ra=ra,
                dec=dec,
                fid=fid,
                magpsf=random.uniform(13.0, 19.0),
                sigmapsf=random.uniform(0.01, 0.2),
                diffmaglim=19.0,
                isdiffpos=random.random() < 0.8,  # noqa: PLR2004
                rb=random.random(),
                scorr=random.uniform(5.0, 90.0),
                fwhm=2.5,
                exptime=960.0,
                ndethist=1,
                boardid=board,
                fieldid=999_999_999,
                progname=program,
                deprecated=False,
            )
            yield {"id": identifier, "facts": facts, "number": number, **asdict(alert)}


def add(path: Path, total: int, seed: int) -> None:
    """Add alerts to a catalog that has none."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("foreign_keys=OFF", "synchronous=OFF", "cache_size=-200000"):
            db.execute(f"PRAGMA {pragma}")
        files = db.execute(FILES).fetchall()
        db.execute("BEGIN")
        indexes = db.execute(INDEXES).fetchall()
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        random = Random(seed)
        for row in alerts(random, files, total):
            db.execute(Alerts._INSERT, row)  # noqa: SLF001 - the catalog's own statement
            x, y, z = unit_vector((row["ra"], row["dec"]))
            db.execute(Alerts._INDEX, {"id": row["id"], "x": x, "y": y, "z": z})  # noqa: SLF001 - as above
        for _, sql in indexes:
            db.execute(sql)
        db.execute("COMMIT")


def main() -> None:
    """Add the alerts, and print how large the catalog became and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--alerts", type=int, default=3_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    path = options.directory / STATE_DIR / CATALOG
    began = time.perf_counter()
    add(path, options.alerts, options.seed)
    size = path.stat().st_size
    seconds = time.perf_counter() - began
    print(f"{options.alerts} alerts, {size / 1e9:.2f} GB in {seconds:.0f} s")


if __name__ == "__main__":
    main()
