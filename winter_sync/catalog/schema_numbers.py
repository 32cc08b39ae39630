"""Numbers for products and directories, in place of texts that every table and index repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_NEW_PRODUCTS = (
    """
    CREATE TABLE directories (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        place TEXT NOT NULL,
        UNIQUE (source, place)
    )
    """,
    "CREATE INDEX directories_by_place ON directories (place COLLATE NOCASE)",
    """
    CREATE TABLE new_products (
        id INTEGER PRIMARY KEY,
        instrument TEXT NOT NULL,
        directory INTEGER NOT NULL REFERENCES directories (id),
        filename TEXT NOT NULL,
        image_type TEXT NOT NULL,
        night TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('wanted', 'published', 'missing')),
        first_listed TEXT NOT NULL,
        withdrawn_at TEXT,
        attempts INTEGER NOT NULL DEFAULT 0,
        not_before TEXT NOT NULL DEFAULT '',
        last_error TEXT,
        claimed_by TEXT,
        revision INTEGER NOT NULL DEFAULT 0,
        size INTEGER,
        sha256 TEXT,
        published_at TEXT,
        settled_lastmodified TEXT,
        settled_pipeversion TEXT,
        refused_sha256 TEXT,
        refused_at TEXT,
        recheck TEXT,
        refetch TEXT NOT NULL DEFAULT '',
        mtime_ns INTEGER,
        checked_at TEXT NOT NULL DEFAULT '',
        damage TEXT CHECK (damage IN ('missing', 'changed')),
        damage_reason TEXT,
        facts_due INTEGER NOT NULL DEFAULT 1
    )
    """,
)
_SOURCE, _PLACE = (f"rtrim({text}, replace({text}, '/', ''))" for text in ("savepath", "path"))
_KEPT_OF_PRODUCTS = """
image_type, night, state, first_listed, withdrawn_at, attempts, not_before,
last_error, claimed_by, revision, size, sha256, published_at, settled_lastmodified,
settled_pipeversion, refused_sha256, refused_at, recheck, refetch, mtime_ns, checked_at, damage,
damage_reason, facts_due
"""
_COPY_PRODUCTS = (
    f"""
    INSERT INTO directories (source, place)
    SELECT DISTINCT {_SOURCE}, {_PLACE} FROM products
    """,  # noqa: S608 - our own texts
    f"""
    INSERT INTO new_products (id, instrument, directory, filename, {_KEPT_OF_PRODUCTS})
    SELECT rowid, instrument,
      (SELECT id FROM directories WHERE source = {_SOURCE} AND place = {_PLACE}),
      substr(savepath, length({_SOURCE}) + 1),
      {_KEPT_OF_PRODUCTS}
    FROM products ORDER BY rowid
    """,  # noqa: S608 - our own texts
)
_OTHERS = {
    "listings": """
        product INTEGER NOT NULL REFERENCES new_products (id),
        program TEXT NOT NULL,
        region TEXT NOT NULL,
        target TEXT,
        nightdate TEXT,
        ra REAL,
        dec REAL,
        fid INTEGER,
        utctime TEXT,
        fieldid INTEGER,
        lastmodified TEXT,
        pipeversion TEXT,
        extra TEXT,
        progname TEXT,
        first_listed TEXT NOT NULL,
        withdrawn_at TEXT,
        target_was TEXT,
        progname_was TEXT,
        corrected_in INTEGER,
        fingerprint INTEGER,
        missed_in INTEGER,
        listed_at TEXT,
        PRIMARY KEY (product, program)
    ) WITHOUT ROWID
    """,
    "revisions": """
        product INTEGER NOT NULL REFERENCES new_products (id),
        revision INTEGER NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        published_at TEXT NOT NULL,
        replaced_at TEXT,
        kept TEXT,
        lastmodified TEXT,
        pipeversion TEXT,
        confirmed_at TEXT,
        removed_at TEXT,
        PRIMARY KEY (product, revision)
    ) WITHOUT ROWID
    """,
    "facts": """
        id INTEGER PRIMARY KEY,
        product INTEGER NOT NULL UNIQUE REFERENCES new_products (id),
        sha256 TEXT NOT NULL,
        started_at TEXT,
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
        note TEXT
    )
    """,
    "held_withdrawals": """
        program TEXT NOT NULL,
        product INTEGER NOT NULL REFERENCES new_products (id),
        region TEXT NOT NULL,
        expected INTEGER NOT NULL,
        held_at TEXT NOT NULL,
        answers INTEGER NOT NULL,
        PRIMARY KEY (program, product)
    ) WITHOUT ROWID
    """,
    "successors": """
        product INTEGER PRIMARY KEY REFERENCES new_products (id),
        successor INTEGER NOT NULL REFERENCES new_products (id),
        linked_at TEXT NOT NULL
    )
    """,
    "withdrawn_files": """
        product INTEGER PRIMARY KEY REFERENCES new_products (id),
        kept TEXT,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        begun_at TEXT NOT NULL,
        done_at TEXT
    )
    """,
    "kept_files": """
        path TEXT PRIMARY KEY,
        product INTEGER REFERENCES new_products (id),
        kept_at TEXT NOT NULL
    ) WITHOUT ROWID
    """,
}
"""Tables of which each row is of a product, as they become."""
_OF_SAME = "{0}.instrument = p.instrument AND {0}.savepath = p.savepath"
_LISTED = """
program, region, target, nightdate, ra, dec, fid, utctime, fieldid, lastmodified, pipeversion,
extra, progname, first_listed, withdrawn_at, target_was, progname_was, corrected_in,
fingerprint, missed_in, listed_at
"""
_REVISED = """
revision, size, sha256, published_at, replaced_at, kept, lastmodified, pipeversion, confirmed_at,
removed_at
"""
_SAID = """
id, sha256, started_at, mjd, filter, exposure_time, coadds, dither, dithers, board, target,
target_ra, target_dec, ra, dec, airmass, zero_point, zero_point_error, limiting_magnitude, seeing,
astrometric_error, pixel_scale, width, height, background, note
"""


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column.strip()}" for column in columns.split(","))


def _copied(table: str, columns: str, source: str) -> str:
    return f"""
    INSERT INTO new_{table} (product, {columns}) SELECT p.rowid, {_of("o", columns)} FROM {source}
    """  # noqa: S608 - our own texts


_BY_PRODUCT = f"products p CROSS JOIN {{0}} o ON {_OF_SAME.format('o')} ORDER BY p.rowid"
_BY_ROW = f"{{0}} o CROSS JOIN products p ON {_OF_SAME.format('o')}"
_COPIES = {
    "listings": _copied("listings", _LISTED, _BY_PRODUCT.format("listings")),
    "revisions": _copied("revisions", _REVISED, _BY_PRODUCT.format("revisions")),
    "facts": _copied("facts", _SAID, f"{_BY_ROW.format('facts')} ORDER BY o.id"),
    "held_withdrawals": _copied(
        "held_withdrawals",
        "program, region, expected, held_at, answers",
        _BY_ROW.format("held_withdrawals"),
    ),
    "successors": f"""
        INSERT INTO new_successors (product, successor, linked_at)
        SELECT p.rowid, n.rowid, o.linked_at FROM {_BY_ROW.format("successors")}
        CROSS JOIN products n ON n.instrument = o.instrument AND n.savepath = o.successor
        """,  # noqa: S608 - our own texts
    "withdrawn_files": _copied(
        "withdrawn_files",
        "kept, size, sha256, begun_at, done_at",
        _BY_ROW.format("withdrawn_files"),
    ),
    "kept_files": f"""
        INSERT INTO new_kept_files (path, product, kept_at)
        SELECT o.path, p.rowid, o.kept_at FROM kept_files o
        LEFT JOIN products p ON {_OF_SAME.format("o")}
        """,  # noqa: S608 - our own texts
}
_EVENTS = (
    """
    CREATE TABLE new_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        product INTEGER REFERENCES new_products (id),
        details TEXT NOT NULL DEFAULT '{}'
    )
    """,
    f"""
    INSERT INTO new_events (id, at, kind, product, details)
    SELECT e.id, e.at, e.kind, p.rowid, CASE
        WHEN NOT json_valid(e.details) OR (p.rowid IS NOT NULL AND e.path IS p.path) THEN e.details
        WHEN p.rowid IS NOT NULL THEN json_set(e.details, '$.path', e.path)
        ELSE json_patch(json_patch('{{}}', json_object('instrument', e.instrument,
          'image_type', e.image_type, 'night', e.night, 'savepath', e.savepath, 'path', e.path)),
          e.details)
      END
    FROM events e LEFT JOIN products p ON {_OF_SAME.format("e")} ORDER BY e.id
    """,  # noqa: S608 - our own texts
    "DELETE FROM sqlite_sequence WHERE name = 'new_events'",
    """
    INSERT INTO sqlite_sequence (name, seq)
    SELECT 'new_events', seq FROM sqlite_sequence WHERE name = 'events'
    """,
    "DROP TABLE events",
    "ALTER TABLE new_events RENAME TO events",
    "CREATE INDEX events_of_product ON events (product) WHERE product IS NOT NULL",
)
_INDEXES = (
    "CREATE UNIQUE INDEX products_named ON products (directory, filename COLLATE NOCASE)",
    """
    CREATE INDEX products_by_night ON products (
        night, instrument, image_type, state, withdrawn_at, damage, size
    )
    """,
    "CREATE INDEX products_claimed ON products (claimed_by) WHERE claimed_by IS NOT NULL",
    """
    CREATE INDEX products_queue ON products (
        refetch, attempts, night DESC, not_before, claimed_by, instrument, image_type, state
    ) WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL
    """,
    """
    CREATE INDEX products_compared ON products (
        refetch, attempts, night DESC, not_before, claimed_by, instrument, image_type
    ) WHERE refetch != '' AND state = 'published' AND withdrawn_at IS NULL
    """,
    """
    CREATE INDEX products_sizes ON products (instrument, image_type, published_at, size)
        WHERE size IS NOT NULL
    """,
    "CREATE INDEX products_withdrawn ON products (withdrawn_at) WHERE withdrawn_at IS NOT NULL",
    """
    CREATE INDEX products_recheck ON products (instrument, night, image_type, recheck, withdrawn_at)
        WHERE recheck IS NOT NULL
    """,
    "CREATE INDEX products_checked ON products (checked_at) WHERE state = 'published'",
    "CREATE INDEX products_damaged ON products (damage) WHERE damage IS NOT NULL",
    """
    CREATE INDEX products_facts_due ON products (night DESC)
        WHERE facts_due AND state = 'published'
    """,
    """
    CREATE INDEX products_by_publication ON products (published_at)
        WHERE published_at IS NOT NULL
    """,
    """
    CREATE INDEX listings_of_window ON listings (program, region, nightdate)
        WHERE withdrawn_at IS NULL
    """,
    "CREATE INDEX listings_by_position ON listings (dec, ra) WHERE dec IS NOT NULL",
    "CREATE INDEX listings_by_target ON listings (target COLLATE NOCASE)",
    """
    CREATE INDEX listings_corrected ON listings (corrected_in) WHERE corrected_in IS NOT NULL
    """,
    "CREATE INDEX revisions_confirmed ON revisions (confirmed_at) WHERE replaced_at IS NULL",
    "CREATE INDEX revisions_kept ON revisions (kept) WHERE kept IS NOT NULL",
    "CREATE INDEX revisions_replaced ON revisions (replaced_at) WHERE replaced_at IS NOT NULL",
    "CREATE INDEX facts_by_target ON facts (target COLLATE NOCASE)",
    "CREATE INDEX facts_of_depth ON facts (target) WHERE limiting_magnitude IS NOT NULL",
    "CREATE INDEX successors_by_successor ON successors (successor)",
    "CREATE INDEX withdrawn_files_kept ON withdrawn_files (kept) WHERE kept IS NOT NULL",
)
_SAME_PLACE = "q.filename = NEW.filename COLLATE NOCASE"
_UNIQUE = f"""
CREATE TRIGGER products_unique BEFORE INSERT ON products WHEN EXISTS (
  SELECT 1 FROM directories n CROSS JOIN directories d ON d.place = n.place COLLATE NOCASE
  CROSS JOIN products q ON q.directory = d.id AND {_SAME_PLACE}
  WHERE n.id = NEW.directory
) OR EXISTS (
  SELECT 1 FROM directories n CROSS JOIN directories d ON d.source = n.source
  CROSS JOIN products q ON q.directory = d.id AND {_SAME_PLACE}
  WHERE n.id = NEW.directory AND q.filename = NEW.filename AND q.instrument = NEW.instrument
) BEGIN SELECT RAISE(IGNORE); END
"""  # noqa: S608 - our own texts
_COUNTED = (
    "ON CONFLICT (program, night, instrument, image_type) DO UPDATE SET changes = changes + 1"
)


def _count_listing(row: str) -> str:
    return f"""
    INSERT INTO night_changes (program, night, instrument, image_type, changes)
    SELECT {row}.program, p.night, p.instrument, p.image_type, 1 FROM products p
    WHERE p.id = {row}.product
    {_COUNTED};
    """  # noqa: S608 - our own words


def _differs(*columns: str) -> str:
    return " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)


_LISTED_AS = ("withdrawn_at", "target")
_HELD = ("state", "withdrawn_at", "size", "sha256", "revision", "damage")
_NIGHTS_COUNTED = {
    "night_gains": f"AFTER INSERT ON listings BEGIN {_count_listing('NEW')} END",
    "night_loses": f"AFTER DELETE ON listings BEGIN {_count_listing('OLD')} END",
    "night_changes_listing": f"""
    AFTER UPDATE OF {", ".join(_LISTED_AS)} ON listings
    WHEN {_differs(*_LISTED_AS)} BEGIN {_count_listing("NEW")} END
    """,
    "night_changes_product": f"""
    AFTER UPDATE OF {", ".join(_HELD)} ON products
    WHEN {_differs(*_HELD)} BEGIN
      INSERT INTO night_changes (program, night, instrument, image_type, changes)
      SELECT l.program, NEW.night, NEW.instrument, NEW.image_type, 1 FROM listings l
      WHERE l.product = NEW.id
      {_COUNTED};
    END
    """,  # noqa: S608 - our own words
}
"""The triggers of `schema_nights`, on the new tables."""


@migrations()
def number_products(db: Database) -> None:
    """Give products and directories numbers, by which all other tables refer to them.

    A savepath is `source` of its directory and the file name, a path below the root `place` and the
    file name. No two products have the same savepath and instrument, nor paths that differ in case
    alone: a trigger leaves out a second one, as the unique index does within a directory. An event
    of a product says what the product does not, `details` anything else.

    Needs foreign keys to be off, as any migration that makes tables anew.
    """
    for name in _NIGHTS_COUNTED:
        db.execute(f"DROP TRIGGER {name}")
    for statement in (*_NEW_PRODUCTS, *_COPY_PRODUCTS):
        db.execute(statement)
    for table, columns in _OTHERS.items():
        db.execute(f"CREATE TABLE new_{table} ({columns}")
        db.execute(_COPIES[table])
        db.execute(f"DROP TABLE {table}")
        db.execute(f"ALTER TABLE new_{table} RENAME TO {table}")
    for statement in _EVENTS:
        db.execute(statement)
    db.execute("DROP TABLE products")
    db.execute("ALTER TABLE new_products RENAME TO products")
    for statement in (*_INDEXES, _UNIQUE):
        db.execute(statement)
    for name, trigger in _NIGHTS_COUNTED.items():
        db.execute(f"CREATE TRIGGER {name} {trigger}")
