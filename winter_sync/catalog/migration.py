"""The list of migrations of the catalog, and how the script of one is run.

Each is recorded in the catalog under the name of its function: a name never changes once a version
with it was released.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.sqlite import Migrations

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

migrations = Migrations("winter-sync")


def run_script(db: Database, script: str) -> None:
    """Run the statements of a script one by one, inside the transaction of the migration."""
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)
