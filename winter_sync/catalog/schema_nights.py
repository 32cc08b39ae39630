"""The tables of nights: when something of each last changed, and which are settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_TABLES = (
    """
    CREATE TABLE night_changes (
        program TEXT NOT NULL,
        night TEXT NOT NULL,
        instrument TEXT NOT NULL,
        image_type TEXT NOT NULL,
        changes INTEGER NOT NULL,
        noticed INTEGER NOT NULL DEFAULT 0,
        changed_at TEXT,
        PRIMARY KEY (program, night, instrument, image_type)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX night_changes_new ON night_changes (program, night) WHERE noticed < changes",
    """
    CREATE TABLE settled_nights (
        program TEXT NOT NULL,
        night TEXT NOT NULL,
        settled_at TEXT,
        first_settled_at TEXT,
        changes INTEGER,
        content TEXT,
        recorded_as_settled INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (program, night)
    ) WITHOUT ROWID
    """,
    """
    CREATE INDEX settled_nights_changed ON settled_nights (program, night)
        WHERE settled_at IS NULL
    """,
    "CREATE TABLE settling (id INTEGER PRIMARY KEY CHECK (id = 1), polls_seen INTEGER NOT NULL)",
    "INSERT INTO settling (id, polls_seen) VALUES (1, 0)",
    """
    INSERT INTO night_changes (program, night, instrument, image_type, changes)
    SELECT l.program, p.night, p.instrument, p.image_type, 1
    FROM listings l JOIN products p USING (instrument, savepath)
    GROUP BY l.program, p.night, p.instrument, p.image_type
    """,
)
_COUNTED = (
    "ON CONFLICT (program, night, instrument, image_type) DO UPDATE SET changes = changes + 1"
)


def _count_listing(row: str) -> str:
    return f"""
    INSERT INTO night_changes (program, night, instrument, image_type, changes)
    SELECT {row}.program, p.night, p.instrument, p.image_type, 1 FROM products p
    WHERE p.instrument = {row}.instrument AND p.savepath = {row}.savepath
    {_COUNTED};
    """  # noqa: S608 - our own words


def _differs(*columns: str) -> str:
    return " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)


_LISTED = ("withdrawn_at", "target")
_HELD = ("state", "withdrawn_at", "path", "size", "sha256", "revision", "damage")
_TRIGGERS = (
    f"CREATE TRIGGER night_gains AFTER INSERT ON listings BEGIN {_count_listing('NEW')} END",
    f"CREATE TRIGGER night_loses AFTER DELETE ON listings BEGIN {_count_listing('OLD')} END",
    f"""
    CREATE TRIGGER night_changes_listing AFTER UPDATE OF {", ".join(_LISTED)} ON listings
    WHEN {_differs(*_LISTED)} BEGIN {_count_listing("NEW")} END
    """,
    f"""
    CREATE TRIGGER night_changes_product AFTER UPDATE OF {", ".join(_HELD)} ON products
    WHEN {_differs(*_HELD)} BEGIN
      INSERT INTO night_changes (program, night, instrument, image_type, changes)
      SELECT l.program, NEW.night, NEW.instrument, NEW.image_type, 1 FROM listings l
      WHERE l.instrument = NEW.instrument AND l.savepath = NEW.savepath
      {_COUNTED};
    END
    """,  # noqa: S608 - our own words
)


@migrations()
def record_settled_nights(db: Database) -> None:
    """Record what of each night changed, and which nights are settled.

    Triggers count the changes of each kind of product in `night_changes.changes`, whoever makes
    them; `noticed` is how many of them were noticed, the last at `changed_at`. Of a catalog of an
    earlier edition nobody knows when its nights changed: they count as changed once, unnoticed.

    `settled_nights` has the nights that have a manifest, or may have one after a crash:
    `settled_at` is NULL while one is not settled, `first_settled_at` until the event of that is
    recorded. The manifest shows the state after `changes` changes, as its sum over all kinds.
    `content` is the digest of what the last event was about, and `recorded_as_settled` whether that
    event found the night settled. `settling.polls_seen` is the newest poll that was considered.
    """
    for statement in (*_TABLES, *_TRIGGERS):
        db.execute(statement)
