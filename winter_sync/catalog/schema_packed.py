"""The catalog made smaller still: what listings and headers say of time as numbers, digests once.

`winter_sync.catalog.packing` has what the numbers mean. Beside each is a generated column with the
words: `utctime` beside `utctime_us`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations
from winter_sync.catalog.packing import (
    day_sql,
    microseconds_sql,
    milliseconds_sql,
    pack_day,
    pack_microseconds,
    pack_milliseconds,
    pack_seconds,
    seconds_sql,
)
from winter_sync.catalog.schema_numbers import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.catalog.sqlite import Database

_HEXADECIMAL = "CASE typeof(digest) WHEN 'blob' THEN lower(hex(digest)) ELSE digest END"
_TABLES = {
    "products": f"""
        id INTEGER PRIMARY KEY,
        instrument TEXT NOT NULL,
        directory INTEGER NOT NULL REFERENCES directories (id),
        filename TEXT NOT NULL,
        image_type TEXT NOT NULL,
        night TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('wanted', 'published', 'missing')),
        listed_ms INTEGER NOT NULL,
        withdrawn_at TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before TEXT NOT NULL DEFAULT '',
        last_error TEXT,
        claimed_by TEXT,
        revision INTEGER NOT NULL DEFAULT 0,
        size INTEGER,
        digest BLOB,
        published_ms INTEGER,
        confirmed_ms INTEGER,
        settled_lastmodified_s,
        settled_pipeversion TEXT,
        refused_sha256 TEXT,
        refused_at TEXT,
        recheck TEXT,
        refetch TEXT NOT NULL DEFAULT '',
        mtime_ns INTEGER,
        checked_ms INTEGER NOT NULL DEFAULT 0,
        damage TEXT CHECK (damage IN ('missing', 'changed')),
        damage_reason TEXT,
        facts_due INTEGER NOT NULL DEFAULT 1,
        first_listed TEXT AS ({text_of("listed_ms")}) VIRTUAL,
        published_at TEXT AS ({text_of("published_ms")}) VIRTUAL,
        confirmed_at TEXT AS ({text_of("confirmed_ms")}) VIRTUAL,
        checked_at TEXT AS ({text_of("checked_ms")}) VIRTUAL,
        settled_lastmodified TEXT AS ({seconds_sql("settled_lastmodified_s")}) VIRTUAL,
        sha256 TEXT AS ({_HEXADECIMAL}) VIRTUAL
    )
    """,
    "listings": f"""
        product INTEGER NOT NULL REFERENCES products (id),
        program TEXT NOT NULL,
        region TEXT NOT NULL,
        target TEXT,
        nightdate_days,
        ra REAL,
        dec REAL,
        fid INTEGER,
        utctime_us,
        fieldid INTEGER,
        lastmodified_us,
        pipeversion TEXT,
        extra TEXT,
        progname TEXT,
        listed_ms INTEGER NOT NULL,
        withdrawn_at TEXT,
        target_was TEXT,
        progname_was TEXT,
        corrected_in INTEGER,
        fingerprint INTEGER,
        missed_in INTEGER,
        listed_at TEXT,
        nightdate TEXT AS ({day_sql("nightdate_days")}) VIRTUAL,
        utctime TEXT AS ({microseconds_sql("utctime_us")}) VIRTUAL,
        lastmodified TEXT AS ({microseconds_sql("lastmodified_us")}) VIRTUAL,
        first_listed TEXT AS ({text_of("listed_ms")}) VIRTUAL,
        PRIMARY KEY (product, program)
    ) WITHOUT ROWID
    """,
    "facts": f"""
        id INTEGER PRIMARY KEY REFERENCES products (id),
        digest BLOB,
        started_ms,
        mjd REAL,
        filter TEXT,
        exposure_time REAL,
        coadds INTEGER,
        dither INTEGER,
        dithers INTEGER,
        board INTEGER,
        target TEXT,
        target_ra REAL,
        target_dec REAL,
        ra REAL,
        dec REAL,
        airmass REAL,
        zero_point REAL,
        zero_point_error REAL,
        limiting_magnitude REAL,
        seeing REAL,
        astrometric_error REAL,
        pixel_scale REAL,
        width INTEGER,
        height INTEGER,
        background REAL,
        note TEXT,
        product INTEGER AS (id) VIRTUAL,
        started_at TEXT AS ({milliseconds_sql("started_ms")}) VIRTUAL,
        sha256 TEXT AS ({_HEXADECIMAL}) VIRTUAL
    )
    """,
}
_BECOMES = {
    "products": {"settled_lastmodified": ("settled_lastmodified_s", "packed_seconds({0})")},
    "listings": {
        "nightdate": ("nightdate_days", "packed_day({0})"),
        "utctime": ("utctime_us", "packed_microseconds({0})"),
        "lastmodified": ("lastmodified_us", "packed_microseconds({0})"),
    },
    "facts": {
        "product": ("id", "{0}"),
        "started_at": ("started_ms", "packed_milliseconds({0})"),
        "digest": (
            "digest",
            "nullif({0}, (SELECT p.digest FROM products p WHERE p.id = facts.product))",
        ),
    },
}
"""What columns become: their new name, and the value as SQL."""
_GOES = {"facts": {"id"}}
_ORDER = {"products": "id", "listings": "product, program", "facts": "product"}
_FUNCTIONS: dict[str, Callable[[str | None], int | str | None]] = {
    "packed_day": pack_day,
    "packed_seconds": pack_seconds,
    "packed_milliseconds": pack_milliseconds,
    "packed_microseconds": pack_microseconds,
}
_REFERRING = {"footprints": "footprints_of_facts", "alerts": "alerts_of_facts"}
"""Tables that refer to facts, and their indexes of these."""


def _differs(*columns: str) -> str:
    return " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)


_REVISION = ("revision", "size", "digest", "published_ms")
_MARKED = ("settled_lastmodified_s", "settled_pipeversion")
_OTHERWISE = {
    "revisions_apart": f"""
    CREATE TRIGGER revisions_apart BEFORE UPDATE OF {", ".join(_REVISION + _MARKED)} ON products
    WHEN OLD.digest IS NOT NULL AND ({_differs(*_REVISION, *_MARKED)})
    BEGIN
      INSERT INTO revisions (product, revision, size, sha256, published_at, lastmodified,
        pipeversion, confirmed_at)
      SELECT OLD.id, OLD.revision, OLD.size, OLD.sha256, OLD.published_at,
        OLD.settled_lastmodified, OLD.settled_pipeversion,
        nullif(coalesce(OLD.confirmed_at, OLD.published_at), '')
      WHERE OLD.revision > 0
      ON CONFLICT (product, revision) DO UPDATE SET confirmed_at = excluded.confirmed_at;
      UPDATE facts SET digest = OLD.digest
      WHERE id = OLD.id AND digest IS NULL AND OLD.digest IS NOT NEW.digest;
    END
    """,  # noqa: S608 - our own texts
    "listings_of_window": """
    CREATE INDEX listings_of_window ON listings (program, region, nightdate_days, withdrawn_at)
        WHERE withdrawn_at IS NULL
    """,
    "events_of_product": """
    CREATE INDEX events_of_product ON events (product)
        WHERE product IS NOT NULL AND kind NOT IN ('downloaded', 'replaced')
    """,
}
"""Triggers and indexes that are made otherwise than before."""


@migrations()
def pack_times_of_listings(db: Database) -> None:
    """Pack what listings and headers say of time, and know facts by the number of their product.

    `facts.digest` is NULL while the facts are of the content that `products` has: a trigger writes
    it there as soon as that changes. `events_of_product` has what is asked for by product alone:
    all but downloads, of which `revisions` tells.

    Needs foreign keys to be off, as any migration that makes tables anew.
    """
    for name, function in _FUNCTIONS.items():
        db.conn.create_function(name, 1, function, deterministic=True)
    made = _made(db)
    for kind, name, _ in made:
        if kind == "trigger":
            db.execute(f"DROP TRIGGER {name}")
    _refer_to_products(db)
    for table in _TABLES:
        _make_anew(db, table)
    db.execute("DROP INDEX events_of_product")
    for statement in ({name: sql for _, name, sql in made} | _OTHERWISE).values():
        db.execute(statement)


def _made(db: Database) -> list[tuple[str, str, str]]:
    """Return kind, name and text of what is made for the tables, indexes before triggers."""
    marks = ", ".join("?" * len(_TABLES))
    found = db.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger')"  # noqa: S608 - marks
        f" AND tbl_name IN ({marks}) AND sql IS NOT NULL ORDER BY type",
        tuple(_TABLES),
    )
    return list(found.fetchall())


def _refer_to_products(db: Database) -> None:
    """Have what refers to facts do so by the number of the product."""
    for table, index in _REFERRING.items():
        db.execute(f"DROP INDEX {index}")
        number = f"(SELECT f.product FROM facts f WHERE f.id = {table}.facts)"  # noqa: S608 - our own names
        db.execute(f"UPDATE {table} SET facts = {number}")  # noqa: S608 - as above
        db.execute(f"CREATE INDEX {index} ON {table} (facts)")


def _make_anew(db: Database, table: str) -> None:
    """Make a table as it is to be, with all rows of the one that it takes the place of."""
    columns = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})").fetchall()]
    kept = [column for column in columns if column not in _GOES.get(table, ())]
    become = [_BECOMES[table].get(column, (column, "{0}")) for column in kept]
    values = [
        sql.format(f"{table}.{column}") for column, (_, sql) in zip(kept, become, strict=True)
    ]
    db.execute(f"CREATE TABLE new_{table} ({_TABLES[table]}")
    db.execute(
        f"INSERT INTO new_{table} ({', '.join(name for name, _ in become)})"  # noqa: S608 - our own names
        f" SELECT {', '.join(values)} FROM {table} ORDER BY {_ORDER[table]}"
    )
    db.execute(f"DROP TABLE {table}")
    db.execute(f"ALTER TABLE new_{table} RENAME TO {table}")
