"""The tables of revisions and re-fetches: what came when, and what the archive was asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations, run_script

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_REFETCHES = """
ALTER TABLE revisions ADD COLUMN lastmodified TEXT;
ALTER TABLE revisions ADD COLUMN pipeversion TEXT;
ALTER TABLE revisions ADD COLUMN confirmed_at TEXT;
ALTER TABLE revisions ADD COLUMN removed_at TEXT;
UPDATE revisions SET confirmed_at = published_at;
CREATE INDEX revisions_confirmed ON revisions (confirmed_at) WHERE replaced_at IS NULL;
CREATE INDEX revisions_kept ON revisions (kept) WHERE kept IS NOT NULL;
ALTER TABLE products ADD COLUMN refetch TEXT NOT NULL DEFAULT '';
UPDATE products SET refetch = 'marks'
    WHERE state IN ('wanted', 'missing') AND sha256 IS NOT NULL AND damage IS NULL;
DROP INDEX products_queue;
CREATE INDEX products_queue ON products (
    refetch, attempts, night DESC, not_before, claimed_by, instrument, image_type, state
) WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL;
CREATE INDEX products_compared ON products (
    refetch, attempts, night DESC, not_before, claimed_by, instrument, image_type
) WHERE refetch != '' AND state = 'published' AND withdrawn_at IS NULL;
CREATE TABLE refetches (
    day TEXT NOT NULL,
    reason TEXT NOT NULL,
    products INTEGER NOT NULL,
    size INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    PRIMARY KEY (day, reason)
)
"""


@migrations()
def record_refetches(db: Database) -> None:
    """Record under which marks each revision came, when it was last confirmed, and re-fetches.

    `revisions.lastmodified` and `pipeversion` are the marks of the listing, NULL where they were
    not recorded. `confirmed_at` is when these bytes last came from the archive; `removed_at` when
    a kept revision was removed, whose `kept` is NULL then. `products.refetch` is why a product
    that is here is fetched again (`winter_sync.core.Refetch`), empty where it is not. `refetches`
    counts by UTC day and reason what was fetched again (`products`, `size` in bytes), how many of
    these had `changed`, and how many products were `settled` by a sample without being fetched.
    """
    run_script(db, _REFETCHES)
