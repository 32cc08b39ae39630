BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'winter-sync','create_tables','2026-11-26 03:59:53.178536+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'winter-sync','tell_who_asked_and_index_the_queue','2026-11-26 03:59:53.179372+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'winter-sync','index_what_is_watched','2026-11-26 03:59:53.179605+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'winter-sync','index_what_is_counted','2026-11-26 03:59:53.179797+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'winter-sync','keep_what_is_looked_at_again','2026-11-26 03:59:53.180103+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'winter-sync','forget_what_cannot_be_checked','2026-11-26 03:59:53.180399+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'winter-sync','record_what_is_verified','2026-11-26 03:59:53.243042+00:00');
CREATE TABLE kept_files (
    path TEXT PRIMARY KEY,
    instrument TEXT NOT NULL,
    savepath TEXT NOT NULL,
    kept_at TEXT NOT NULL
);
INSERT INTO "kept_files" VALUES('kept/one.fits','winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000000-000_stack.fits','2024-02-01T12:01:00.000+00:00');
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
    withdrawn_at TEXT, progname TEXT,
    PRIMARY KEY (program, instrument, savepath),
    FOREIGN KEY (instrument, savepath) REFERENCES products (instrument, savepath)
);
INSERT INTO "listings" VALUES('2024A000','winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000000-000_stack.fits','','SN2024wex','2024-01-31',326.1,50.8,1,'2024-01-31T06:14:25.616000+00:00',999999999,'2024-06-01T00:00:00','2.0',NULL,'2024-02-01T12:00:00.000+00:00','2024-02-01T12:01:00.000+00:00',NULL,NULL);
INSERT INTO "listings" VALUES('2024A000','winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000001-000_stack.fits','','SN2024wex','2024-01-31',326.1,50.8,1,'2024-01-31T06:14:25.616000+00:00',999999999,'2024-02-01T00:00:00','1.0',NULL,'2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,NULL);
INSERT INTO "listings" VALUES('2024A000','winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000002-000_stack.fits','','SN2024wex','2024-01-31',326.1,50.8,1,'2024-01-31T06:14:25.616000+00:00',999999999,'2024-02-01T00:00:00','1.0',NULL,'2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,NULL);
INSERT INTO "listings" VALUES('2024A000','winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000003-000_stack.fits','','SN2024wex','2024-01-31',326.1,50.8,1,'2024-01-31T06:14:25.616000+00:00',999999999,'2024-02-01T00:00:00','1.0',NULL,'2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00','2024-02-01T12:05:00.000+00:00',NULL);
INSERT INTO "listings" VALUES('2024A000','winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000004-000_stack.fits','','SN2024wex','2024-01-31',326.1,50.8,1,'2024-01-31T06:14:25.616000+00:00',999999999,'2024-02-01T00:00:00','1.0',NULL,'2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,NULL);
INSERT INTO "listings" VALUES('2024A000','winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000005-000_stack.fits','','SN2024wex','2024-01-31',326.1,50.8,1,'2024-01-31T06:14:25.616000+00:00',999999999,'2024-02-01T00:00:00','1.0',NULL,'2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,NULL);
INSERT INTO "listings" VALUES('2024B000','winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000009-000_stack.fits','target M31','SN2024wex','2024-01-31',326.1,50.8,1,'2024-01-31T06:14:25.616000+00:00',999999999,'2024-02-01T00:00:00','1.0',NULL,'2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,NULL);
CREATE TABLE mirror (
    id TEXT PRIMARY KEY,
    created_at TEXT NOT NULL
);
INSERT INTO "mirror" VALUES('mirror','2024-02-01T12:00:00.000+00:00');
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
INSERT INTO "polls" VALUES(1,'2024-02-01T12:00:00.000+00:00','2024A000','winter','stack','','2024-01-01',NULL,1,6,6,0,0,0,0,0.0,NULL);
INSERT INTO "polls" VALUES(2,'2024-02-01T12:00:00.000+00:00','2024B000','winter','stack','target M31','2024-01-01',NULL,0,1,1,0,0,0,0,0.0,NULL);
INSERT INTO "polls" VALUES(3,'2024-02-01T12:01:00.000+00:00','2024A000','winter','stack','','2024-01-01',NULL,0,1,0,1,0,0,0,0.0,NULL);
INSERT INTO "polls" VALUES(4,'2024-02-01T12:05:00.000+00:00','2024A000','winter','stack','','2024-01-01',NULL,0,5,0,0,0,1,0,0.0,NULL);
INSERT INTO "polls" VALUES(5,'2024-02-01T12:05:00.000+00:00','2024A000','winter','stack','','2024-01-01',NULL,0,0,0,0,0,0,0,0.0,'the archive did not answer');
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
    settled_pipeversion TEXT, refused_sha256 TEXT, refused_at TEXT, recheck TEXT, mtime_ns INTEGER, checked_at TEXT NOT NULL DEFAULT '', damage TEXT CHECK (damage IN ('missing', 'changed')), damage_reason TEXT,
    PRIMARY KEY (instrument, savepath)
);
INSERT INTO "products" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000000-000_stack.fits','stack','20240130','WINTERcamera_20240131-000000-000_stack.fits','published','2024-02-01T12:00:00.000+00:00','2024-02-01T12:01:00.000+00:00',NULL,0,'',NULL,NULL,2,'winter/20240130/final/WINTERcamera_20240131-000000-000_stack.fits',3,'3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3','2024-02-01T12:01:00.000+00:00','2024-02-01T00:00:00','1.0',NULL,NULL,NULL,7,'2024-02-01T12:05:00.000+00:00',NULL,NULL);
INSERT INTO "products" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000001-000_stack.fits','stack','20240130','WINTERcamera_20240131-000001-000_stack.fits','missing','2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,1,'2024-02-01T13:02:00.000+00:00',NULL,NULL,0,'winter/20240130/final/WINTERcamera_20240131-000001-000_stack.fits',NULL,NULL,NULL,'2024-02-01T00:00:00','1.0',NULL,NULL,NULL,NULL,'',NULL,NULL);
INSERT INTO "products" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000002-000_stack.fits','stack','20240130','WINTERcamera_20240131-000002-000_stack.fits','wanted','2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,1,'2024-02-01T13:03:00.000+00:00','the connection broke',NULL,0,'winter/20240130/final/WINTERcamera_20240131-000002-000_stack.fits',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,NULL);
INSERT INTO "products" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000003-000_stack.fits','stack','20240130','WINTERcamera_20240131-000003-000_stack.fits','published','2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00','2024-02-01T12:05:00.000+00:00',0,'',NULL,NULL,1,'winter/20240130/final/WINTERcamera_20240131-000003-000_stack.fits',5,'8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f','2024-02-01T12:04:00.000+00:00','2024-02-01T00:00:00','1.0',NULL,NULL,NULL,NULL,'2024-02-01T12:04:00.000+00:00',NULL,NULL);
INSERT INTO "products" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000004-000_stack.fits','stack','20240130','WINTERcamera_20240131-000004-000_stack.fits','wanted','2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,0,'',NULL,'killed',0,'winter/20240130/final/WINTERcamera_20240131-000004-000_stack.fits',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,NULL);
INSERT INTO "products" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000005-000_stack.fits','stack','20240130','WINTERcamera_20240131-000005-000_stack.fits','wanted','2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,0,'',NULL,NULL,0,'winter/20240130/final/WINTERcamera_20240131-000005-000_stack.fits',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,NULL);
INSERT INTO "products" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000009-000_stack.fits','stack','20240130','WINTERcamera_20240131-000009-000_stack.fits','wanted','2024-02-01T12:00:00.000+00:00','2024-02-01T12:00:00.000+00:00',NULL,0,'',NULL,NULL,0,'winter/20240130/final/WINTERcamera_20240131-000009-000_stack.fits',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'',NULL,NULL);
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
INSERT INTO "revisions" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000000-000_stack.fits',1,'winter/20240130/final/WINTERcamera_20240131-000000-000_stack.fits',3,'7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed','2024-02-01T12:00:00.000+00:00','2024-02-01T12:01:00.000+00:00','kept/one.fits');
INSERT INTO "revisions" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000000-000_stack.fits',2,'winter/20240130/final/WINTERcamera_20240131-000000-000_stack.fits',3,'3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3','2024-02-01T12:01:00.000+00:00',NULL,NULL);
INSERT INTO "revisions" VALUES('winter','/data/loki/data/winter/20240130/final/WINTERcamera_20240131-000003-000_stack.fits',1,'winter/20240130/final/WINTERcamera_20240131-000003-000_stack.fits',5,'8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f','2024-02-01T12:04:00.000+00:00',NULL,NULL);
CREATE TABLE verifications (
    id INTEGER PRIMARY KEY,
    selection TEXT NOT NULL,
    started_at TEXT NOT NULL,
    finished_at TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX products_claimed ON products (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE UNIQUE INDEX products_by_path ON products (path COLLATE NOCASE);
CREATE INDEX listings_by_product ON listings (instrument, savepath);
CREATE INDEX products_queue ON products (
    attempts, night DESC, not_before, claimed_by, instrument, image_type, state
) WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL;
CREATE INDEX products_sizes ON products (instrument, image_type, published_at, size)
    WHERE size IS NOT NULL;
CREATE INDEX listings_by_date ON listings (program, instrument, nightdate);
CREATE INDEX polls_latest ON polls (program, instrument, image_type, id);
CREATE INDEX polls_sweeps ON polls (program, instrument, image_type, region, at)
    WHERE sweep AND error IS NULL;
CREATE INDEX products_withdrawn ON products (withdrawn_at) WHERE withdrawn_at IS NOT NULL;
CREATE INDEX polls_successful ON polls (program, instrument, image_type, region, at)
    WHERE error IS NULL;
CREATE INDEX products_recheck ON products (instrument, night, image_type, recheck, withdrawn_at)
    WHERE recheck IS NOT NULL;
CREATE INDEX products_checked ON products (checked_at, path) WHERE state = 'published';
CREATE INDEX products_damaged ON products (damage) WHERE damage IS NOT NULL;
CREATE INDEX products_by_night ON products (
    night, instrument, image_type, state, withdrawn_at, damage, size
);
COMMIT;
