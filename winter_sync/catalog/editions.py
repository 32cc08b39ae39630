"""Which editions of the catalog this program knows, and which databases it refuses."""

from __future__ import annotations

from contextlib import closing
from functools import cache
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
from winter_sync.catalog.migration import migrations
from winter_sync.catalog.schema_views import are_views_current, drop_views, make_views
from winter_sync.catalog.sqlite import Database
from winter_sync.core import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.catalog.sqlite import Migrations

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
)
"""The modules whose migrations make the catalog what it is, in this order."""


@cache
def editions() -> frozenset[str]:
    """Return the names of all editions: of the migrations that an empty database lacks."""
    with closing(Database(memory=True, execute_plugins=False)) as empty:
        return frozenset(edition.name for edition in migrations.pending(empty))


def is_up_to_date(db: Database) -> bool:
    """Return whether the tables and views are those of this program."""
    return not migrations.pending(db) and are_views_current(db)


def bring_up_to_date(db: Database, editions: Migrations = migrations) -> None:
    """Make the tables and views those of this program, inside the open transaction."""
    drop_views(db)
    editions.apply(db)
    make_views(db)


def refuse_others(db: Database, path: Path) -> None:
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
        )
    if _is_foreign(db):
        raise StorageError(
            f"{path} is a database, but not a catalog of winter-sync",
            remedy="Move it away, or set mirror.state to another directory.",
        )


def _is_newer(db: Database) -> bool:
    """Return whether a later edition of this program has changed the tables since."""
    return any(edition.name not in editions() for edition in migrations.applied(db))


def _is_foreign(db: Database) -> bool:
    """Return whether the tables are another program's; False of an empty database."""
    tables = set(db.table_names()) - {migrations.migrations_table}
    return bool(tables) and not migrations.applied(db)
