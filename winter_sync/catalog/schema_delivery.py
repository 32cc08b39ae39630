"""The tables of delivery: how far each sink has got, and states of which changes are events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations, run_script

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_EVENT_SINKS = """
CREATE TABLE event_sinks (
    name TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL,
    ahead TEXT NOT NULL DEFAULT '[]',
    added_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    last_success TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since TEXT,
    last_error TEXT,
    lost INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE event_states (
    subject TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    since TEXT NOT NULL
) WITHOUT ROWID
"""


@migrations()
def keep_event_sinks(db: Database) -> None:
    """Keep how far each sink has got, and the states of which only a change is an event.

    A sink has all events up to its `cursor`, and those of the numbers in `ahead` (a JSON list).
    `lost` counts events that were removed before the sink had them.
    """
    run_script(db, _EVENT_SINKS)
