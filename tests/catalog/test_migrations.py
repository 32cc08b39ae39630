"""A catalog of any edition is brought to the newest: whole or not at all, with all that it held.

Every edition is the result of the first migrations alone, so that a new migration is tested from
each edition before it without a change here; `test_editions` has catalogs that programs of the
time filled.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from catalog.test_connection import ENVIRONMENT, files_of
from support import editions

from winter_sync.catalog import migration_progress
from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.sqlite import Database
from winter_sync.core.errors import StorageError

if TYPE_CHECKING:
    from datetime import datetime

    from support.clock import Clock

NAMES = editions.names()


@pytest.mark.parametrize("number", range(1, len(NAMES)), ids=NAMES[:-1])
def test_each_edition_becomes_the_newest(path: Path, clock: Clock, number: int) -> None:
    """Its schema is that of a new catalog, its rows are all there, and SQLite finds no fault."""
    editions.make_edition(path, number)
    before = editions.content(path)
    assert all(before.values())
    assert len(before["products"]) == 3
    Catalog(path, clock).close()
    new = path.with_name("new.sqlite3")
    Catalog(new, clock).close()
    assert editions.schema(path) == editions.schema(new)
    assert editions.faults(path) == []
    after = editions.content(path)
    for table, rows in before.items():
        for row in rows:
            assert any(row.items() <= {**row, **found}.items() for found in after[table]), table
        assert len(after[table]) >= len(rows)
    opened = {name: value for name, value in files_of(path).items() if name == path.name}
    Catalog(path, clock).close()
    assert opened == {path.name: path.read_bytes()}


def test_a_migration_that_is_killed_leaves_the_old_edition_whole(tmp_path: Path) -> None:
    """Killed on the way, it has not happened at all; the next start does all of it."""
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "support.editions", str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert done.stdout == ""


def test_a_migration_sorts_in_files_beside_the_catalog(path: Path, clock: Clock) -> None:
    """So its memory does not grow with the catalog; no file is left."""
    editions.make_edition(path, NAMES.index("record_refetches"))
    with closing(sqlite3.connect(path)) as db:
        columns = [column[1] for column in db.execute("PRAGMA table_info(products)")]
        distinct = {"savepath": "savepath || n", "path": "path || n", "state": "'wanted'"}
        copied = ", ".join(distinct.get(name, name) for name in columns)
        db.execute(
            "WITH RECURSIVE numbers (n) AS"  # noqa: S608 - the table's own columns
            " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT 60000)"
            f" INSERT INTO products SELECT {copied}"
            " FROM (SELECT * FROM products LIMIT 1) CROSS JOIN numbers"
        )
        db.commit()
    seen: set[str] = set()
    migrated = threading.Event()

    def watch() -> None:
        while not migrated.wait(0.002):
            for descriptor in Path("/proc/self/fd").iterdir():
                with suppress(OSError):
                    seen.add(str(descriptor.readlink()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        Catalog(path, clock).close()
    finally:
        migrated.set()
        watching.join()
    assert any(file.startswith(f"{path.parent}/etilqs") for file in seen)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("number", [1, len(NAMES)])
def test_a_newer_catalog_of_any_edition_is_refused_unchanged(
    path: Path, clock: Clock, number: int
) -> None:
    """Also one that lacks some of our editions: a newer program may have dropped them."""
    editions.make_edition(path, number)
    with closing(Database(path)) as db:
        db.table("_sqlite_migrations").insert(
            {"migration_set": "winter-sync", "name": "fly_to_the_moon", "applied_at": "2030-01-01"}
        )
    before = files_of(path)
    with pytest.raises(StorageError, match="newer winter-sync"):
        Catalog(path, clock)
    assert files_of(path) == before
    with pytest.raises(StorageError, match="newer winter-sync"):
        Catalog(path, clock, reading=True)
    assert path.read_bytes() == before[path.name]


def test_a_long_migration_tells_how_far_it_is(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits reads every ten seconds that something happens, and that stopping is safe."""
    editions.make_edition(path, 1)
    monkeypatch.setattr(migration_progress, "_STEPS", 100)

    def ticking() -> datetime:
        clock.advance(seconds=3)
        return clock()

    Catalog(path, ticking).close()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) > 2
    steps = [int(text.partition("step ")[2].partition(" of ")[0]) for text in said]
    assert steps == sorted(steps)
    assert steps[-1] <= len(NAMES) - 1
    assert all(f"of {len(NAMES) - 1}, " in text for text in said)
    caplog.clear()
    Catalog(path, ticking).close()
    assert not caplog.records
