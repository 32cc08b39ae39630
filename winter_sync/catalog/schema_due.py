"""The indexes that tell how much is listed and what is due next, without reading each product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations, run_script

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_INDEXES = """
DROP INDEX listings_of_window;
CREATE INDEX listings_of_window ON listings (program, region, nightdate, withdrawn_at)
    WHERE withdrawn_at IS NULL;
CREATE INDEX products_due ON products (refetch, not_before, night, instrument, image_type)
    WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL
"""


@migrations()
def index_what_is_due(db: Database) -> None:
    """Index what is pending by the time from which it may be fetched, and cover counts of listings.

    `listings_of_window` repeats the column of its own condition, which is always NULL there: SQLite
    otherwise looks into the table for it, at each row that it counts. `products_due` has the kinds
    of products, by which those of other programs are passed over.
    """
    run_script(db, _INDEXES)
