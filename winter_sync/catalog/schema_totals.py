"""The table that counts the products of each night, and the triggers that keep it true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.counting import BYTES, COUNTED, KEY, NOT_KEPT_TYPES, kind_of, listed_by
from winter_sync.catalog.migration import migrations

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_TABLE = f"""
CREATE TABLE night_totals (
    night TEXT NOT NULL,
    instrument TEXT NOT NULL,
    image_type TEXT NOT NULL,
    state TEXT NOT NULL,
    withdrawn INTEGER NOT NULL,
    damaged INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    listed_by TEXT NOT NULL,
    products INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY ({KEY})
) WITHOUT ROWID
"""
_INSERT = f"INSERT INTO night_totals ({KEY}, products, bytes)"
_ADDED = f"""
ON CONFLICT ({KEY}) DO UPDATE SET products = products + excluded.products,
  bytes = bytes + excluded.bytes
"""


def _move(product: str, before: str, after: str) -> str:
    """Return the statement that counts a product under other programs than before, as SQL."""
    return f"""
    {_INSERT}
    SELECT {kind_of("p")}, v.listed_by, v.products, v.products * coalesce(p.size, 0)
    FROM (SELECT {before} AS listed_by, -1 AS products UNION ALL SELECT {after}, 1) v
    CROSS JOIN products p WHERE p.id = {product} AND v.listed_by IS NOT NULL
    {_ADDED};
    """  # noqa: S608 - our own words


_WAS = "CASE program WHEN OLD.program THEN OLD.withdrawn_at IS NULL ELSE withdrawn_at IS NULL END"
_DELETED = "UNION ALL SELECT OLD.program, OLD.withdrawn_at IS NULL"
_TRIGGERS = {
    "totals_gain": "AFTER INSERT ON listings BEGIN"
    + _move("NEW.product", listed_by("NEW.product", more="AND program != NEW.program"),
            listed_by("NEW.product"))
    + "END",
    "totals_lose": "AFTER DELETE ON listings BEGIN"
    + _move("OLD.product", listed_by("OLD.product", more=_DELETED), listed_by("OLD.product"))
    + "END",
    "totals_change_listing": """
    AFTER UPDATE OF withdrawn_at ON listings
    WHEN (OLD.withdrawn_at IS NULL) != (NEW.withdrawn_at IS NULL) BEGIN"""
    + _move("NEW.product", listed_by("NEW.product", _WAS), listed_by("NEW.product"))
    + "END",
    "totals_change_product": f"""
    AFTER UPDATE OF state, withdrawn_at, damage, attempts, size ON products
    WHEN OLD.state != NEW.state OR (OLD.withdrawn_at IS NULL) != (NEW.withdrawn_at IS NULL)
      OR (OLD.damage IS NULL) != (NEW.damage IS NULL) OR (OLD.attempts > 0) != (NEW.attempts > 0)
      OR OLD.size IS NOT NEW.size
    BEGIN
      {_INSERT}
      SELECT v.night, v.instrument, v.image_type, v.state, v.withdrawn, v.damaged, v.failed,
        g.listed_by, v.products, v.bytes
      FROM (SELECT {listed_by("NEW.id")} AS listed_by) g CROSS JOIN (
        SELECT {kind_of("OLD")}, -1 AS products, -{BYTES.format("OLD")} AS bytes
        UNION ALL SELECT {kind_of("NEW")}, 1, {BYTES.format("NEW")}) v
      WHERE g.listed_by IS NOT NULL
      {_ADDED};
    END
    """,  # noqa: S608 - our own words
}  # fmt: skip
_INDEXES = (
    "DROP INDEX products_due",
    """
    CREATE INDEX products_due ON products (
        refetch, not_before, night, instrument, image_type, state
    ) WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL
    """,
    """
    CREATE INDEX products_retried ON products (not_before)
        WHERE state = 'wanted' AND attempts > 0 AND withdrawn_at IS NULL
    """,
    f"""
    CREATE INDEX products_asked ON products (not_before)
        WHERE state = 'missing' AND image_type NOT IN {NOT_KEPT_TYPES} AND withdrawn_at IS NULL
    """,
)


@migrations()
def count_nights(db: Database) -> None:
    """Count products by night, kind, state and who lists them, whenever one of these changes.

    `night_totals.listed_by` has each program that lists the products or did, by name, as JSON
    without the outer brackets: `["2024A000",1],["2025A002",0]`, where 1 means that it lists them
    now. So each product counts once, and what any programs list together is a sum of rows.
    `failed` is whether it was tried in vain. Rows of no products stay.

    The indexes have what is retried, and what is missing and asked for again, by time.
    `products_due` tells the state of what waits, too.
    """
    db.execute(_TABLE)
    db.execute(f"{_INSERT} {COUNTED}")
    for name, trigger in _TRIGGERS.items():
        db.execute(f"CREATE TRIGGER {name} {trigger}")
    for index in _INDEXES:
        db.execute(index)
