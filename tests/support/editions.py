"""Catalogs of earlier editions: made by the first migrations alone, and filled as far as they go.

Run as a script, `editions.py DIRECTORY`, it kills the migration of the oldest catalog at one
statement after the other, and prints what was wrong with what was left: nothing, if all is well.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.tables import in_words

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.editions import migrations
from winter_sync.catalog.sqlite import Database
from winter_sync.core.clocks import utc_now

if TYPE_CHECKING:
    from collections.abc import Sequence

Rows = dict[str, list[dict[str, Any]]]

_SAVEPATH = "/data/loki/data/winter/20240130/final/WINTERcamera_20240131-00000{}-000_stack.fits"
_NOON = "2024-02-01T12:00:00.000+00:00"
_VALUES: dict[str, Any] = {
    "instrument": "winter",
    "savepath": _SAVEPATH.format(0),
    "path": f"winter/20240130/final/{_SAVEPATH.format(0).rpartition('/')[2]}",
    "image_type": "stack",
    "night": "20240130",
    "program": "2024A000",
    "region": "",
    "state": "published",
    "start": "2024-01-01",
    "details": "{}",
    "revision": 1,
}
"""What a row has in a column that must not be empty, where it is not a time, 1 or 0.5."""
_STRIDE = 9
"""Every so many statements of a migration are tried: there are hundreds."""
_STATES = ("published", "wanted", "missing")
_OURS = ("sqlite_", "_sqlite_", "footprint_index", "alert_index")


def names() -> list[str]:
    """Return the names of all migrations, in their order."""
    return list(migrations.names)


def make_edition(path: Path, number: int) -> None:
    """Make a catalog that the first migrations alone made, with at least a row in each table.

    What a table held when the next edition was made went through its migration.
    """
    every = names()
    with closing(Database(path, execute_plugins=False)) as db:
        db.enable_wal()
        for step in range(1, number + 1):
            if step < len(every):
                migrations.apply(db, stop_before=every[step])
            else:
                migrations.apply(db)
            _fill(db.conn)


def downgrade(path: Path, first_without: str) -> None:
    """Turn a catalog into one of the edition before a migration; what it has no place for goes."""
    old = path.with_name("old.sqlite3")
    with closing(Database(old, execute_plugins=False)) as db:
        migrations.apply(db, stop_before=first_without)
        for table in ("mirror", "products", "listings", "revisions", "polls"):
            columns = _columns(db.conn, table)
            names = ", ".join(f'"{name}"' for name in columns)
            marks = ", ".join("?" for _ in columns)
            for row in content(path)[table]:
                known = {"last_listed": row.get("first_listed"), **row}
                values = [known[name] for name in columns]
                db.conn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)  # noqa: S608
        db.conn.commit()
    for beside in ("", "-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    old.rename(path)


def content(path: Path) -> Rows:
    """Return all rows of all tables of a catalog, in full words."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        tables = _tables(db)
        query = in_words if "directories" in tables else "SELECT * FROM {}".format
        return {table: [dict(row) for row in db.execute(query(table))] for table in tables}


def schema(path: Path) -> dict[str, Any]:
    """Return what a catalog consists of: names of all kinds, and the columns of its tables."""
    with closing(sqlite3.connect(path)) as db:
        found = db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE '%autoindex%'")
        return {
            "names": sorted(found.fetchall()),
            "columns": {
                table: sorted(db.execute(f"PRAGMA table_info({table})").fetchall(), key=repr)
                for table in _tables(db)
            },
        }


def faults(path: Path) -> list[Any]:
    """Return what SQLite finds wrong with a catalog."""
    with closing(sqlite3.connect(path)) as db:
        found = [row for row in db.execute("PRAGMA integrity_check") if row != ("ok",)]
        return [*found, *db.execute("PRAGMA foreign_key_check")]


def _fill(db: sqlite3.Connection) -> None:
    """Put a row into each table that has none; a product of each state."""
    db.execute("PRAGMA foreign_keys=ON")
    for table in sorted(_tables(db), key=lambda name: (name != "products", name != "facts", name)):
        if db.execute(f"SELECT 1 FROM {table}").fetchone() is None:  # noqa: S608 - our own names
            for number in range(len(_STATES) if table == "products" else 1):
                _insert(db, table, number)
    db.commit()
    db.execute("PRAGMA foreign_keys=OFF")


def _insert(db: sqlite3.Connection, table: str, number: int) -> None:
    values = {}
    referenced = {row[3]: row[4] for row in db.execute(f"PRAGMA foreign_key_list({table})")}
    for _, name, kind, required, default, key in db.execute(f"PRAGMA table_info({table})"):
        if (required or key) and default is None:
            meant = referenced.get(name, name)
            values[name] = _VALUES.get(meant, {"TEXT": _NOON, "REAL": 0.5}.get(kind, 1))
    if table == "products":
        savepath = _SAVEPATH.format(number)
        values |= {"savepath": savepath, "filename": savepath.rpartition("/")[2]}
        values |= {"path": f"winter/20240130/final/{values['filename']}", "state": _STATES[number]}
    columns = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join("?" for _ in values)
    db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [*values.values()])  # noqa: S608


def _tables(db: sqlite3.Connection) -> list[str]:
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [name for (name,) in found if not name.startswith(_OURS)]


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [column[1] for column in db.execute(f"PRAGMA table_info({table})")]


def _applied(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [name for (name,) in db.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]


# --- killed on the way ---------------------------------------------------------------------------


def _arm(fatal: int) -> None:
    """Kill this process before a statement of SQLite, counted from now."""
    numbers, connect = count(), sqlite3.connect

    def armed(*arguments: Any, **options: Any) -> sqlite3.Connection:  # noqa: ANN401 - sqlite3's own
        connection: sqlite3.Connection = connect(*arguments, **options)
        connection.set_trace_callback(
            lambda _: os.kill(os.getpid(), signal.SIGKILL) if next(numbers) == fatal else None
        )
        return connection

    sqlite3.connect = armed  # type: ignore[assignment] # the same for its callers


def _die_everywhere(directory: Path) -> Sequence[str]:
    """Kill the migration later and later until it survives; return what was wrong."""
    made = directory / "made.sqlite3"
    make_edition(made, 1)
    before, old, new = content(made), _applied(made), names()
    wrong = []
    for fatal in count(step=_STRIDE):
        path = directory / f"{fatal}.sqlite3"
        shutil.copyfile(made, path)
        child = os.fork()
        if child == 0:
            _arm(fatal)
            Catalog(path, utc_now).close()
            os._exit(0)
        survived = os.waitpid(child, 0)[1] == 0
        applied = _applied(path)
        is_whole = applied == new or (applied == old and content(path) == before)
        if not is_whole or faults(path):
            wrong.append(f"killed at statement {fatal}: {applied}")
        Catalog(path, utc_now).close()
        if _applied(path) != new or faults(path):
            wrong.append(f"opened after a kill at statement {fatal}")
        if survived:
            return wrong if fatal > len(new) else [*wrong, f"it took only {fatal} statements"]
    raise AssertionError


if __name__ == "__main__":
    for line in _die_everywhere(Path(sys.argv[1])):
        print(line)  # noqa: T201 - its purpose
