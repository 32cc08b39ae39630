"""The tables of the catalog in full words, as one who knows nothing of its numbers reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.identities import path_sql, savepath_sql, split_path

if TYPE_CHECKING:
    import sqlite3

_WORDS = f"p.instrument, {savepath_sql()} AS savepath, {path_sql()} AS path, p.image_type, p.night"
_OF_PRODUCTS = frozenset(
    {
        *("listings", "revisions", "facts", "events", "held_withdrawals", "successors"),
        *("withdrawn_files", "kept_files"),
    }
)


def in_words(table: str) -> str:
    """Return a query for all rows of a table, with the words of the product that each is about."""
    if table == "products":
        return f"SELECT *, {_WORDS} FROM products p"  # noqa: S608 - our own names
    if table == "successors":
        words = f"{_WORDS}, {savepath_sql('n')} AS successor, t.linked_at"
        joined = "JOIN products p ON p.id = t.product JOIN products n ON n.id = t.successor"
        return f"SELECT {words} FROM successors t {joined}"  # noqa: S608 - our own names
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
