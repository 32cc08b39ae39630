"""The tables of the catalog, up to the questions that are put to it; `schema_changes` goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.first_tables import FIRST_TABLES
from winter_sync.catalog.migration import migrations, run_script

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database


@migrations()
def create_tables(db: Database) -> None:
    """Create the first catalog.

    Times are UTC, ISO 8601 with milliseconds, so that text order is time order.
    """
    run_script(db, FIRST_TABLES)


_PROGRAM_ASKED_AND_QUEUE = """
ALTER TABLE products ADD COLUMN refused_sha256 TEXT;
ALTER TABLE products ADD COLUMN refused_at TEXT;
ALTER TABLE listings ADD COLUMN progname TEXT;
DROP INDEX products_by_state;
CREATE INDEX products_queue ON products (
    attempts, night DESC, not_before, claimed_by, instrument, image_type, state
) WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL;
CREATE INDEX products_sizes ON products (instrument, image_type, published_at, size)
    WHERE size IS NOT NULL;
CREATE INDEX listings_by_date ON listings (program, instrument, nightdate);
DROP INDEX polls_by_selection;
CREATE INDEX polls_latest ON polls (program, instrument, image_type, id);
CREATE INDEX polls_sweeps ON polls (program, instrument, image_type, region, at)
    WHERE sweep AND error IS NULL;
"""


@migrations()
def tell_who_asked_and_index_the_queue(db: Database) -> None:
    """Record under which program a product was listed; find quickly what to fetch next.

    `listings.program` is the program asked for, whose key we have; `progname` is what the row says
    where that differs. `refused_sha256` is a content that was refused, though no data seem to be
    missing in it, since `refused_at` (`winter_sync.core.Fault`). The queue holds its products in
    the order of fetching.
    """
    run_script(db, _PROGRAM_ASKED_AND_QUEUE)


_INDEXES_OF_STATUS = """
CREATE INDEX products_withdrawn ON products (withdrawn_at) WHERE withdrawn_at IS NOT NULL;
CREATE INDEX polls_successful ON polls (program, instrument, image_type, region, at)
    WHERE error IS NULL;
"""


@migrations()
def index_what_is_watched(db: Database) -> None:
    """Answer what is asked all the time without reading every product and poll."""
    run_script(db, _INDEXES_OF_STATUS)


_INDEX_OF_NIGHTS = """
DROP INDEX products_by_night;
CREATE INDEX products_by_night ON products (
    night, instrument, image_type, state, withdrawn_at, size
);
"""


@migrations()
def index_what_is_counted(db: Database) -> None:
    """Count a whole mirror by night from an index alone."""
    run_script(db, _INDEX_OF_NIGHTS)


_RECHECKS = """
ALTER TABLE products ADD COLUMN recheck TEXT;
CREATE INDEX products_recheck ON products (instrument, night, image_type, recheck, withdrawn_at)
    WHERE recheck IS NOT NULL;
"""


@migrations()
def keep_what_is_looked_at_again(db: Database) -> None:
    """Record which products are fetched again only because their marks changed.

    `recheck` is 'sample' for those that are fetched first, 'same' for those of them whose content
    turned out to be the same, 'held' for the others of that night and type until it is known
    whether the night was reprocessed; NULL for all other products.
    """
    run_script(db, _RECHECKS)


_UNCHECKABLE_PRODUCTS = """
CREATE TEMP TABLE uncheckable AS SELECT instrument, savepath FROM products
    WHERE state != 'published' AND revision = 0
    AND filename NOT LIKE '%.fits' AND filename NOT LIKE '%.fits.fz'
    AND filename NOT LIKE '%.fits.gz' AND filename NOT LIKE '%.avro';
DELETE FROM listings WHERE (instrument, savepath) IN (SELECT instrument, savepath FROM uncheckable);
DELETE FROM products WHERE (instrument, savepath) IN (SELECT instrument, savepath FROM uncheckable);
DROP TABLE uncheckable
"""


@migrations()
def forget_what_cannot_be_checked(db: Database) -> None:
    """Forget products whose names are of no format that can be checked; none was ever published.

    They were entered by editions that found out only after a download that the file could not be
    checked, and requested them for ever. LIKE does not distinguish upper and lower case.
    """
    run_script(db, _UNCHECKABLE_PRODUCTS)


_VERIFICATION = """
ALTER TABLE products ADD COLUMN mtime_ns INTEGER;
ALTER TABLE products ADD COLUMN checked_at TEXT NOT NULL DEFAULT '';
ALTER TABLE products ADD COLUMN damage TEXT CHECK (damage IN ('missing', 'changed'));
ALTER TABLE products ADD COLUMN damage_reason TEXT;
CREATE INDEX products_checked ON products (checked_at, path) WHERE state = 'published';
CREATE INDEX products_damaged ON products (damage) WHERE damage IS NOT NULL;
DROP INDEX products_by_night;
CREATE INDEX products_by_night ON products (
    night, instrument, image_type, state, withdrawn_at, damage, size
);
CREATE TABLE verifications (
    id INTEGER PRIMARY KEY,
    selection TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT
);
CREATE TABLE kept_files (
    path TEXT PRIMARY KEY,
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    kept_at TEXT NOT NULL
);
"""


@migrations()
def record_what_is_verified(db: Database) -> None:
    """Record what a file looked like when published, when it was last read, and what was found.

    `mtime_ns` is NULL until known. `checked_at` is the time of the publication or of the last full
    check, empty before the first of an older catalog. `damage` stays until the file is right
    again. `kept_files` are the files that were moved aside, relative to the root.
    """
    run_script(db, _VERIFICATION)


_FACTS = """
CREATE TABLE facts (
    id INTEGER PRIMARY KEY,
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    started_at TEXT,
    mjd REAL,
    filter TEXT,
    exposure_time REAL,
    coadds INTEGER,
    dither INTEGER,
    dithers INTEGER,
    board INTEGER,
    target TEXT,
    target_ra REAL,
    target_dec REAL,
    ra REAL,
    dec REAL,
    airmass REAL,
    zero_point REAL,
    zero_point_error REAL,
    limiting_magnitude REAL,
    seeing REAL,
    astrometric_error REAL,
    pixel_scale REAL,
    width INTEGER,
    height INTEGER,
    background REAL,
    note TEXT,
    UNIQUE (instrument, savepath),
    FOREIGN KEY (instrument, savepath) REFERENCES products (instrument, savepath)
);
CREATE TABLE footprints (
    id INTEGER PRIMARY KEY,
    facts INTEGER NOT NULL REFERENCES facts (id),
    extension INTEGER NOT NULL,
    ra1 REAL NOT NULL,
    dec1 REAL NOT NULL,
    ra2 REAL NOT NULL,
    dec2 REAL NOT NULL,
    ra3 REAL NOT NULL,
    dec3 REAL NOT NULL,
    ra4 REAL NOT NULL,
    dec4 REAL NOT NULL
);
CREATE INDEX footprints_of_facts ON footprints (facts);
CREATE VIRTUAL TABLE footprint_index USING rtree (id, x1, x2, y1, y2, z1, z2);
ALTER TABLE products ADD COLUMN facts_due INTEGER NOT NULL DEFAULT 1;
CREATE INDEX products_facts_due ON products (night DESC, instrument, savepath)
    WHERE facts_due AND state = 'published'
"""


@migrations()
def record_what_headers_say(db: Database) -> None:
    """Record facts of images, and the parts of the sky that they show.

    `sha256` is the content that the facts are of. Positions are degrees, the other units are those
    of `winter_sync.core.Facts`. `footprint_index` holds boxes around the unit vectors of each
    footprint. `facts_due` is 1 for what was published since its facts were read.
    """
    run_script(db, _FACTS)


_ALERTS = """
CREATE TABLE alerts (
    id INTEGER PRIMARY KEY,
    facts INTEGER NOT NULL REFERENCES facts (id),
    number INTEGER NOT NULL,
    objectid TEXT,
    candid INTEGER,
    jd REAL,
    ra REAL,
    dec REAL,
    fid INTEGER,
    magpsf REAL,
    sigmapsf REAL,
    diffmaglim REAL,
    isdiffpos INTEGER,
    rb REAL,
    scorr REAL,
    fwhm REAL,
    exptime REAL,
    magap REAL,
    sigmagap REAL,
    ndethist INTEGER,
    boardid INTEGER,
    fieldid INTEGER,
    progname TEXT,
    ztfname TEXT,
    distztf REAL,
    sgscore1 REAL,
    distpsnr1 REAL,
    ssnamenr TEXT,
    deprecated INTEGER
);
CREATE INDEX alerts_of_facts ON alerts (facts);
CREATE INDEX alerts_of_object ON alerts (objectid, jd, candid);
CREATE INDEX alerts_by_time ON alerts (jd);
CREATE VIRTUAL TABLE alert_index USING rtree (id, x1, x2, y1, y2, z1, z2)
"""


@migrations()
def record_alerts(db: Database) -> None:
    """Record the alerts of Avro files, and where they are on the sky.

    The columns are the fields of `winter_sync.core.Alert`; `number` is the place of the record in
    its file, from 0. `alert_index` holds the unit vectors of their positions.
    """
    run_script(db, _ALERTS)


_INDEXES_OF_SEARCHES = """
CREATE INDEX listings_by_position ON listings (dec, ra) WHERE dec IS NOT NULL;
CREATE INDEX listings_by_target ON listings (target COLLATE NOCASE);
CREATE INDEX facts_by_target ON facts (target COLLATE NOCASE);
CREATE INDEX products_by_publication ON products (published_at) WHERE published_at IS NOT NULL
"""


@migrations()
def index_what_is_searched(db: Database) -> None:
    """Find products by position, by target, and by when they were downloaded."""
    run_script(db, _INDEXES_OF_SEARCHES)
