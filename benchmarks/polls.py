"""Measure polls: of rows that are all known, beside JSON and a set; of new rows, beside SQLite.

Only the poll is measured, in a process that has started and polled before. Theirs takes the very
answer that ours got.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.archive import PROGRAM, Archive, Products, serve
from benchmarks.measuring import Goal, Measurement, Run, ratios
from benchmarks.polling import poll_apart
from winter_sync.catalog import Catalog
from winter_sync.core import CATALOG, STATE_DIR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KNOWN, LARGE, WRITTEN, FIRST = Goal(3), Goal(1.2), Goal(1.2), Goal(3)


def measure(run: Run) -> Iterator[Measurement]:
    """Poll known rows with a small catalog and with a large one."""
    rows, times = run.choose((10_000, 7), (50, 2))
    with serve(run, Products(rows)) as archive:
        answer = _answer(archive)
        few = _known(run, archive, run.directory / "few", times)
        theirs = [_set_difference(answer) for _ in few]
        cpu = ratios([poll["cpu"] for poll in few], theirs)
        mine, other = median(poll["cpu"] for poll in few), median(theirs)
        how = f"{rows:,} rows; {mine * 1e3:.0f} ms beside {other * 1e3:.0f} ms"
        yield Measurement("CPU, times `json.loads` and a set difference", cpu, "", KNOWN, how)
        products = run.choose(1_000_000, 2000)
        run.log(f"making a catalog of {products:,} products")
        _make(run.directory / "many", products)
        many = _known(run, archive, run.directory / "many", times)
    with serve(run, Products(10)) as archive:
        small = _known(run, archive, run.directory / "ten", times)
    written = ratios([p["written"] for p in few], [p["written"] for p in small])
    how = f"{median(p['written'] for p in few) / 1e3:.0f} kB"
    yield Measurement("bytes written, times a poll of 10 rows", written, "", WRITTEN, how)
    more = ratios([p["cpu"] for p in many], [p["cpu"] for p in few])
    told = f"CPU with {products:,} products in the catalog, times that of the small one"
    yield Measurement(told, more, "", LARGE)
    for name in ("few", "many", "ten"):
        shutil.rmtree(run.directory / name)


def measure_first(run: Run) -> Iterator[Measurement]:
    """Poll new rows into an empty catalog, beside the least that SQLite can do with them."""
    rows = run.choose(100_000, 200)
    costs, plain, same = [], [], []
    with serve(run, Products(rows, nights=-(-rows // 20_000))) as archive:
        listed: list[dict[str, Any]] = json.loads(_answer(archive))["body"]
        for _ in range(run.choose(3, 1)):
            root = run.directory / "mirror"
            cost, (poll,) = poll_apart(archive.settings(root), sweep=True)
            assert poll["new"] == rows, poll
            costs.append(poll["cpu"])
            plain.append(_insert(listed, run.directory / "plain.sqlite3"))
            same.append(_insert_again(root, run.directory / "again.sqlite3"))
            run.log(f"{poll}, {plain[-1]:.2f} s, {same[-1]:.2f} s, peak {cost.peak / 1e6:.0f} MB")
            shutil.rmtree(root)
    for name, theirs in (("the program's tables", same), ("one plain table", plain)):
        how = f"{rows:,} rows; {median(costs):.2f} s beside {median(theirs):.2f} s"
        what = f"CPU, times `executemany` into {name}"
        yield Measurement(what, ratios(costs, theirs), "", FIRST, how)


def _known(run: Run, archive: Archive, root: Path, times: int) -> list[dict[str, Any]]:
    """Poll until all is known, and then this many times."""
    _, polls = poll_apart(archive.settings(root), times + 2)
    run.log(f"{root.name}: {polls[0]} ... {polls[-1]}")
    assert all(not poll["new"] and poll["rows"] for poll in polls[2:]), polls
    return polls[2:]


def _answer(archive: Archive) -> bytes:
    """Return the answer that lists everything."""
    query = {"program_name": PROGRAM, "start_date": 20200101, "image_type": "stack"}
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{archive.url}/images/query?instrument=winter",
        json.dumps([query]).encode(),
        {"Content-Type": "application/json"},
        method="GET",
    )
    with urllib.request.urlopen(request) as answered:  # noqa: S310
        content: bytes = answered.read()
    return content


def _set_difference(answer: bytes) -> float:
    """Return the CPU of what a script would do that knows all these rows."""
    known = {row["savepath"] for row in json.loads(answer)["body"]}
    began = time.process_time()
    new = {row["savepath"] for row in json.loads(answer)["body"]} - known
    assert not new
    return time.process_time() - began


def _insert(rows: list[dict[str, Any]], path: Path) -> float:
    """Return the CPU of writing these rows to a table with a primary key, durably."""
    columns = list(rows[0])
    values = [tuple(row.values()) for row in rows]
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        key = "savepath TEXT PRIMARY KEY"
        named = (key if column == "savepath" else column for column in columns)
        database.execute(f"CREATE TABLE listing ({', '.join(named)})")
        began = time.process_time()
        with database:
            marks = ", ".join("?" * len(columns))
            database.executemany(f"INSERT INTO listing VALUES ({marks})", values)  # noqa: S608
        cpu = time.process_time() - began
    path.unlink()
    return cpu


def _insert_again(root: Path, path: Path) -> float:
    """Return the CPU of writing what a poll wrote once more, to the same tables and indexes."""
    with closing(Catalog(path, lambda: datetime.now(UTC))), closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("ATTACH ? AS made", [str(root / STATE_DIR / CATALOG)])
        inserts = [_insert_of(db, table) for table in ("directories", "products", "listings")]
        began = time.process_time()
        with db:
            for statement, found in inserts:
                db.executemany(statement, found)
        cpu = time.process_time() - began
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    return cpu


def _insert_of(db: sqlite3.Connection, table: str) -> tuple[str, list[tuple[Any, ...]]]:
    """Return the statement that enters the rows of a table as they were made, and these rows."""
    # What is generated is not among them.
    columns = [column for _, column, *_ in db.execute(f"PRAGMA main.table_info({table})")]
    named, marks = ", ".join(columns), ", ".join("?" * len(columns))
    found = db.execute(f"SELECT {named} FROM made.{table}").fetchall()  # noqa: S608
    return f"INSERT INTO main.{table} ({named}) VALUES ({marks})", found  # noqa: S608


def _make(root: Path, products: int) -> None:
    """Make a mirror that knows many products, all of nights long ago."""
    command = [sys.executable, "-m", "benchmarks.million", str(root), "--products", str(products)]
    subprocess.run(command, check=True, stdout=sys.stderr)
