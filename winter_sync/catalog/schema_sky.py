"""The table that sums up which parts of the sky the images here show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations
from winter_sync.core import sky_cell

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

SHOWS_SKY = "f.ra IS NOT NULL AND f.dec IS NOT NULL AND f.filter IS NOT 'dark'"
"""Whether facts are of an image of the sky; alerts are left out beside it."""
_FIELDS = """
CREATE TABLE sky_fields (
    target TEXT NOT NULL,
    filter TEXT NOT NULL,
    cell INTEGER NOT NULL,
    images INTEGER NOT NULL,
    deepest REAL,
    last_night TEXT NOT NULL,
    ra REAL NOT NULL,
    dec REAL NOT NULL,
    PRIMARY KEY (target, filter, cell)
) WITHOUT ROWID
"""
_SUM_UP = f"""
INSERT INTO sky_fields (target, filter, cell, images, deepest, last_night, ra, dec)
SELECT coalesce(f.target, ''), coalesce(f.filter, ''), sky_cell(f.ra, f.dec), count(*),
  max(f.limiting_magnitude), max(p.night), f.ra, f.dec
FROM facts f CROSS JOIN products p ON p.id = f.product AND p.image_type != 'avro'
WHERE {SHOWS_SKY} GROUP BY 1, 2, 3
"""  # noqa: S608 - our own condition


@migrations()
def sum_up_the_sky(db: Database) -> None:
    """Sum up the images whose headers were read, by target, filter and cell of the sky.

    The target and the filter are those of the header, '' for none. `cell` is that of the centre of
    an image (`winter_sync.core.sky_cell`), `ra` and `dec` the centre of one of them in degrees,
    `deepest` the faintest limiting magnitude. `Facts` keeps it as it records facts.
    """
    db.conn.create_function("sky_cell", 2, sky_cell, deterministic=True)
    db.execute(_FIELDS)
    db.execute(_SUM_UP)
