"""The SQL of the catalog, as texts: what is executed with them is the catalog's.

Where one has braces, only our own conditions and question marks are put in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.rows import subject_values
from winter_sync.core import NOT_KEPT

if TYPE_CHECKING:
    from winter_sync.catalog.records import Scope

KNOWN = """
SELECT instrument, savepath, image_type, night, state, withdrawn_at,
  settled_lastmodified, settled_pipeversion
FROM products WHERE instrument = ? AND savepath IN ({})
"""
EXPECTED = """
SELECT p.instrument, p.savepath, p.image_type, p.night
FROM listings l JOIN products p USING (instrument, savepath)
WHERE l.program = ? AND l.instrument = ? AND p.image_type = ? AND l.region = ?
  AND l.withdrawn_at IS NULL AND l.nightdate >= ? AND l.nightdate < ? AND l.nightdate <= ?
"""
PRESENT = "SELECT instrument, savepath FROM products WHERE instrument = ? AND savepath IN ({})"
ENTER = """
INSERT INTO products (instrument, savepath, image_type, night, filename, path, state,
  first_listed, last_listed) VALUES (?, ?, ?, ?, ?, ?, 'wanted', ?, ?) ON CONFLICT DO NOTHING
"""
SEE = "UPDATE products SET last_listed = ? WHERE instrument = ? AND savepath = ?"
RETURN = """
UPDATE products SET withdrawn_at = NULL
WHERE instrument = ? AND savepath = ? AND withdrawn_at IS NOT NULL
"""
LIST = """
INSERT INTO listings (program, instrument, savepath, region, target, nightdate, ra, dec, fid,
  utctime, fieldid, lastmodified, pipeversion, extra, progname, first_listed, last_listed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (program, instrument, savepath) DO UPDATE SET region = excluded.region,
  target = excluded.target, nightdate = excluded.nightdate, ra = excluded.ra, dec = excluded.dec,
  fid = excluded.fid, utctime = excluded.utctime, fieldid = excluded.fieldid,
  lastmodified = excluded.lastmodified, pipeversion = excluded.pipeversion,
  extra = excluded.extra, progname = excluded.progname, last_listed = excluded.last_listed,
  withdrawn_at = NULL
"""
WANT = """
UPDATE products SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
  recheck = CASE WHEN sha256 IS NULL OR damage IS NOT NULL THEN NULL ELSE 'held' END
WHERE instrument = ? AND savepath = ?
"""
RECHECKED = """
SELECT coalesce(sum(recheck = 'held'), 0) AS held, coalesce(sum(recheck = 'sample'), 0) AS sample,
  coalesce(sum(recheck = 'same'), 0) AS same
FROM products
WHERE instrument = ? AND night = ? AND image_type = ? AND recheck IS NOT NULL
  AND withdrawn_at IS NULL
"""
HELD_BACK = """
SELECT instrument, savepath, settled_lastmodified, settled_pipeversion FROM products
WHERE instrument = ? AND night = ? AND image_type = ? AND recheck = 'held' AND withdrawn_at IS NULL
ORDER BY savepath
"""
LISTED_MARKS = """
SELECT group_concat(lastmodified, char(10)) AS lastmodified,
  group_concat(pipeversion, char(10)) AS pipeversion
FROM listings WHERE instrument = ? AND savepath = ? AND withdrawn_at IS NULL
"""
SAMPLE = "UPDATE products SET recheck = 'sample' WHERE instrument = ? AND savepath = ?"
END_RECHECK = """
UPDATE products SET recheck = NULL
WHERE instrument = ? AND night = ? AND image_type = ? AND recheck IS NOT NULL
"""
ASK_AGAIN = """
UPDATE products AS p SET state = 'wanted', not_before = ''
WHERE p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL AND p.not_before > ''
  AND {condition} AND {listed}
"""
UNLIST = """
UPDATE listings SET withdrawn_at = ? WHERE program = ? AND instrument = ? AND savepath = ?
"""
WITHDRAW = """
UPDATE products SET withdrawn_at = ? WHERE instrument = ? AND savepath = ?
  AND NOT EXISTS (SELECT 1 FROM listings l WHERE l.instrument = products.instrument
    AND l.savepath = products.savepath AND l.withdrawn_at IS NULL)
"""
FORGET_POLLS = """
DELETE FROM polls WHERE id <= (SELECT max(id) FROM polls) - ? AND NOT sweep
"""
# The sign changes no value. Without it SQLite since 3.51 makes a join of such a condition, and then
# reads all products of an instrument to choose a few from the head of the queue.
LISTED_UNDER = """
+EXISTS (SELECT 1 FROM listings l WHERE l.program IN ({programs})
  AND l.instrument = p.instrument AND l.savepath = p.savepath AND l.withdrawn_at IS NULL)
"""
EVER_LISTED_UNDER = """
+EXISTS (SELECT 1 FROM listings l WHERE l.program IN ({programs})
  AND l.instrument = p.instrument AND l.savepath = p.savepath)
"""
LISTED_BY = """
+EXISTS (SELECT 1 FROM listings b WHERE b.instrument = p.instrument AND b.savepath = p.savepath
  AND (b.program, b.instrument, p.image_type, b.region) IN (VALUES {rows}))
"""
CANDIDATES = f"""
WITH chosen AS MATERIALIZED (
  SELECT p.* FROM products p INDEXED BY products_queue
  WHERE p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL AND p.claimed_by IS NULL
    AND (p.not_before <= ? OR p.not_before > ?) AND p.recheck IS NOT 'held'
    AND {{condition}} AND {LISTED_UNDER}
  ORDER BY p.attempts, p.night DESC, instr(?, p.image_type), p.savepath LIMIT ?
), usual AS MATERIALIZED (
  SELECT instrument, image_type, (
    SELECT avg(size) FROM (
      SELECT size FROM products s
      WHERE s.instrument = kinds.instrument AND s.image_type = kinds.image_type
        AND s.size IS NOT NULL ORDER BY s.published_at DESC LIMIT ?)) AS usual_size
  FROM (SELECT DISTINCT instrument, image_type FROM chosen) AS kinds
)
SELECT c.*, usual_size, group_concat(l.lastmodified, char(10)) AS lastmodified,
  group_concat(l.pipeversion, char(10)) AS pipeversion,
  CASE WHEN c.refused_at <= ? OR c.refused_at > ? THEN c.refused_sha256 END AS refused_long_ago,
  (SELECT min(program) FROM listings o
   WHERE o.instrument = c.instrument AND o.savepath = c.savepath AND o.withdrawn_at IS NULL
     AND o.program IN ({{programs}})) AS program
FROM chosen c JOIN usual USING (instrument, image_type) CROSS JOIN listings l
WHERE l.instrument = c.instrument AND l.savepath = c.savepath AND l.withdrawn_at IS NULL
GROUP BY c.instrument, c.savepath
ORDER BY c.attempts, c.night DESC, instr(?, c.image_type), c.savepath
"""  # noqa: S608 - see the top
WANTED = f"""
SELECT night, instrument, image_type, count(*) AS products, sum(attempts > 0) AS failed
FROM products p
WHERE p.state = 'wanted' AND p.withdrawn_at IS NULL AND p.claimed_by IS NULL
  AND {{condition}} AND {LISTED_UNDER}
GROUP BY night, instrument, image_type
"""  # noqa: S608 - see the top
NEXT_RETRY = f"""
SELECT min(CASE WHEN p.not_before > ? THEN '' ELSE p.not_before END) AS soonest FROM products p
WHERE p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL AND p.claimed_by IS NULL
  AND p.recheck IS NOT 'held' AND {{condition}} AND {LISTED_UNDER}
"""  # noqa: S608 - see the top
WAITING = f"""
SELECT p.state, count(*) AS products, min(p.not_before) AS soonest FROM products p
WHERE p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL
  AND p.not_before > ? AND p.not_before <= ? AND {{condition}} AND {LISTED_UNDER}
GROUP BY p.state
"""  # noqa: S608 - see the top
HELD_CONTENT = """
SELECT revision, sha256, recheck, settled_lastmodified, settled_pipeversion
FROM products WHERE instrument = ? AND savepath = ?
"""
CLAIM = """
UPDATE products SET claimed_by = ? WHERE instrument = ? AND savepath = ?
  AND claimed_by IS NULL AND state IN ('wanted', 'missing')
"""
NOTE_REFUSAL = """
UPDATE products SET refused_sha256 = ?, refused_at = ?
WHERE instrument = ? AND savepath = ? AND refused_sha256 IS NOT ?
"""
NIGHT_COUNTS = """
SELECT night, instrument, image_type,
  sum(state = 'published' AND damage IS NULL) AS published,
  sum(state = 'published' AND damage IS NOT NULL AND withdrawn_at IS NULL) AS damaged,
  sum(state = 'wanted' AND withdrawn_at IS NULL) AS wanted,
  sum(state = 'missing' AND withdrawn_at IS NULL) AS missing,
  sum(withdrawn_at IS NOT NULL) AS withdrawn,
  coalesce(sum(CASE WHEN damage IS 'missing' THEN 0 ELSE size END), 0) AS size,
  sum(state = 'published' AND damage IS NULL AND withdrawn_at IS NOT NULL) AS withdrawn_here,
  coalesce(sum(CASE WHEN withdrawn_at IS NOT NULL AND damage IS NOT 'missing' THEN size END), 0)
    AS withdrawn_size
FROM products p
WHERE {condition} AND {listed}
GROUP BY night, instrument, image_type ORDER BY night DESC, instrument, image_type
"""
TROUBLES = f"""
SELECT * FROM products p
WHERE p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL AND p.attempts > 0
  AND {{condition}} AND {LISTED_UNDER}
ORDER BY p.night DESC, p.instrument, p.savepath LIMIT ?
"""  # noqa: S608 - see the top
HELD = """
SELECT total - withdrawn - queued - damaged AS published, withdrawn, damaged FROM (
  SELECT (SELECT count(*) FROM products) AS total,
    (SELECT count(*) FROM products WHERE withdrawn_at IS NOT NULL) AS withdrawn,
    (SELECT count(*) FROM products
     WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL) AS queued,
    (SELECT count(*) FROM products WHERE damage IS NOT NULL AND state = 'published'
     AND withdrawn_at IS NULL) AS damaged)
"""
QUEUE = """
SELECT night, state, claimed_by IS NOT NULL AS claimed, count(*) AS products
FROM products p INDEXED BY products_queue
WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL AND {listed}
GROUP BY night, state, claimed
"""
_NOT_KEPT = f"({', '.join(f'{str(image_type)!r}' for image_type in NOT_KEPT)})"
_QUEUED = f"""
  sum(p.state = 'wanted') AS wanted,
  sum(p.state = 'wanted' AND p.attempts > 0) AS failed,
  sum(p.state = 'missing' AND p.image_type NOT IN {_NOT_KEPT}) AS missing,
  sum(p.state = 'missing' AND p.image_type IN {_NOT_KEPT}) AS not_kept,
  min(CASE WHEN p.state = 'wanted' AND p.attempts > 0 THEN p.not_before END) AS retried_at,
  min(CASE WHEN p.state = 'missing' AND p.image_type NOT IN {_NOT_KEPT} THEN p.not_before END)
    AS asked_at
"""
QUEUED = f"""
SELECT count(*) AS queued, {_QUEUED} FROM products p INDEXED BY products_queue
WHERE p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL
  AND (? IS NULL OR p.night = ?) AND {{listed}}
"""  # noqa: S608 - see the top
QUEUED_BY_PROGRAM = f"""
SELECT l.program, {_QUEUED} FROM products p INDEXED BY products_queue
CROSS JOIN listings l USING (instrument, savepath)
WHERE p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL
  AND (? IS NULL OR p.night = ?) AND l.withdrawn_at IS NULL AND l.program IN ({{programs}})
GROUP BY l.program
"""  # noqa: S608 - see the top
LISTED_BY_PROGRAM = """
SELECT program, count(*) AS products FROM listings
WHERE withdrawn_at IS NULL AND program IN ({programs}) GROUP BY program
"""
LISTED_OF_NIGHT = """
SELECT l.program, count(*) AS products
FROM products p CROSS JOIN listings l USING (instrument, savepath)
WHERE p.night = ? AND l.withdrawn_at IS NULL AND l.program IN ({programs}) GROUP BY l.program
"""
NIGHTS_NOT_ALL_HERE = f"""
SELECT DISTINCT night FROM products p INDEXED BY products_queue
WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL
  AND NOT (state = 'missing' AND image_type IN {_NOT_KEPT}) AND {{listed}}
"""  # noqa: S608 - see the top
NIGHT_HERE_BEFORE = """
SELECT max(night) AS night FROM products p
WHERE night < ? AND state = 'published' AND withdrawn_at IS NULL
"""
PROGRAMS_LISTED = """
WITH RECURSIVE found (program) AS (
  SELECT min(program) FROM listings UNION ALL
  SELECT (SELECT min(program) FROM listings WHERE program > found.program) FROM found
  WHERE found.program IS NOT NULL)
SELECT program FROM found WHERE program IS NOT NULL
"""
NIGHT_BEFORE = "SELECT max(night) AS night FROM products WHERE night < ?"
LAST_SWEEP = """
SELECT max(at) AS at FROM polls WHERE sweep AND error IS NULL AND program = ?
  AND instrument = ? AND image_type = ? AND region = ?
"""
MARK_SWEEP = """
UPDATE polls SET sweep = 1 WHERE id = (SELECT max(id) FROM polls WHERE error IS NULL
  AND program = ? AND instrument = ? AND image_type = ? AND region = ?)
"""
LAST_SUCCESS = """
SELECT max(at) AS at FROM polls WHERE error IS NULL AND program = ? AND instrument = ?
  AND image_type = ? AND region = ?
"""
_POLLS_OF = """
FROM polls INDEXED BY polls_latest
WHERE program = ? AND instrument = ? AND image_type = ? AND region = ?
"""
LAST_ANSWER = f"""
SELECT id, at {_POLLS_OF} AND error IS NULL ORDER BY id DESC LIMIT 1
"""
ANSWER_FOR_DATE = f"""
SELECT id, at, faults {_POLLS_OF} AND error IS NULL AND start <= ? AND ("end" IS NULL OR "end" >= ?)
ORDER BY id DESC LIMIT 1
"""
FAILURES_SINCE = f"""
SELECT id, at, error, start, "end" {_POLLS_OF} AND error IS NOT NULL AND id > ? ORDER BY id
"""
LAST_POLLS = """
SELECT program, instrument, image_type, at, listed, error FROM polls WHERE id IN (
  SELECT max(id) FROM polls GROUP BY program, instrument, image_type)
ORDER BY program, instrument, image_type
"""
_FILE = """
p.instrument, p.savepath, p.image_type, p.night, p.path, p.size, p.sha256, p.mtime_ns,
  p.published_at, p.checked_at, p.damage, p.withdrawn_at
"""
HELD_NIGHTS = """
SELECT DISTINCT night FROM products p WHERE p.state = 'published' AND {condition}
ORDER BY night DESC
"""
HELD_OF_NIGHT = f"""
SELECT {_FILE} FROM products p
WHERE p.night = ? AND p.state = 'published' AND {{condition}} AND {{listed}} ORDER BY p.path
"""  # noqa: S608 - see the top
TO_CHECK = f"""
SELECT {_FILE} FROM products p INDEXED BY products_checked
WHERE p.state = 'published' AND p.checked_at < ? AND (p.checked_at, p.path) > (?, ?)
  AND {{condition}} AND {{listed}}
ORDER BY p.checked_at, p.path LIMIT ?
"""  # noqa: S608 - see the top
COUNT_HELD = """
SELECT count(*) AS files, coalesce(sum(p.size), 0) AS size,
  coalesce(sum(p.checked_at < ?), 0) AS left,
  coalesce(sum(CASE WHEN p.checked_at < ? THEN p.size ELSE 0 END), 0) AS size_left
FROM products p WHERE p.state = 'published' AND {condition} AND {listed}
"""
_SAME_FILE = """
instrument = ? AND savepath = ? AND sha256 = ? AND published_at = ?
  AND state = 'published' AND claimed_by IS NULL
"""
RECORD_CHECK = f"""
UPDATE products SET damage = ?, damage_reason = ?, mtime_ns = coalesce(?, mtime_ns),
  checked_at = ? WHERE {_SAME_FILE}
"""  # noqa: S608 - see the top
RECORD_LOOK = f"""
UPDATE products SET damage = ?, damage_reason = ? WHERE {_SAME_FILE}
"""  # noqa: S608 - see the top
POSTPONE_CHECK = f"UPDATE products SET checked_at = ? WHERE {_SAME_FILE}"  # noqa: S608 - see the top
WANT_LOST = f"""
UPDATE products SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
  recheck = NULL, damage = 'missing', damage_reason = ? WHERE {_SAME_FILE}
"""  # noqa: S608 - see the top
WANT_DAMAGED = """
UPDATE products AS p SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
  recheck = NULL
WHERE p.damage IS NOT NULL AND p.claimed_by IS NULL
  AND (p.damage = 'missing' OR p.withdrawn_at IS NULL) AND {condition} AND {listed}
"""
CHECK_DAMAGED_AGAIN = """
UPDATE products AS p SET checked_at = ''
WHERE p.damage IS NOT NULL AND p.state = 'published' AND {condition} AND {listed}
"""
DAMAGED = """
SELECT p.*, (SELECT group_concat(program, ' ') FROM listings o
   WHERE o.instrument = p.instrument AND o.savepath = p.savepath AND o.withdrawn_at IS NULL)
   AS programs
FROM products p INDEXED BY products_damaged
WHERE p.damage IS NOT NULL AND (p.state = 'published' OR p.withdrawn_at IS NULL)
  AND {condition} AND {listed}
ORDER BY p.night DESC, p.path LIMIT ?
"""
COUNT_DAMAGED = """
SELECT p.damage AS damage, count(*) AS files FROM products p INDEXED BY products_damaged
WHERE p.damage IS NOT NULL AND (p.state = 'published' OR p.withdrawn_at IS NULL)
  AND {condition} AND {listed} GROUP BY p.damage
"""
DAMAGED_BY_PROGRAM = """
SELECT l.program, count(*) AS products FROM products p INDEXED BY products_damaged
CROSS JOIN listings l USING (instrument, savepath)
WHERE p.damage IS NOT NULL AND p.state = 'published' AND (? IS NULL OR p.night = ?)
  AND l.withdrawn_at IS NULL AND l.program IN ({programs})
GROUP BY l.program
"""
LISTING_PROGRAMS = """
SELECT instrument, savepath, program FROM listings
WHERE instrument = ? AND savepath IN ({}) AND withdrawn_at IS NULL
"""
DAMAGED_NIGHTS = """
SELECT DISTINCT night FROM products INDEXED BY products_damaged
WHERE damage IS NOT NULL AND state = 'published'
"""
PATHS = "SELECT path FROM products WHERE path COLLATE NOCASE IN ({})"
KEPT = """
SELECT path FROM kept_files WHERE path IN ({0})
UNION SELECT kept AS path FROM revisions WHERE kept IN ({0})
"""
KEEP = """
INSERT INTO kept_files (path, instrument, savepath, kept_at) VALUES (?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
UNFINISHED = """
SELECT id, started_at FROM verifications
WHERE selection = ? AND finished_at IS NULL AND started_at > ? AND started_at <= ?
ORDER BY id DESC LIMIT 1
"""
FORGET_VERIFICATIONS = """
DELETE FROM verifications WHERE id <= (SELECT max(id) FROM verifications) - ?
"""


def where(scope: Scope) -> tuple[str, list[str]]:
    """Give the condition on `products` (named p) that a scope is, and its parameters."""
    clauses, values = ["1"], list[str]()
    for column, words in (
        ("image_type", scope.image_types),
        ("instrument", scope.instruments),
    ):
        if words:
            clauses.append(f"p.{column} IN ({placeholders(len(words))})")
            values += [str(word) for word in words]
    for sign, night in ((">=", scope.first_night), ("<=", scope.last_night)):
        if night is not None:
            clauses.append(f"p.night {sign} ?")
            values.append(night.name)
    if scope.nights:
        clauses.append(f"p.night IN ({placeholders(len(scope.nights))})")
        values += [night.name for night in scope.nights]
    if scope.damaged:
        clauses.append("p.damage IS NOT NULL")
    if scope.subjects:
        rows = ", ".join(["(?, ?, ?, ?)"] * len(scope.subjects))
        clauses.append(LISTED_BY.format(rows=rows))
        for one in scope.subjects:
            values += subject_values(one)
    return " AND ".join(clauses), values


def within(scope: Scope, statement: str) -> tuple[str, list[str]]:
    """Confine a statement to a scope and to what its programs list; gives its parameters, too."""
    condition, values = where(scope)
    programs = placeholders(len(scope.programs))
    return statement.format(condition=condition, programs=programs), [*values, *scope.programs]


def placeholders(count: int) -> str:
    """Give so many question marks."""
    return ", ".join("?" * count)
