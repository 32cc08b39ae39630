"""The tables of what the archive withdraws: held, renamed, set aside; and what a poll missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.migration import migrations, run_script

if TYPE_CHECKING:
    from winter_sync.catalog.sqlite import Database

_HELD_WITHDRAWALS = """
CREATE TABLE held_withdrawals (
    program TEXT NOT NULL,
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    image_type TEXT NOT NULL,
    region TEXT NOT NULL,
    expected INTEGER NOT NULL,
    held_at TEXT NOT NULL,
    answers INTEGER NOT NULL,
    PRIMARY KEY (program, instrument, savepath)
);
CREATE INDEX held_withdrawals_of_subject
    ON held_withdrawals (program, instrument, image_type, region)
"""


@migrations()
def hold_withdrawals(db: Database) -> None:
    """Record products that vanished with many others, and are not believed to be withdrawn yet.

    `expected` is how many products the first answer that lacked them, at `held_at`, had to list;
    `answers` is how many complete answers lacked them since.
    """
    run_script(db, _HELD_WITHDRAWALS)


_SUCCESSORS = """
CREATE TABLE successors (
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    successor TEXT NOT NULL,
    linked_at TEXT NOT NULL,
    PRIMARY KEY (instrument, savepath),
    FOREIGN KEY (instrument, savepath) REFERENCES products (instrument, savepath),
    FOREIGN KEY (instrument, successor) REFERENCES products (instrument, savepath)
);
CREATE INDEX successors_by_successor ON successors (instrument, successor)
"""


@migrations()
def link_successors(db: Database) -> None:
    """Record to which product a withdrawn one was renamed; `successor` is a savepath."""
    run_script(db, _SUCCESSORS)


_WITHDRAWN_FILES = """
CREATE TABLE withdrawn_files (
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    kept TEXT,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    begun_at TEXT NOT NULL,
    done_at TEXT,
    PRIMARY KEY (instrument, savepath),
    FOREIGN KEY (instrument, savepath) REFERENCES products (instrument, savepath)
);
CREATE INDEX withdrawn_files_kept ON withdrawn_files (kept) WHERE kept IS NOT NULL
"""


@migrations()
def set_withdrawn_files_aside(db: Database) -> None:
    """Record the files of withdrawn products that were moved to `kept`, or deleted if it is NULL.

    `done_at` is NULL while it is not known whether that has happened. A product that is listed
    again has no row any more once its file is back or wanted.
    """
    run_script(db, _WITHDRAWN_FILES)


_CORRECTIONS = """
ALTER TABLE listings ADD COLUMN target_was TEXT;
ALTER TABLE listings ADD COLUMN progname_was TEXT;
ALTER TABLE listings ADD COLUMN corrected_in INTEGER;
CREATE INDEX listings_corrected ON listings (corrected_in) WHERE corrected_in IS NOT NULL
"""


@migrations()
def record_corrections(db: Database) -> None:
    """Record the target and program of a listing before they were corrected last, and when.

    `corrected_in` is the number of the poll that listed the new ones.
    """
    run_script(db, _CORRECTIONS)


_FINGERPRINTS = """
ALTER TABLE listings ADD COLUMN fingerprint INTEGER;
ALTER TABLE listings ADD COLUMN missed_in INTEGER;
ALTER TABLE listings ADD COLUMN listed_at TEXT;
UPDATE listings SET listed_at = last_listed, missed_in = 0
    WHERE withdrawn_at IS NOT NULL OR (program, instrument, savepath) IN
      (SELECT program, instrument, savepath FROM held_withdrawals);
DROP INDEX listings_by_date
"""


@migrations()
def keep_last_listed_by_poll(db: Database) -> None:
    """Write nothing of a product that is listed as before: the poll says when that was.

    `fingerprint` is that of the row as it was listed last (`winter_sync.core.Fingerprints`), NULL
    where several rows were one listing. `missed_in` is the number of the first poll since then
    whose answer lacked the product although it was asked for its date; NULL while each lists it.
    So a product was last listed by the last poll of its subject that was asked for its date, before
    the one that missed it. `listed_at` is when it was listed by one that was not. The columns and
    the index that this makes useless go with `number_products`, which makes the tables anew.
    """
    run_script(db, _FINGERPRINTS)
