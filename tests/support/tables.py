"""The tables of the catalog in full words, as one who knows nothing of its numbers reads them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from winter_sync.catalog.counting import COUNTED
from winter_sync.catalog.identities import HAS_NO_REVISION, path_sql, savepath_sql, split_path
from winter_sync.catalog.outbox import EVENT
from winter_sync.core import Facts

if TYPE_CHECKING:
    import sqlite3

_WORDS = f"p.instrument, {savepath_sql()} AS savepath, {path_sql()} AS path, p.image_type, p.night"
_OF_PRODUCTS = frozenset(
    {
        *("listings", "events", "held_withdrawals", "successors"),
        *("withdrawn_files", "kept_files"),
    }
)
_CONFIRMED = "nullif(coalesce(p.confirmed_at, p.published_at), '') AS confirmed_at"
_REVISIONS = f"""
SELECT {_WORDS}, v.product, v.revision, v.size, v.sha256, v.published_at, v.replaced_at, v.kept,
  v.lastmodified, v.pipeversion, v.removed_at,
  iif(v.revision = p.revision AND p.sha256 IS NOT NULL,
    {_CONFIRMED.removesuffix(" AS confirmed_at")}, v.confirmed_at) AS confirmed_at
FROM revisions v JOIN products p ON p.id = v.product
UNION ALL
SELECT {_WORDS}, p.id, p.revision, p.size, p.sha256, p.published_at, NULL, NULL,
  p.settled_lastmodified, p.settled_pipeversion, NULL, {_CONFIRMED}
FROM products p WHERE {HAS_NO_REVISION}
"""  # noqa: S608 - our own names

_FACTS = f"""
SELECT {_WORDS}, t.id, t.product, coalesce(t.sha256, p.sha256) AS sha256,
  {", ".join(f"t.{field.name}" for field in fields(Facts) if field.name != "footprints")}
FROM facts t JOIN products p ON p.id = t.product
"""  # noqa: S608 - our own names


def in_words(table: str) -> str:
    """Return a query for all rows of a table, with the words of the product that each is about."""
    if table == "products":
        return f"SELECT *, {_WORDS} FROM products p"  # noqa: S608 - our own names
    if table == "successors":
        words = f"{_WORDS}, {savepath_sql('n')} AS successor, t.linked_at"
        joined = "JOIN products p ON p.id = t.product JOIN products n ON n.id = t.successor"
        return f"SELECT {words} FROM successors t {joined}"  # noqa: S608 - our own names
    if table in (known := {"revisions": _REVISIONS, "facts": _FACTS}):
        return known[table]
    if table == "events":
        return f"SELECT {EVENT}"
    if table in _OF_PRODUCTS:
        return f"SELECT {_WORDS}, t.* FROM {table} t LEFT JOIN products p ON p.id = t.product"  # noqa: S608 - our own names
    return f"SELECT * FROM {table}"  # noqa: S608 - our own names


def set_path(db: sqlite3.Connection, path: str) -> None:
    """Give the only product of a catalog another path, and the name that this ends with."""
    place, filename = split_path(path)
    db.execute("UPDATE directories SET place = ?", [place])
    db.execute("UPDATE products SET filename = ?", [filename])


def products_where(condition: str) -> str:
    """Return the condition that a row of `products` is one of those whose words meet another."""
    return f"id IN (SELECT id FROM ({in_words('products')}) WHERE {condition})"  # noqa: S608 - as above


def totals(db: sqlite3.Connection, *, anew: bool = False) -> set[tuple[object, ...]]:
    """Return the counts of nights as they are kept, or as they are if all is counted anew."""
    query = COUNTED if anew else "SELECT * FROM night_totals WHERE products != 0 OR bytes != 0"
    return set(db.execute(query))
