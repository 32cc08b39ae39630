"""Measure a mirror of the whole survey after ten years: 60 GB and 5,000 products a night.

A catalog of some nights is made as `benchmarks.million` makes it, and copied night after night into
a catalog of its own, in the program's tables as they are: times, names and numbers are moved, the
indexes are made at the end. No files are made: what is asked needs none. Each product that is here
has one revision; events, which are pruned, are not in it.

    python -m benchmarks.decade DIRECTORY [--products 20000000]   (only makes the mirror)
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks import million
from benchmarks.archive import LAST, Archive, Products, fits_file, pack, serve
from benchmarks.idle import Used
from benchmarks.measuring import Cost, Measurement, Run, cost_of_command, winter_sync
from benchmarks.polling import poll_apart
from winter_sync.catalog import Catalog
from winter_sync.core import CATALOG, STATE_DIR
from winter_sync.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PRODUCTS = 2_000_000
"""By default, so that the row ends in minutes: what grows with them grows in proportion. Ten years
are 20 million, an hour and 40 GB: `--products 20000000`."""
A_NIGHT = 5_000
NIGHTS_A_YEAR = 365
_SETS_A_NIGHT = 41
"""Of 122 products each: 5,000 products."""
_TEMPLATE = 1_000_000
_QUIET = 30
"""Nights between the last one made and those that are polled: nothing made is taken for missing."""
_ROOM = 2_000
"""Bytes of disk for each product while the catalog is made, sorting its indexes included."""
_SYNC = winter_sync("--log-level", "error", "sync")
_SHIFTED_TABLES = (
    *("directories", "products", "listings", "revisions", "facts", "footprints"),
    *("night_changes", "night_totals"),
)
_NUMBERS = {"product": "products", "facts": "products", "directory": "directories"}
"""Columns that hold the number of a row of another table; facts have that of their product."""
_DAY = {
    "nightdate_days": 1,
    "started_ms": 86_400_000,
    "utctime_us": 86_400_000_000,
    "lastmodified_us": 86_400_000_000,
}
"""What a day is in columns that hold times as numbers."""


# --- making it -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shift:
    """How rows of the template become those of a copy."""

    days: int
    offsets: Mapping[str, int]

    def expression(self, table: str, column: str, sample: object) -> str:
        """Return what a column of a copy is, in SQL, by its name and a value that it has."""
        if column == "id" or column in _NUMBERS:
            of = "products" if table == "facts" else table
            return f"{column} + {self.offsets[_NUMBERS.get(column, of)]}"
        if column in _DAY and isinstance(sample, int):
            return f"{column} + {self.days * _DAY[column]}"
        if column == "mjd":
            return f"mjd + {self.days}"
        if isinstance(sample, str):
            return self._text(column, sample)
        return f'"{column}"'

    def _text(self, column: str, sample: str) -> str:
        if re.match(r"\d{4}-\d\d-\d\d", sample):
            moved = f"date(substr({column}, 1, 10), '{self.days} days') || substr({column}, 11)"
            return f"CASE WHEN {column} = '' THEN '' ELSE {moved} END"
        if re.fullmatch(r"\d{8}", sample):
            return self._digits(column, 0)
        found = re.search(r"\d{8}", sample)
        if column in ("savepath", "path", "source", "place", "filename") and found:
            return f"moved({column})"
        return column

    def _digits(self, column: str, more: int) -> str:
        parts = ((1, 4), (5, 2), (7, 2))
        day = " || '-' || ".join(f"substr({column}, {at}, {size})" for at, size in parts)
        return f"strftime('%Y%m%d', {day}, '{self.days + more} days')"


def make(root: Path, products: int) -> None:
    """Make a mirror that knows this many products in a directory that holds none."""
    million.SETS_A_NIGHT = _SETS_A_NIGHT
    template = root.with_name(f"{root.name}-template")
    count = min(products, _TEMPLATE)
    million.make(template, count)
    path = root / STATE_DIR / CATALOG
    root.mkdir(parents=True)
    name = Tree(root).prepare(uuid.uuid4().hex)
    with closing(Catalog(path, lambda: datetime.now(UTC))) as catalog:
        catalog.take_mirror_name(name)
    os.chmod(path, 0o600)  # noqa: PTH101 - as the daemon makes it
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ATTACH ? AS template", [str(template / STATE_DIR / CATALOG)])
        _add_revisions(db)
        _copy_all(db, -(-products // count))
    shutil.rmtree(template)


def _copy_all(db: sqlite3.Connection, copies: int) -> None:
    for pragma in ("foreign_keys=OFF", "synchronous=OFF", "journal_mode=OFF", "cache_size=-600000"):
        db.execute(f"PRAGMA {pragma}")
    made = db.execute(
        "SELECT type, name, sql FROM main.sqlite_master WHERE sql IS NOT NULL"
        " AND type IN ('index', 'trigger')"
    ).fetchall()
    for kind, name, _ in made:
        db.execute(f"DROP {kind} main.{name}")
    first, last = db.execute("SELECT min(night), max(night) FROM template.products").fetchone()
    span = (_day(last) - _day(first)).days + 1
    end = (LAST - _day(last)).days - _QUIET
    for number in range(copies):
        _copy(db, number, end - number * span)
    for _, _, sql in sorted(made, key=lambda each: each[0] == "trigger"):
        db.execute(sql)
    db.execute("PRAGMA main.journal_mode=WAL")


def _add_revisions(db: sqlite3.Connection) -> None:
    """Give each product of the template that is here the revision that downloading it made."""
    db.execute("UPDATE template.products SET revision = 1 WHERE state = 'published'")


def _day(night: str) -> date:
    return date(int(night[:4]), int(night[4:6]), int(night[6:]))


def _copy(db: sqlite3.Connection, number: int, days: int) -> None:
    """Copy the template, so many days later, with numbers of its own."""
    tables = [name for name in _SHIFTED_TABLES if _columns(db, name)]
    offsets = {name: number * _greatest(db, name) for name in tables}
    shift = Shift(days, offsets)
    db.create_function("moved", 1, _mover(days), deterministic=True)
    db.execute("BEGIN")
    for table in tables:
        columns = _columns(db, table)
        values = ", ".join(
            shift.expression(table, column, _sample(db, table, column)) for column in columns
        )
        named = ", ".join(f'"{column}"' for column in columns)
        db.execute(
            f"INSERT INTO main.{table} ({named}) SELECT {values} FROM template.{table}"  # noqa: S608
        )
    boxes = "x1, x2, y1, y2, z1, z2"
    db.execute(
        f"INSERT INTO main.footprint_index (id, {boxes}) SELECT id + {offsets['footprints']}, "  # noqa: S608
        f"{boxes} FROM template.footprint_index"
    )
    db.execute("COMMIT")
    print(f"copy {number + 1}", file=sys.stderr, flush=True)


def _mover(days: int) -> Callable[[str | None], str | None]:
    """Return a function that moves all days in a name that are written with eight digits."""
    known: dict[str, str] = {}

    def move(found: re.Match[str]) -> str:
        digits = found[0]
        if digits not in known:
            known[digits] = f"{_day(digits) + timedelta(days=days):%Y%m%d}"
        return known[digits]

    day = re.compile(r"(?<!\d)\d{8}(?!\d)")
    return lambda text: None if text is None else day.sub(move, text)


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    found = db.execute(f"PRAGMA main.table_info({table})").fetchall()
    return [column for _, column, *_ in found]


def _greatest(db: sqlite3.Connection, table: str) -> int:
    if "id" not in _columns(db, table):
        return 0
    greatest: int = db.execute(f"SELECT max(id) FROM template.{table}").fetchone()[0]  # noqa: S608
    return greatest


def _sample(db: sqlite3.Connection, table: str, column: str) -> object:
    """Return a value that a column of the template has."""
    query = f'SELECT "{column}" FROM template.{table} WHERE "{column}" > \'\' LIMIT 1'  # noqa: S608
    found = db.execute(query).fetchone()
    return found[0] if found else None


# --- measuring it ----------------------------------------------------------------------------


def measure(run: Run) -> Iterator[Measurement]:
    """Make the mirror, as large as the disk has room for, and ask of it what people ask."""
    products = run.products or run.choose(PRODUCTS, 3000)
    room = shutil.disk_usage(run.directory).free // _ROOM
    if room < products:
        raise RuntimeError(f"the disk has room for {room:,} products")
    root, began = run.directory / "mirror", time.process_time()
    run.log(f"making {products:,} products")
    make(root, products)
    path = root / STATE_DIR / CATALOG
    size = path.stat().st_size
    run.log(f"{size / 1e9:.1f} GB, made with {time.process_time() - began:.0f} s of CPU")
    nights = products / A_NIGHT
    yield Measurement("catalog", (size / 1e9,), "GB", how=f"{products:,} products")
    yield Measurement("catalog, for each product", (size / products / 1e3,), "kB")
    a_year = size / nights * NIGHTS_A_YEAR / 1e9
    yield Measurement("catalog, for each year", (a_year,), "GB")
    yield from _questions(run, root)
    yield from _work(run, root)


def _questions(run: Run, root: Path) -> Iterator[Measurement]:
    night = f"{LAST - timedelta(days=_QUIET + 20):%Y%m%d}"
    with closing(sqlite3.connect(root / STATE_DIR / CATALOG)) as db:
        query = "SELECT target FROM listings GROUP BY 1 ORDER BY count(*) DESC LIMIT 1 OFFSET 4"
        (target,) = db.execute(query).fetchone()
    questions: Sequence[tuple[str, tuple[str, ...]]] = (
        ("`status`", ("status",)),
        ("`list --night`", ("list", "--night", night, "--format", "csv")),
        ("`list --target`", ("list", "--target", target, "--format", "csv")),
        ("`covers` of a place", ("covers", "150.1", "20.3")),
    )
    with serve(run, Products(1)) as archive:
        settings = archive.settings(root)
        for name, command in questions:
            costs = [_cost(command, settings) for _ in range(run.choose(5, 1))]
            yield Measurement(
                f"{name}, CPU", tuple(cost.cpu for cost in costs), "s", how=_peak(costs)
            )


def _cost(command: tuple[str, ...], settings: Mapping[str, str]) -> Cost:
    return cost_of_command(winter_sync(*command), settings)


def _peak(costs: Sequence[Cost]) -> str:
    return f"peak {max(cost.peak for cost in costs) / 1e6:.0f} MB"


def _work(run: Run, root: Path) -> Iterator[Measurement]:
    """Measure a poll, commits and the start of the daemon, beside those of an empty mirror."""
    count, rows = run.choose((500, A_NIGHT), (5, 20))
    empty = run.directory / "empty"
    content = pack(run.directory / "small", fits_file(6000))
    since = f"{LAST - timedelta(days=10):%Y%m%d}"
    polls, commits = {}, {}
    for name, place in (("large", root), ("empty", empty)):
        with serve(run, Products(rows, image_type="diff")) as archive:
            settings = archive.settings(place, "diff", since=since)
            _, costs = poll_apart(settings, run.choose(7, 3))
            polls[name] = [cost["cpu"] * 1e3 for cost in costs[2:]]
        with serve(run, Products(1, [content])) as archive:
            # What only the first run has to do is done before.
            _cost(tuple(_SYNC[3:]), archive.settings(place, since=since))
        with serve(run, Products(count, [content])) as archive:
            settings = archive.settings(place, since=since)
            filled, nothing = (_cost(tuple(_SYNC[3:]), settings).cpu for _ in range(2))
            commits[name] = (filled - nothing) / count * 1e3
    yield Measurement(
        f"a poll of {rows:,} known rows, CPU",
        tuple(polls["large"]),
        "ms",
        how=f"{median(polls['empty']):.0f} ms with an empty catalog",
    )
    yield Measurement(
        "a file of 6 kB downloaded, CPU",
        (commits["large"],),
        "ms",
        how=f"{commits['empty']:.2f} ms with an empty catalog",
    )
    with serve(run, Products(1)) as archive:
        yield from _start(archive, root, since)


def _start(archive: Archive, root: Path, since: str) -> Iterator[Measurement]:
    """Measure a daemon until it says that it is well."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = archive.settings(root, since=since, http={"listen": f"127.0.0.1:{port}"})
    command, began = winter_sync("--log-level", "error", "run"), time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    try:
        while True:
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").close()
                break
            if process.poll() is not None:
                raise RuntimeError(f"the daemon ended with status {process.returncode}")
            time.sleep(0.02)
        passed, used = time.monotonic() - began, Used.by(process.pid)
    finally:
        process.terminate()
        process.wait()
    yield Measurement("start of the daemon, until it is well: CPU", (used.cpu,), "s")
    yield Measurement("start of the daemon, until it is well: time", (passed,), "s")


def main() -> None:
    """Make the mirror, and print how large it became."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--products", type=int, default=PRODUCTS)
    options = parser.parse_args()
    make(options.directory, options.products)
    size = (options.directory / STATE_DIR / CATALOG).stat().st_size
    print(f"{options.products} products, {size / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
