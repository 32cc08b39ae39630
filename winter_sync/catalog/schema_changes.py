"""The tables of what changes: events, and what follows from them; after those of `schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations, run_script

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_EVENTS = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    instrument TEXT,
    image_type TEXT,
    night TEXT,
    savepath TEXT,
    path TEXT,
    details TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX events_of_product ON events (savepath, instrument) WHERE savepath IS NOT NULL
"""


@migrations()
def record_events(db: Database) -> None:
    """Record what happened, numbered, in the transaction in which it was recorded.

    A number is never used again, so that whoever reads on from one misses nothing. `kind` is one of
    `winter_sync.core.EventKind`; `details` is a JSON object without objects in it.
    """
    run_script(db, _EVENTS)
