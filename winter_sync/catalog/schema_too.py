"""The table of the observatory's queue of requests; after those of `schema_revisions`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations, run_script

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_REQUESTS = """
CREATE TABLE too_requests (
    program TEXT NOT NULL,
    schedule TEXT NOT NULL,
    number INTEGER NOT NULL,
    target TEXT,
    ra REAL,
    dec REAL,
    begins TEXT,
    ends TEXT,
    is_observed INTEGER NOT NULL,
    seen_at TEXT NOT NULL,
    PRIMARY KEY (program, schedule, number)
) WITHOUT ROWID
"""


@migrations()
def record_too_requests(db: Database) -> None:
    """Record what the observatory's queue has for our programs, as it was seen last."""
    run_script(db, _REQUESTS)
