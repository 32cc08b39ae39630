"""The catalog made small: numbers for what repeats, digests as bytes, times as milliseconds.

What is packed has a generated column with the words beside it: whoever reads a table needs none of
this. `digest` is a SHA-256 as bytes, `sha256` as text; a column that ends in `_ms` is a time in
milliseconds since 1970, and 0 for never, the column `_at` of the same name the text. What no
version writes stays as it is in both.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_TEXT = "strftime('%Y-%m-%dT%H:%M:%f', {0} / 1000.0, 'unixepoch') || '+00:00'"
_MILLISECONDS = "CAST(round((julianday({0}) - 2440587.5) * 86400000.0) AS INTEGER)"
_HEXADECIMAL = "CASE typeof(digest) WHEN 'blob' THEN lower(hex(digest)) ELSE digest END"


def text_of(column: str) -> str:
    """Return the time in a column as text, as SQL."""
    known = f"CASE {column} WHEN 0 THEN '' ELSE {_TEXT.format(column)} END"
    return f"CASE typeof({column}) WHEN 'integer' THEN {known} ELSE {column} END"


def _packed(text: str) -> str:
    """Return the milliseconds of a time, as SQL; the text where they would not say the same."""
    number = _MILLISECONDS.format(text)
    return f"""
    CASE WHEN {text} = '' THEN 0 WHEN {_TEXT.format(number)} = {text} THEN {number} ELSE {text} END
    """


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
    f"""
    CREATE TABLE new_products (
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
        settled_lastmodified TEXT,
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
        sha256 TEXT AS ({_HEXADECIMAL}) VIRTUAL
    )
    """,
)
_SOURCE, _PLACE = (f"rtrim({text}, replace({text}, '/', ''))" for text in ("savepath", "path"))
_KEPT_OF_PRODUCTS = """
image_type, night, state, withdrawn_at, attempts, not_before, last_error, claimed_by, revision,
size, settled_lastmodified, settled_pipeversion, refused_sha256, refused_at, recheck, refetch,
mtime_ns, damage, damage_reason, facts_due
"""
_CONFIRMED = f"""
  (SELECT {_packed("coalesce(r.confirmed_at, '')")} FROM revisions r
    WHERE r.instrument = p.instrument AND r.savepath = p.savepath AND r.revision = p.revision
    AND r.confirmed_at IS NOT p.published_at)
"""  # noqa: S608 - our own texts
_COPY_PRODUCTS = (
    f"""
    INSERT INTO directories (source, place)
    SELECT DISTINCT {_SOURCE}, {_PLACE} FROM products
    """,  # noqa: S608 - our own texts
    f"""
    INSERT INTO new_products (id, instrument, directory, filename, {_KEPT_OF_PRODUCTS}, listed_ms,
      published_ms, checked_ms, confirmed_ms, digest)
    SELECT rowid, instrument,
      (SELECT id FROM directories WHERE source = {_SOURCE} AND place = {_PLACE}),
      substr(savepath, length({_SOURCE}) + 1), {_KEPT_OF_PRODUCTS}, {_packed("first_listed")},
      {_packed("published_at")}, {_packed("checked_at")}, {_CONFIRMED}, bytes_of(sha256)
    FROM products p ORDER BY rowid
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
        listed_ms INTEGER NOT NULL,
        withdrawn_at TEXT,
        target_was TEXT,
        progname_was TEXT,
        corrected_in INTEGER,
        fingerprint INTEGER,
        missed_in INTEGER,
        listed_at TEXT,
        first_listed TEXT AS ({listed}) VIRTUAL,
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
        digest BLOB NOT NULL,
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
        note TEXT,
        sha256 TEXT AS ({digest}) VIRTUAL
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
extra, progname, withdrawn_at, target_was, progname_was, corrected_in,
fingerprint, missed_in, listed_at
"""
_REVISED = """
revision, size, sha256, published_at, replaced_at, kept, lastmodified, pipeversion, confirmed_at,
removed_at
"""
_SAID = """
id, started_at, mjd, filter, exposure_time, coadds, dither, dithers, board, target,
target_ra, target_dec, ra, dec, airmass, zero_point, zero_point_error, limiting_magnitude, seeing,
astrometric_error, pixel_scale, width, height, background, note
"""


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column.strip()}" for column in columns.split(","))


def _copied(table: str, columns: str, source: str, packed: str = "", values: str = "") -> str:
    return f"""
    INSERT INTO new_{table} (product, {columns}{packed})
    SELECT p.rowid, {_of("o", columns)}{values} FROM {source}
    """  # noqa: S608 - our own texts


_AS_PRODUCT = """
p.revision = o.revision AND o.size IS p.size AND o.sha256 IS p.sha256
  AND o.published_at IS p.published_at AND o.lastmodified IS p.settled_lastmodified
  AND o.pipeversion IS p.settled_pipeversion AND o.replaced_at IS NULL AND o.kept IS NULL
  AND o.removed_at IS NULL
"""
_OF_REVISIONS = f"""
products p CROSS JOIN revisions o ON {_OF_SAME.format("o")} AND NOT ({_AS_PRODUCT})
ORDER BY p.rowid
"""
_BY_PRODUCT = f"products p CROSS JOIN {{0}} o ON {_OF_SAME.format('o')} ORDER BY p.rowid"
_BY_ROW = f"{{0}} o CROSS JOIN products p ON {_OF_SAME.format('o')}"
_COPIES = {
    "listings": _copied(
        "listings",
        _LISTED,
        _BY_PRODUCT.format("listings"),
        ", listed_ms",
        f", {_packed('o.first_listed')}",
    ),
    "revisions": _copied("revisions", _REVISED, _OF_REVISIONS),
    "facts": _copied(
        "facts",
        _SAID,
        f"{_BY_ROW.format('facts')} ORDER BY o.id",
        ", digest",
        ", bytes_of(o.sha256)",
    ),
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
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        product INTEGER REFERENCES new_products (id),
        revision INTEGER,
        details TEXT NOT NULL DEFAULT '{}',
        at TEXT AS ({time}) VIRTUAL
    )
    """.replace("{time}", text_of("at_ms")),
    f"""
    INSERT INTO new_events (id, at_ms, kind, product, details)
    SELECT e.id, {_packed("e.at")}, e.kind, p.rowid, CASE
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
    "CREATE INDEX products_withdrawn ON products (withdrawn_at) WHERE withdrawn_at IS NOT NULL",
    """
    CREATE INDEX products_recheck ON products (instrument, night, image_type, recheck, withdrawn_at)
        WHERE recheck IS NOT NULL
    """,
    "CREATE INDEX products_checked ON products (checked_ms) WHERE state = 'published'",
    """
    CREATE INDEX products_confirmed ON products (coalesce(confirmed_ms, published_ms))
        WHERE state = 'published'
    """,
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
_HELD = ("state", "withdrawn_at", "size", "digest", "revision", "damage")
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
_REVISION = ("revision", "size", "digest", "published_ms")
_MARKED = ("settled_lastmodified", "settled_pipeversion")
_KEEP_REVISION = f"""
CREATE TRIGGER revisions_apart BEFORE UPDATE OF {", ".join(_REVISION + _MARKED)} ON products
WHEN OLD.revision > 0 AND OLD.digest IS NOT NULL AND ({_differs(*_REVISION, *_MARKED)})
BEGIN
  INSERT INTO revisions (product, revision, size, sha256, published_at, lastmodified, pipeversion,
    confirmed_at)
  VALUES (OLD.id, OLD.revision, OLD.size, OLD.sha256, OLD.published_at, OLD.settled_lastmodified,
    OLD.settled_pipeversion, nullif(coalesce(OLD.confirmed_at, OLD.published_at), ''))
  ON CONFLICT (product, revision) DO UPDATE SET confirmed_at = excluded.confirmed_at;
END
"""  # noqa: S608 - our own texts
_USUAL_SIZES = (
    """
    CREATE TABLE usual_sizes (
        instrument TEXT NOT NULL,
        image_type TEXT NOT NULL,
        size REAL NOT NULL,
        products INTEGER NOT NULL,
        PRIMARY KEY (instrument, image_type)
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO usual_sizes (instrument, image_type, size, products)
    SELECT instrument, image_type, avg(size), count(*) FROM (
      SELECT k.instrument, k.image_type, s.size FROM (
        SELECT DISTINCT instrument, image_type FROM products) k
      CROSS JOIN products s ON s.rowid IN (
        SELECT n.rowid FROM products n
        WHERE n.instrument = k.instrument AND n.image_type = k.image_type AND n.size IS NOT NULL
        ORDER BY n.published_at DESC LIMIT 100))
    GROUP BY instrument, image_type
    """,
)


def _bytes_of(digest: str | None) -> bytes | str | None:
    """Return a digest as bytes; what is none as it is."""
    if isinstance(digest, str) and re.fullmatch(r"(?:[0-9a-f]{2})+", digest):
        return bytes.fromhex(digest)
    return digest


@migrations()
def number_products(db: Database) -> None:
    """Give products and directories numbers, by which all other tables refer to them.

    A savepath is `source` of its directory and the file name, a path below the root `place` and the
    file name. No two products have the same savepath and instrument, nor paths that differ in case
    alone: a trigger leaves out a second one, as the unique index does within a directory.

    What is here of a product is recorded in `products`. Its current revision has a row in
    `revisions` only where that was published, or listed, otherwise than the product says: a trigger
    makes it as soon as that changes. `products.confirmed_ms` is when these bytes last came from the
    archive, NULL where that was when they were published, 0 where they never did; that of
    `revisions` counts for those that were replaced. An event of a product says what the product
    does not; `events.revision` is the content that it is about, whose size and digest it does not
    repeat. `usual_sizes` has the average size of the last hundred products of each kind.

    Needs foreign keys to be off, as any migration that makes tables anew.
    """
    db.conn.create_function("bytes_of", 1, _bytes_of, deterministic=True)
    for name in _NIGHTS_COUNTED:
        db.execute(f"DROP TRIGGER {name}")
    for statement in (*_USUAL_SIZES, *_NEW_PRODUCTS, *_COPY_PRODUCTS):
        db.execute(statement)
    for table, columns in _OTHERS.items():
        packed = {"{listed}": text_of("listed_ms"), "{digest}": _HEXADECIMAL}
        for mark, text in packed.items():
            columns = columns.replace(mark, text)  # noqa: PLW2901 - the same, filled in
        db.execute(f"CREATE TABLE new_{table} ({columns}")
        db.execute(_COPIES[table])
        db.execute(f"DROP TABLE {table}")
        db.execute(f"ALTER TABLE new_{table} RENAME TO {table}")
    for statement in _EVENTS:
        db.execute(statement)
    db.execute("DROP TABLE products")
    db.execute("ALTER TABLE new_products RENAME TO products")
    for statement in (*_INDEXES, _UNIQUE, _KEEP_REVISION):
        db.execute(statement)
    for name, trigger in _NIGHTS_COUNTED.items():
        db.execute(f"CREATE TRIGGER {name} {trigger}")
