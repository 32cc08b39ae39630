"""The views of the catalog: named for the questions people ask, in their words (docs/catalog.md).

The tables are ours and change; the views are a contract: a column may be added to one, and none
goes or changes its meaning. They are no part of any migration. All are dropped before migrations
run and made again from the texts below after them (`make_views`), so a migration may drop, rebuild
or rename tables and columns, which SQLite refuses while a view uses them. Whoever changes a table
that a view reads changes the view here, in the same commit; nothing else is needed.

Each reads few rows of a large catalog if a night is given, or what else docs/catalog.md names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.counting import NOT_KEPT_TYPES
from winter_sync.catalog.found import FACTS, FILTER
from winter_sync.catalog.identities import PATH
from winter_sync.catalog.migration import migrations, run_script
from winter_sync.core import FILTER_NAMES, NO_SURVEY_FIELD

if TYPE_CHECKING:
    import sqlite3

    from winter_sync.catalog.sqlite import Database

_NOT_KEPT = f"p.image_type IN {NOT_KEPT_TYPES}"
_STATE = """
  CASE WHEN p.withdrawn_at IS NOT NULL THEN 'withdrawn'
    WHEN p.state = 'wanted' THEN 'pending' WHEN p.state = 'missing' THEN 'missing'
    WHEN p.damage IS NOT NULL THEN 'damaged' ELSE 'downloaded' END
"""
_IN_NAME = "substr(p.filename, instr(p.filename, '-') - 9, 20)"
_TIME = f"_{'[0-9]' * 8}-{'[0-9]' * 6}-{'[0-9]' * 3}"
_DIGITS = (
    ("", 2, 4),
    ("-", 6, 2),
    ("-", 8, 2),
    ("T", 11, 2),
    (":", 13, 2),
    (":", 15, 2),
    (".", 18, 3),
)
_NAMED_TIME = " || ".join(f"'{mark}' || substr({_IN_NAME}, {at}, {n})" for mark, at, n in _DIGITS)
_STARTED = f"""
  coalesce(f.started_at, CASE WHEN {_IN_NAME} GLOB '{_TIME}'
    THEN strftime('%Y-%m-%dT%H:%M:%f', {_NAMED_TIME}) || '+00:00' END)
"""
"""As `winter_sync.core.exposure_time` has it where no header was read: the listing's is wrong."""

_OF_PRODUCT = "{0}.product = p.id"
_PROGRAMS = f"""
  (SELECT group_concat(o.program, ' ') FROM (SELECT program FROM listings o
    WHERE {_OF_PRODUCT.format("o")} ORDER BY program) o)
"""  # noqa: S608 - our own texts
_FIRST_LISTING = f"""
  listings l ON {_OF_PRODUCT.format("l")} AND NOT EXISTS (SELECT 1 FROM listings o
    WHERE {_OF_PRODUCT.format("o")} AND (o.withdrawn_at IS NOT NULL, o.program)
      < (l.withdrawn_at IS NOT NULL, l.program))
"""  # noqa: S608 - our own texts
"""One listing of each product. Not found by a LIMIT, so that a target can be what is searched."""
_IS_HERE = f"""
  p.sha256 IS NOT NULL AND p.damage IS NOT 'missing'
  AND NOT EXISTS (SELECT 1 FROM withdrawn_files w WHERE {_OF_PRODUCT.format("w")})
"""  # noqa: S608 - our own texts
_TARGET = "l.target COLLATE NOCASE AS target"
_PRODUCT = "p.night, p.instrument AS camera, p.image_type"
_COUNTS = f"""
  sum({{listing}} IS NULL) AS listed,
  sum({{listing}} IS NULL AND p.state = 'published' AND p.damage IS NULL) AS downloaded,
  sum({{listing}} IS NULL AND p.state = 'wanted') AS pending,
  sum({{listing}} IS NULL AND p.state = 'missing' AND NOT {_NOT_KEPT}) AS missing,
  sum({{listing}} IS NULL AND p.state = 'missing' AND {_NOT_KEPT}) AS not_kept,
  sum({{listing}} IS NULL AND p.state = 'published' AND p.damage IS NOT NULL) AS damaged,
  sum({{listing}} IS NOT NULL) AS withdrawn,
  coalesce(sum(CASE WHEN p.damage IS 'missing' THEN 0 ELSE p.size END), 0) AS bytes
"""

_NIGHTS = f"""
SELECT {_PRODUCT}, {_COUNTS.format(listing="p.withdrawn_at")}
FROM products p GROUP BY p.night, p.instrument, p.image_type ORDER BY p.night DESC
"""  # noqa: S608 - our own texts

_NIGHTS_OF_PROGRAMS = f"""
SELECT l.program, {_PRODUCT}, {_COUNTS.format(listing="l.withdrawn_at")},
  (SELECT s.settled_at FROM settled_nights s WHERE s.program = l.program AND s.night = p.night
    AND NOT EXISTS (SELECT 1 FROM night_changes c WHERE c.program = s.program
      AND c.night = s.night AND c.noticed < c.changes)) AS settled_utc
FROM products p CROSS JOIN listings l ON {_OF_PRODUCT.format("l")}
GROUP BY p.night, p.instrument, p.image_type, l.program ORDER BY p.night DESC
"""  # noqa: S608 - our own texts

_PRODUCTS_LISTED = f"""
SELECT {_PRODUCT}, {_STATE} AS state, {_TARGET}, {FILTER} AS filter, {_STARTED} AS started_utc,
  {_PROGRAMS} AS programs, l.ra, l.dec, nullif(l.fieldid, {NO_SURVEY_FIELD}) AS field,
  {_IS_HERE} AS is_here, {PATH}, p.size AS bytes, p.published_at AS downloaded_utc,
  p.withdrawn_at AS withdrawn_utc, p.first_listed AS first_listed_utc,
  l.pipeversion AS pipeline_version, l.lastmodified AS last_modified
FROM products p JOIN {_FIRST_LISTING} LEFT JOIN {FACTS} WHERE 1
"""  # noqa: S608 - our own texts

_DOWNLOADS = f"""
SELECT p.published_at AS downloaded_utc, {_PRODUCT}, {_STATE} AS state, {_TARGET},
  {FILTER} AS filter,
  {_STARTED} AS started_utc, {_PROGRAMS} AS programs, {_IS_HERE} AS is_here, {PATH},
  p.size AS bytes, p.sha256, p.revision
FROM products p JOIN {_FIRST_LISTING} LEFT JOIN {FACTS}
WHERE p.published_at IS NOT NULL
"""  # noqa: S608 - our own texts

_MISSING_COLUMNS = f"""
SELECT {_PRODUCT}, {{state}} AS state, {_TARGET}, {_PROGRAMS} AS programs, p.attempts AS tries,
  {{why}} AS why, nullif(p.not_before, '') AS next_try_utc, p.first_listed AS first_listed_utc,
  {PATH}
"""
_WHY = """
  coalesce(p.last_error, CASE p.state WHEN 'missing' THEN 'the archive has no file of it now' END)
"""
# The condition on `refetch` is always true. It lets SQLite read the queue (`products_queue`) alone.
_WHAT_IS_MISSING = f"""
{_MISSING_COLUMNS.format(state=_STATE, why=_WHY)}
FROM products p JOIN {_FIRST_LISTING}
WHERE p.withdrawn_at IS NULL AND p.state IN ('wanted', 'missing')
  AND NOT (p.state = 'missing' AND {_NOT_KEPT}) AND p.refetch >= ''
UNION ALL
{_MISSING_COLUMNS.format(state="'damaged'", why="p.damage_reason")}
FROM products p JOIN {_FIRST_LISTING}
WHERE p.withdrawn_at IS NULL AND p.state = 'published' AND p.damage IS NOT NULL
"""

_WHAT_CHANGED = f"""
SELECT v.replaced_at AS replaced_utc, {_PRODUCT}, {_TARGET}, v.revision AS old_revision,
  v.size AS old_bytes, iif(n.product IS NULL, p.size, n.size) AS new_bytes,
  v.sha256 AS old_sha256, iif(n.product IS NULL, p.sha256, n.sha256) AS new_sha256,
  v.pipeversion AS old_pipeline_version,
  iif(n.product IS NULL, p.settled_pipeversion, n.pipeversion) AS new_pipeline_version,
  v.published_at AS old_downloaded_utc, v.kept AS old_kept_as, {PATH}
FROM revisions v JOIN products p ON {_OF_PRODUCT.format("v")} JOIN {_FIRST_LISTING}
LEFT JOIN revisions n ON {_OF_PRODUCT.format("n")} AND n.revision = v.revision + 1
LEFT JOIN {FACTS} WHERE v.replaced_at IS NOT NULL
"""  # noqa: S608 - our own texts

_IMAGES = f"""
SELECT {_PRODUCT}, {_STATE} AS state, f.target COLLATE NOCASE AS target, f.filter,
  f.started_at AS started_utc, f.mjd, f.exposure_time AS exposure_seconds, f.coadds,
  f.limiting_magnitude, f.seeing AS seeing_arcsec, f.zero_point, f.airmass, f.background, f.board,
  f.dither, f.dithers, f.ra, f.dec, f.astrometric_error AS astrometric_error_arcsec,
  f.pixel_scale AS pixel_scale_arcsec, f.width, f.height, f.note, {PATH}, p.size AS bytes
FROM products p JOIN {FACTS}
WHERE p.image_type != 'avro' AND {_IS_HERE}
"""  # noqa: S608 - our own texts

_DEPTH = f"""
SELECT f.target, {_PRODUCT}, f.filter, count(*) AS images,
  sum(f.exposure_time) AS exposure_seconds, max(f.limiting_magnitude) AS deepest,
  avg(f.limiting_magnitude) AS mean_limiting_magnitude, min(f.seeing) AS best_seeing_arcsec,
  avg(f.seeing) AS mean_seeing_arcsec
FROM products p JOIN {FACTS}
WHERE f.limiting_magnitude IS NOT NULL AND p.image_type != 'avro' AND {_IS_HERE}
GROUP BY f.target, p.night, p.instrument, p.image_type, f.filter
"""  # noqa: S608 - our own texts

_ALERT_FILTER = " ".join(f"WHEN {number} THEN '{name}'" for number, name in FILTER_NAMES.items())
_ALERTS_FOUND = f"""
SELECT a.objectid AS object, a.candid AS candidate, p.night, p.instrument AS camera,
  strftime('%Y-%m-%dT%H:%M:%f', a.jd) || '+00:00' AS observed_utc, a.jd, a.ra, a.dec,
  CASE a.fid {_ALERT_FILTER} ELSE CAST(a.fid AS TEXT) END AS filter,
  a.magpsf AS magnitude, a.sigmapsf AS magnitude_error, a.diffmaglim AS limiting_magnitude,
  CASE a.isdiffpos WHEN 1 THEN 'brighter' WHEN 0 THEN 'fainter' END AS than_reference,
  a.rb AS real_bogus, a.scorr AS significance, a.fwhm AS fwhm_pixels,
  a.ndethist AS detections_so_far, a.ssnamenr AS solar_system_object,
  a.progname AS program, {PATH}
FROM products p JOIN {FACTS} JOIN alerts a ON a.facts = f.id
"""  # noqa: S608 - our own texts

_POLLS_FAILED = """
SELECT q.at AS failed_utc, q.program, q.instrument AS camera, q.image_type, q.region,
  q.start AS first_date, q."end" AS last_date, q.seconds, q.error AS why
FROM polls q WHERE q.error IS NOT NULL ORDER BY q.id DESC
"""


def _with_either_target(query: str, *, sign: str = "") -> str:
    """Return a query with the target that is listed, or where none is that of the header.

    In two parts, so that an index finds a target of either. What is listed without a target is
    found by an index, too, as few products are; a sign has SQLite begin with what is asked for.
    """
    listed = f"{query} AND (+l.target) IS NOT NULL"
    other = query.replace(_TARGET, "f.target COLLATE NOCASE AS target")
    return f"{listed} UNION ALL {other} AND ({sign}l.target) IS NULL"


VIEWS = {
    "nights": _NIGHTS,
    "nights_of_programs": _NIGHTS_OF_PROGRAMS,
    "products_listed": _with_either_target(_PRODUCTS_LISTED, sign="+"),
    "downloads": f"{_with_either_target(_DOWNLOADS)} ORDER BY downloaded_utc DESC",
    "what_is_missing": _WHAT_IS_MISSING,
    "what_changed": f"{_with_either_target(_WHAT_CHANGED)} ORDER BY replaced_utc DESC",
    "images": _IMAGES,
    "depth_by_target_and_night": _DEPTH,
    "alerts_found": _ALERTS_FOUND,
    "polls_failed": _POLLS_FAILED,
}
"""The query of each view."""

_STATEMENTS = {name: f"CREATE VIEW {name} AS {query.strip()}" for name, query in VIEWS.items()}


def are_views_current(db: sqlite3.Connection | Database) -> bool:
    """Return whether all views are there, as this program makes them."""
    found = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'")
    return _STATEMENTS.items() <= dict(found.fetchall()).items()


def drop_views(db: Database) -> None:
    """Drop the views, inside the open transaction: they forbid some changes of tables."""
    for name in VIEWS:
        db.execute(f"DROP VIEW IF EXISTS {name}")


def make_views(db: Database) -> None:
    """Make the views as they should be, inside the open transaction."""
    drop_views(db)
    for statement in _STATEMENTS.values():
        db.execute(statement)


_INDEXES = """
CREATE INDEX revisions_replaced ON revisions (replaced_at) WHERE replaced_at IS NOT NULL;
CREATE INDEX facts_of_depth ON facts (target) WHERE limiting_magnitude IS NOT NULL
"""


@migrations()
def index_what_views_ask(db: Database) -> None:
    """Find what was replaced last, and how deep a target is, without reading everything.

    The index of targets is one of the names as they are written: SQLite searches groups by no
    other.
    """
    run_script(db, _INDEXES)
