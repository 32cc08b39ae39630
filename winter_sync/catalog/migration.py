"""The list of migrations of the catalog, and how the script of one is run.

Each is recorded in the catalog under the name of its function: a name never changes once a version
with it was released. sqlite-utils runs them; it is imported only where there is one to run, because
a command that finds the catalog up to date starts in less time without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from winter_sync.catalog.sqlite import Database

    Migration = Callable[[Database], None]


class MigrationList:
    """Functions that change the tables, in their order.

    Parameters
    ----------
    name
        Of the set of migrations in the catalog.
    """

    table = "_sqlite_migrations"
    """Where sqlite-utils records which migrations were applied."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._migrations: dict[str, Migration] = {}

    def __call__(self) -> Callable[[Migration], Migration]:
        """Return a decorator that adds a function to the list."""

        def add(migration: Migration) -> Migration:
            self._migrations[migration.__name__] = migration
            return migration

        return add

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all migrations."""
        return tuple(self._migrations)

    def applied(self, db: sqlite3.Connection | Database) -> list[str]:
        """Return the names of the migrations that were applied to a database, in that order."""
        found = db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (self.table,)).fetchone()
        if found is None:
            return []
        query = f"SELECT name FROM {self.table} WHERE migration_set = ? ORDER BY rowid"  # noqa: S608 - ours
        return [name for (name,) in db.execute(query, (self._name,))]

    def pending(self, db: sqlite3.Connection | Database) -> list[str]:
        """Return the names of the migrations that a database lacks."""
        applied = set(self.applied(db))
        return [name for name in self._migrations if name not in applied]

    def apply(
        self,
        db: Database,
        *,
        stop_before: str | None = None,
        begin: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Apply those that a database lacks, each with its record in a transaction.

        `begin` is called with the name of each before it is applied.
        """
        from winter_sync.catalog.sqlite import Migrations  # noqa: PLC0415 - see above

        def announced(name: str, migration: Migration) -> Migration:
            def apply(db: Database) -> None:
                begin(name)
                migration(db)

            return apply

        migrations = Migrations(self._name)
        for name, migration in self._migrations.items():
            migrations(name=name)(announced(name, migration))
        migrations.apply(db, stop_before=stop_before)


migrations = MigrationList("winter-sync")


def run_script(db: Database, script: str) -> None:
    """Run the statements of a script one by one, inside the transaction of the migration."""
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)
