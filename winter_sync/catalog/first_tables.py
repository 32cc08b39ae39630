"""The tables of the first edition of the catalog; later editions are changes of them."""

from __future__ import annotations

FIRST_TABLES = """
CREATE TABLE mirror (
    id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL
);
CREATE TABLE products (
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    image_type TEXT NOT NULL,
    night TEXT NOT NULL,
    filename TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('wanted', 'published', 'missing')),
    first_listed TEXT NOT NULL,
    last_listed TEXT NOT NULL,
    withdrawn_at TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    not_before TEXT NOT NULL DEFAULT '',
    last_error TEXT,
    claimed_by TEXT,
    revision INTEGER NOT NULL DEFAULT 0,
    path TEXT NOT NULL,
    size INTEGER,
    sha256 TEXT,
    published_at TEXT,
    settled_lastmodified TEXT,
    settled_pipeversion TEXT,
    PRIMARY KEY (instrument, savepath)
);
CREATE INDEX products_by_state ON products (state, night DESC);
CREATE INDEX products_by_night ON products (night, instrument, image_type);
CREATE INDEX products_claimed ON products (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE UNIQUE INDEX products_by_path ON products (path COLLATE NOCASE);
CREATE TABLE listings (
    program TEXT NOT NULL,
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    region TEXT NOT NULL,
    target TEXT,
    nightdate TEXT,
    ra REAL,
    dec REAL,
    fid INTEGER,
    utctime TEXT,
    fieldid INTEGER,
    lastmodified TEXT,
    pipeversion TEXT,
    extra TEXT,
    first_listed TEXT NOT NULL,
    last_listed TEXT NOT NULL,
    withdrawn_at TEXT,
    PRIMARY KEY (program, instrument, savepath),
    FOREIGN KEY (instrument, savepath) REFERENCES products (instrument, savepath)
);
CREATE INDEX listings_by_product ON listings (instrument, savepath);
CREATE TABLE revisions (
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    revision INTEGER NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    published_at TEXT NOT NULL,
    replaced_at TEXT,
    kept TEXT,
    PRIMARY KEY (instrument, savepath, revision),
    FOREIGN KEY (instrument, savepath) REFERENCES products (instrument, savepath)
);
CREATE TABLE polls (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    program TEXT NOT NULL,
    instrument TEXT NOT NULL,
    image_type TEXT NOT NULL,
    region TEXT NOT NULL,
    start TEXT NOT NULL,
    "end" TEXT,
    sweep INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    new INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    returned INTEGER NOT NULL,
    withdrawn INTEGER NOT NULL,
    faults INTEGER NOT NULL,
    seconds REAL NOT NULL,
    error TEXT
);
CREATE INDEX polls_by_selection ON polls (program, instrument, image_type, region, at);
"""
