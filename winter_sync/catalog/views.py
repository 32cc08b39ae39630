"""The mirror in numbers: nights, programs, the queue, troubles, how complete it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import ALL_OF_PRODUCT, PRODUCT
from winter_sync.catalog.programs import unless_all
from winter_sync.catalog.records import ProgramSummary, QueueCount
from winter_sync.catalog.rows import night_count_of, night_of, queue_count_of, trouble_of
from winter_sync.catalog.scopes import (
    Condition,
    in_scope,
    listed_ever,
    listed_now,
    of_types,
    parameters,
    within,
)
from winter_sync.core import NOT_KEPT, Refetch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import NightCount, Scope, Trouble
    from winter_sync.core import ImageType, Night

_NO_NIGHT = ":"
"""Sorts after every night."""
_QUEUED = "p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL"
_NOT_KEPT = f"({', '.join(f'{str(image_type)!r}' for image_type in NOT_KEPT)})"
_QUEUE_COUNTS = f"""
  sum(p.state = 'wanted') AS wanted,
  sum(p.state = 'wanted' AND p.attempts > 0) AS failed,
  sum(p.state = 'missing' AND p.image_type NOT IN {_NOT_KEPT}) AS missing,
  sum(p.state = 'missing' AND p.image_type IN {_NOT_KEPT}) AS not_kept,
  min(CASE WHEN p.state = 'wanted' AND p.attempts > 0 THEN p.not_before END) AS retried_at,
  min(CASE WHEN p.state = 'missing' AND p.image_type NOT IN {_NOT_KEPT} THEN p.not_before END)
    AS asked_at
"""


class Views:
    """The mirror in numbers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _NIGHT_COUNTS = """
    SELECT night, instrument, image_type,
      sum(n * (state = 'published' AND damage IS NULL)) AS published,
      sum(n * (state = 'published' AND damage IS NOT NULL AND withdrawn_at IS NULL)) AS damaged,
      sum(n * (state = 'wanted' AND withdrawn_at IS NULL)) AS wanted,
      sum(n * (state = 'missing' AND withdrawn_at IS NULL)) AS missing,
      sum(n * (withdrawn_at IS NOT NULL)) AS withdrawn,
      coalesce(sum(CASE WHEN state = 'published' AND damage IS NULL THEN bytes END), 0) AS size,
      sum(n * (state = 'published' AND damage IS NULL AND withdrawn_at IS NOT NULL))
        AS withdrawn_here,
      coalesce(sum(CASE WHEN state = 'published' AND damage IS NULL AND withdrawn_at IS NOT NULL
        THEN bytes END), 0) AS withdrawn_size
    FROM (
      SELECT night, instrument, image_type, state, withdrawn_at, damage, count(*) AS n,
        sum(size) AS bytes
      FROM products p WHERE {condition}
      GROUP BY night, instrument, image_type, state, withdrawn_at, damage)
    GROUP BY night, instrument, image_type ORDER BY night DESC, instrument, image_type
    """
    """Groups in the order of the index first: eight sums at each product cost three times that."""

    def night_counts(self, scope: Scope) -> list[NightCount]:
        """Count products by night, instrument, type and state; the newest night first."""
        condition = in_scope(scope) & unless_all(self._connection, listed_ever, scope.programs)
        sql = self._NIGHT_COUNTS.format(condition=condition.sql)
        return self._connection.read(night_count_of, sql, condition.values)

    _FAILED = f"""
    SELECT {ALL_OF_PRODUCT} FROM products p INDEXED BY products_queue
    WHERE {_QUEUED} AND p.state = 'wanted' AND p.attempts > 0
      AND p.refetch IN ({", ".join(f"'{reason}'" for reason in Refetch)}) AND {{condition}}
    ORDER BY p.refetch, p.attempts, p.night DESC LIMIT :limit
    """  # noqa: S608 - our own conditions

    def failed(self, scope: Scope, limit: int) -> list[Trouble]:
        """Return products that failed to download, the fewest attempts first: from the queue."""
        condition = within(scope)
        sql = self._FAILED.format(condition=condition.sql)
        return self._connection.read(trouble_of, sql, {**condition.values, "limit": limit})

    _NIGHTS_BEFORE = """
    WITH RECURSIVE known(last) AS (
      SELECT (SELECT max(night) FROM products WHERE night < :before)
      UNION ALL
      SELECT (SELECT max(night) FROM products WHERE night < known.last) FROM known
      WHERE known.last IS NOT NULL
    )
    SELECT last AS night FROM known WHERE last IS NOT NULL LIMIT :limit
    """

    def nights(self, limit: int, before: Night | None = None) -> list[Night]:
        """Return the nights that have products, the newest first; only those before a night."""
        values = {"before": _NO_NIGHT if before is None else before.name, "limit": limit}
        return self._connection.read(
            lambda row: night_of(row["night"]), self._NIGHTS_BEFORE, values
        )

    _NIGHT_AFTER = "SELECT min(night) AS night FROM products WHERE night > :night"

    def night_after(self, night: Night) -> Night | None:
        """Return the next night that has products; None if there is none."""
        (row,) = self._connection.rows(self._NIGHT_AFTER, {"night": night.name})
        return night_of(row["night"]) if row["night"] else None

    _TROUBLES = f"""
    SELECT {PRODUCT}, p.state, p.attempts, p.not_before, p.last_error FROM products p
    WHERE {_QUEUED} AND p.attempts > 0 AND {{condition}}
    ORDER BY p.night DESC, p.instrument, savepath LIMIT :limit
    """  # noqa: S608 - our own conditions

    def troubles(self, scope: Scope, limit: int) -> list[Trouble]:
        """Return products that failed or are missing, the newest night first."""
        condition = in_scope(scope) & unless_all(self._connection, listed_now, scope.programs)
        sql = self._TROUBLES.format(condition=condition.sql)
        return self._connection.read(trouble_of, sql, {**condition.values, "limit": limit})

    _HELD = """
    SELECT total - withdrawn - queued - damaged AS published, withdrawn, damaged FROM (
      SELECT (SELECT count(*) FROM products) AS total,
        (SELECT count(*) FROM products WHERE withdrawn_at IS NOT NULL) AS withdrawn,
        (SELECT count(*) FROM products
         WHERE state IN ('wanted', 'missing') AND withdrawn_at IS NULL) AS queued,
        (SELECT count(*) FROM products WHERE damage IS NOT NULL AND state = 'published'
         AND withdrawn_at IS NULL) AS damaged)
    """

    def summary(self, programs: Sequence[str]) -> ProgramSummary:
        """Return in a few numbers how far these programs are.

        Cheap enough to be called all the time: what is here is counted by an index, and only what
        is pending is read.
        """
        (held,) = self._connection.rows(self._HELD)
        listed = unless_all(self._connection, listed_now, programs)
        return ProgramSummary(
            **held,
            **self._pending(listed),
            last_night=self.newest_night(),
            last_complete_night=self._last_complete_night(listed),
        )

    _QUEUE = f"""
    SELECT night, state, claimed_by IS NOT NULL AS claimed, count(*) AS products
    FROM products p INDEXED BY products_queue WHERE {_QUEUED} AND {{condition}}
    GROUP BY night, state, claimed
    """  # noqa: S608 - our own conditions

    def _pending(self, listed: Condition) -> dict[str, int]:
        """Count pending products as `claimed`, or by their state if not claimed."""
        pending = dict.fromkeys(("wanted", "missing", "claimed"), 0)
        for row in self._connection.rows(self._QUEUE.format(condition=listed.sql), listed.values):
            pending["claimed" if row["claimed"] else row["state"]] += row["products"]
        return pending

    _NIGHTS_NOT_ALL_HERE = f"""
    SELECT DISTINCT night FROM products p INDEXED BY products_queue
    WHERE {_QUEUED} AND NOT (state = 'missing' AND image_type IN {_NOT_KEPT}) AND {{condition}}
    """  # noqa: S608 - our own conditions
    _DAMAGED_NIGHTS = """
    SELECT DISTINCT night FROM products INDEXED BY products_damaged
    WHERE damage IS NOT NULL AND state = 'published'
    """
    _NIGHT_HERE_BEFORE = """
    SELECT max(night) AS night FROM products p
    WHERE night < :before AND state = 'published' AND withdrawn_at IS NULL
    """

    def _last_complete_night(self, listed: Condition) -> Night | None:
        sql = self._NIGHTS_NOT_ALL_HERE.format(condition=listed.sql)
        lacking = {row["night"] for row in self._connection.rows(sql, listed.values)}
        lacking |= {row["night"] for row in self._connection.rows(self._DAMAGED_NIGHTS)}
        nights = self._nights_down(self._NIGHT_HERE_BEFORE)
        return next((night for night in nights if night.name not in lacking), None)

    _NIGHT_BEFORE = "SELECT max(night) AS night FROM products WHERE night < :before"

    def newest_night(self) -> Night | None:
        """Return the newest night of which anything is listed."""
        return next(self._nights_down(self._NIGHT_BEFORE), None)

    def _nights_down(self, sql: str) -> Iterator[Night]:
        """Yield the nights that a query for the night before another one finds, newest first."""
        before = _NO_NIGHT
        while (row := self._connection.row(sql, {"before": before})) and row["night"]:
            before = row["night"]
            yield night_of(before)

    _COUNT_QUEUE = f"""
    SELECT count(*) AS queued, {_QUEUE_COUNTS} FROM products p INDEXED BY products_queue
    WHERE {_QUEUED} AND (:night IS NULL OR p.night = :night) AND {{condition}}
    """  # noqa: S608 - our own conditions

    def queue_count(
        self,
        programs: Sequence[str],
        night: Night | None = None,
        image_types: Sequence[ImageType] = (),
    ) -> QueueCount:
        """Count what these programs list and the tree lacks, each product once.

        Only of one night or of some types if they are given. What is here is not counted:
        `night_counts` does that.
        """
        condition = of_types(image_types) & unless_all(self._connection, listed_now, programs)
        row = self._connection.row(
            self._COUNT_QUEUE.format(condition=condition.sql),
            {**condition.values, "night": night.name if night else None},
        )
        if row is None or not row["queued"]:
            return QueueCount(None)
        return queue_count_of(row, None, row["queued"])

    _LISTED_BY_PROGRAM = """
    SELECT program, count(*) AS products FROM listings
    WHERE withdrawn_at IS NULL AND program IN ({programs}) GROUP BY program
    """
    _LISTED_OF_NIGHT = """
    SELECT l.program, count(*) AS products
    FROM products p CROSS JOIN listings l ON l.product = p.id
    WHERE p.night = :night AND {types} AND l.withdrawn_at IS NULL AND l.program IN ({programs})
    GROUP BY l.program
    """
    _LISTED_OF_TYPES = """
    SELECT l.program, count(*) AS products
    FROM products p CROSS JOIN listings l ON l.product = p.id
    WHERE {types} AND l.withdrawn_at IS NULL AND l.program IN ({programs})
    GROUP BY l.program
    """
    _QUEUED_BY_PROGRAM = f"""
    SELECT l.program, {_QUEUE_COUNTS} FROM products p INDEXED BY products_queue
    CROSS JOIN listings l ON l.product = p.id
    WHERE {_QUEUED} AND (:night IS NULL OR p.night = :night) AND {{types}}
      AND l.withdrawn_at IS NULL AND +l.program IN ({{programs}})
    GROUP BY l.program
    """  # noqa: S608 - our own conditions
    # The sign has SQLite read a product's few listings once, instead of once for each program.
    _DAMAGED_BY_PROGRAM = """
    SELECT l.program, count(*) AS products FROM products p INDEXED BY products_damaged
    CROSS JOIN listings l ON l.product = p.id
    WHERE p.damage IS NOT NULL AND p.state = 'published' AND (:night IS NULL OR p.night = :night)
      AND {types} AND l.withdrawn_at IS NULL AND l.program IN ({programs})
    GROUP BY l.program
    """

    def program_counts(
        self,
        programs: Sequence[str],
        night: Night | None = None,
        image_types: Sequence[ImageType] = (),
    ) -> list[QueueCount]:
        """Count what each of these programs lists, in the given order.

        Of all nights or of one, of all types or of some. A product of two programs counts in both.
        """
        if not programs:
            return []
        names, values = parameters("program", programs)
        types = of_types(image_types)
        bound = {**values, **types.values, "night": night.name if night else None}

        def by_program(sql: str) -> dict[str, dict[str, Any]]:
            rows = self._connection.rows(sql.format(programs=names, types=types.sql), bound)
            return {row["program"]: row for row in rows}

        of_all = self._LISTED_OF_TYPES if image_types else self._LISTED_BY_PROGRAM
        listed = by_program(of_all if night is None else self._LISTED_OF_NIGHT)
        queued = by_program(self._QUEUED_BY_PROGRAM)
        damaged = by_program(self._DAMAGED_BY_PROGRAM)
        return [
            replace(
                queue_count_of(queued.get(program), program, _products(listed.get(program))),
                damaged=_products(damaged.get(program)),
            )
            for program in programs
        ]


def _products(row: Mapping[str, int] | None) -> int:
    return row["products"] if row else 0
