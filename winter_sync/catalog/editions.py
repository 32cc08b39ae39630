"""Which editions of the catalog this program knows, and which databases it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog import (
    schema,
    schema_changes,
    schema_delivery,
    schema_nights,
    schema_revisions,
    schema_too,
    schema_views,
    schema_withdrawals,
)
from winter_sync.core import ErrorCode

# Migrations are in the order in which their modules are imported.
# isort: split
from winter_sync.catalog import schema_numbers

# isort: split
from winter_sync.catalog import schema_due

# isort: split
from winter_sync.catalog import schema_sky

# isort: split
from winter_sync.catalog import schema_totals

# isort: split
from winter_sync.catalog import schema_packed

# isort: split
from winter_sync.catalog.migration import migrations
from winter_sync.catalog.schema_views import are_views_current, drop_views, make_views
from winter_sync.core import StorageError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from winter_sync.catalog.migration import MigrationList
    from winter_sync.catalog.sqlite import Database

__all__ = ["bring_up_to_date", "editions", "is_up_to_date", "migrations", "refuse_others"]

EDITIONS = (
    schema,
    schema_changes,
    schema_delivery,
    schema_nights,
    schema_revisions,
    schema_too,
    schema_views,
    schema_withdrawals,
    schema_numbers,
    schema_due,
    schema_sky,
    schema_totals,
    schema_packed,
)
"""The modules whose migrations make the catalog what it is, in this order."""


def editions() -> frozenset[str]:
    """Return the names of all editions."""
    return frozenset(migrations.names)


def is_up_to_date(db: sqlite3.Connection | Database) -> bool:
    """Return whether the tables and views are those of this program."""
    return not migrations.pending(db) and are_views_current(db)


def bring_up_to_date(
    db: Database,
    editions: MigrationList = migrations,
    begin: Callable[[str], None] = lambda _: None,
) -> None:
    """Make the tables and views those of this program, inside the open transaction.

    `begin` is called with the name of each migration before it is applied.
    """
    drop_views(db)
    editions.apply(db, begin=begin)
    make_views(db)


def refuse_others(db: sqlite3.Connection, path: Path) -> None:
    """Refuse what a later edition of this program wrote, or another program.

    Raises
    ------
    StorageError
        If the database is not one that this edition can use.
    """
    if _is_newer(db):
        raise StorageError(
            f"the catalog {path} was written by a newer winter-sync than this one",
            remedy="Use the newer one, or set mirror.state to another directory.",
            code=ErrorCode.CATALOG_VERSION,
        )
    if _is_foreign(db):
        raise StorageError(
            f"{path} is a database, but not a catalog of winter-sync",
            remedy="Move it away, or set mirror.state to another directory.",
            code=ErrorCode.CATALOG_VERSION,
        )


def _is_newer(db: sqlite3.Connection) -> bool:
    """Return whether a later edition of this program has changed the tables since."""
    return not editions().issuperset(migrations.applied(db))


def _is_foreign(db: sqlite3.Connection) -> bool:
    """Return whether the tables are another program's; False of an empty database."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name != ?"
    return any(db.execute(query, (migrations.table,))) and not migrations.applied(db)
