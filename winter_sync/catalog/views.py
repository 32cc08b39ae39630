"""The mirror in numbers: nights, programs, the queue, troubles, how complete it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import ALL_OF_PRODUCT, PRODUCT
from winter_sync.catalog.programs import unless_all
from winter_sync.catalog.records import ProgramSummary, QueueCount
from winter_sync.catalog.rows import night_count_of, night_of, trouble_of
from winter_sync.catalog.scopes import in_scope, listed_now, within
from winter_sync.catalog.totals import Part, Totals, lists_now
from winter_sync.core import Refetch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import NightCount, Scope, Trouble
    from winter_sync.core import ImageType, Night

_NO_NIGHT = ":"
"""Sorts after every night."""
_QUEUED = "p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL"


class Views:
    """The mirror in numbers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._totals = Totals(connection)

    def night_counts(self, scope: Scope) -> list[NightCount]:
        """Count products by night, instrument, type and state; the newest night first."""
        return self._connection.converted(night_count_of, self._totals.by_night(scope))

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
    SELECT {PRODUCT}, p.state, p.attempts, p.not_before, p.last_error
    FROM products p INDEXED BY products_by_night
    WHERE {_QUEUED} AND p.attempts > 0 AND {{condition}}
    ORDER BY p.night DESC, p.instrument, savepath LIMIT :limit
    """  # noqa: S608 - our own conditions

    def troubles(self, scope: Scope, limit: int) -> list[Trouble]:
        """Return products that failed or are missing, the newest night first."""
        condition = in_scope(scope) & unless_all(self._connection, listed_now, scope.programs)
        condition &= self._totals.since_failures(scope, limit)
        sql = self._TROUBLES.format(condition=condition.sql)
        return self._connection.read(trouble_of, sql, {**condition.values, "limit": limit})

    def summary(self, programs: Sequence[str]) -> ProgramSummary:
        """Return in a few numbers how far these programs are: cheap enough to ask all the time."""
        sets = self._totals.of_sets()
        total, withdrawn, queued, damaged = (
            _sum(sets, name) for name in ("products", "withdrawn", "queued", "damaged_listed")
        )
        return ProgramSummary(
            published=total - withdrawn - queued - damaged,
            withdrawn=withdrawn,
            damaged=damaged,
            **self._pending(sets, programs),
            last_night=self.newest_night(),
            last_complete_night=self._last_complete_night(programs),
        )

    _CLAIMED = f"""
    SELECT state, count(*) AS products FROM products p INDEXED BY products_claimed
    WHERE p.claimed_by IS NOT NULL AND {_QUEUED} AND {{condition}} GROUP BY state
    """  # noqa: S608 - our own conditions

    def _pending(self, sets: list[dict[str, Any]], programs: Sequence[str]) -> dict[str, int]:
        """Count pending products as `claimed`, or by their state if not claimed."""
        listed = unless_all(self._connection, listed_now, programs)
        sql = self._CLAIMED.format(condition=listed.sql)
        claimed = {
            row["state"]: row["products"] for row in self._connection.rows(sql, listed.values)
        }
        chosen = [row for row in sets if lists_now(row["listed_by"], programs)]
        return {
            "wanted": _sum(chosen, "wanted") - claimed.get("wanted", 0),
            "missing": _sum(chosen, "missing", "not_kept") - claimed.get("missing", 0),
            "claimed": sum(claimed.values()),
        }

    _DAMAGED_NIGHTS = """
    SELECT DISTINCT night FROM products INDEXED BY products_damaged
    WHERE damage IS NOT NULL AND state = 'published'
    """
    _NIGHT_HERE_BEFORE = """
    SELECT max(night) AS night FROM night_totals
    WHERE night < :before AND products AND state = 'published' AND NOT withdrawn
    """

    def _last_complete_night(self, programs: Sequence[str]) -> Night | None:
        lacking = self._totals.nights_not_all_here(programs)
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
        part = Part(night, tuple(image_types))
        sets = [row for row in self._totals.of_sets(part) if lists_now(row["listed_by"], programs)]
        return replace(self._queue_count(sets, programs, part), listed=_sum(sets, "queued"))

    def _queue_count(
        self, sets: list[dict[str, Any]], programs: Sequence[str], part: Part
    ) -> QueueCount:
        """Return what remains to do of what these programs list, as these totals have it."""
        wanted, failed, missing, not_kept = (
            _sum(sets, name) for name in ("wanted", "failed", "missing", "not_kept")
        )
        return QueueCount(
            program=None,
            wanted=wanted,
            failed=failed,
            missing=missing,
            not_kept=not_kept,
            retried_at=self._totals.retried_at(programs, part) if failed else None,
            asked_at=self._totals.asked_at(programs, part) if missing else None,
        )

    def program_counts(
        self,
        programs: Sequence[str],
        night: Night | None = None,
        image_types: Sequence[ImageType] = (),
    ) -> list[QueueCount]:
        """Count what each of these programs lists, in the given order.

        Of all nights or of one, of all types or of some. A product of two programs counts in both.
        """
        part = Part(night, tuple(image_types))
        sets = self._totals.of_sets(part)
        counts: list[QueueCount] = []
        for program in programs:
            listed = [row for row in sets if lists_now(row["listed_by"], [program])]
            count = self._queue_count(listed, [program], part)
            counts.append(
                replace(
                    count,
                    program=program,
                    listed=_sum(listed, "products"),
                    damaged=_sum(listed, "damaged"),
                )
            )
        return counts


def _sum(rows: Iterable[Mapping[str, int]], *names: str) -> int:
    return sum(row[name] for row in rows for name in names)
