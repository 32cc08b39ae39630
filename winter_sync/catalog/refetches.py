"""Re-fetches of what is here: counted by day, waiting, asked for, and settled by a sample."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from winter_sync.catalog.records import NotCompared, Refetched, RefetchStatus
from winter_sync.catalog.scopes import within
from winter_sync.catalog.values import milliseconds
from winter_sync.core import Refetch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Scope

_AT_ONCE = 64
"""Products asked for at a time in spare time: few, so that a change of the settings tells."""
_COMPARABLE = """
p.state = 'published' AND p.refetch = '' AND p.damage IS NULL AND p.withdrawn_at IS NULL
  AND p.claimed_by IS NULL
"""
_CONFIRMED = "coalesce(p.confirmed_ms, p.published_ms)"
"""When the archive last sent what is here; 0 where it never did."""
_LATELY = timedelta(days=6)
"""The last week: today and the six days before."""


class Refetches:
    """The re-fetches of one mirror."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _COUNT = """
    INSERT INTO refetches (day, reason, products, size, changed, settled)
    VALUES (:day, :reason, :products, :size, :changed, :settled)
    ON CONFLICT (day, reason) DO UPDATE SET products = products + excluded.products,
      size = size + excluded.size, changed = changed + excluded.changed,
      settled = settled + excluded.settled
    """

    def count(self, refetched: Iterable[Refetched]) -> None:
        """Count what was fetched again today, inside the open transaction."""
        by_reason = defaultdict[Refetch, list[Refetched]](list)
        for one in refetched:
            by_reason[one.reason].append(one)
        for reason, these in by_reason.items():
            self._connection.execute(
                self._COUNT,
                {
                    "day": self._today(),
                    "reason": reason.value,
                    "products": sum(one.arrived for one in these),
                    "size": sum(one.size for one in these),
                    "changed": sum(one.changed for one in these),
                    "settled": sum(one.settled for one in these),
                },
            )

    _SIZE = "SELECT size FROM refetches WHERE day = :day AND reason = :reason"

    def size_today(self, reason: Refetch) -> int:
        """Return how many bytes were fetched again today (UTC) for a reason."""
        values = {"day": self._today(), "reason": reason.value}
        row = self._connection.row(self._SIZE, values)
        return int(row["size"]) if row else 0

    _ASK = f"""
    UPDATE products AS p SET refetch = 'asked', attempts = 0, not_before = ''
    WHERE {_COMPARABLE} AND {_CONFIRMED} <= :before AND {{condition}}
    """  # noqa: S608 - our own conditions
    _ASK_NOW = """
    UPDATE products AS p SET not_before = ''
    WHERE p.state = 'published' AND p.refetch = 'asked' AND p.not_before > '' AND {condition}
    """

    _LEFT_OUT = """
    SELECT coalesce(sum(p.damage IS NOT NULL), 0) AS damaged,
      coalesce(sum(p.damage IS NULL), 0) AS recent
    FROM products p WHERE p.state = 'published' AND p.refetch = '' AND {condition}
    """

    def ask(self, scope: Scope, *, confirmed_for: timedelta) -> NotCompared:
        """Have products compared with the archive; return how many are left out.

        These are those that were confirmed within `confirmed_for`, and what is damaged here, which
        is left to `verify`.
        """
        condition = within(scope)
        before = {"before": milliseconds(self._connection.clock() - confirmed_for)}
        with self._connection.writing():
            self._connection.execute(
                self._ASK_NOW.format(condition=condition.sql), condition.values
            )
            self._connection.execute(
                self._ASK.format(condition=condition.sql), {**condition.values, **before}
            )
            left_out = self._LEFT_OUT.format(condition=condition.sql)
            return NotCompared(**self._connection.rows(left_out, condition.values)[0])

    _ASKED = """
    SELECT count(*) AS products FROM products p
    WHERE p.state = 'published' AND p.refetch = 'asked' AND {condition}
    """

    def count_asked(self, scope: Scope) -> int:
        """Return how many products are still to be compared."""
        condition = within(scope)
        row = self._connection.row(self._ASKED.format(condition=condition.sql), condition.values)
        return int(row["products"]) if row else 0

    _LEAST_RECENT = f"""
    SELECT p.id, p.size FROM products p INDEXED BY products_confirmed
    WHERE {_CONFIRMED} <= :before AND {_COMPARABLE} AND {{condition}}
    ORDER BY {_CONFIRMED} LIMIT :limit
    """  # noqa: S608 - our own conditions
    _ASK_ONE = """
    UPDATE products SET refetch = 'spare', attempts = 0, not_before = '' WHERE id = :id
    """

    def ask_least_recent(self, scope: Scope, size: int, *, unconfirmed_for: timedelta) -> int:
        """Have the least recently confirmed products compared in spare time; return how many.

        At least one and no more than `size` bytes go beyond; none that was confirmed within
        `unconfirmed_for`.
        """
        condition = within(scope)
        before = milliseconds(self._connection.clock() - unconfirmed_for)
        values = {"before": before, "limit": _AT_ONCE}
        sql = self._LEAST_RECENT.format(condition=condition.sql)
        with self._connection.writing():
            chosen, left = [], size
            for row in self._connection.rows(sql, {**condition.values, **values}):
                if left <= 0:
                    break
                chosen.append(row)
                left -= row["size"] or 0
            self._connection.execute_many(self._ASK_ONE, chosen)
        return len(chosen)

    _WAITING = """
    SELECT count(*) AS products, coalesce(sum(size), 0) AS size
    FROM products p INDEXED BY products_queue
    WHERE p.state IN ('wanted', 'missing') AND p.withdrawn_at IS NULL AND p.refetch = 'marks'
      AND p.state = 'wanted' AND p.attempts = 0 AND p.claimed_by IS NULL AND {condition}
    """
    _COUNTED = """
    SELECT sum(products) AS products, sum(size) AS size, sum(changed) AS changed,
      sum(settled) AS settled
    FROM refetches WHERE day >= :first AND reason = 'marks'
    """

    def waiting(self, scope: Scope) -> tuple[int, int]:
        """Return how many products wait untried because their marks changed, and their bytes."""
        condition = within(scope)
        sql = self._WAITING.format(condition=condition.sql)
        (row,) = self._connection.rows(sql, condition.values)
        return row["products"], row["size"]

    def status(self, scope: Scope) -> RefetchStatus:
        """Return what waits because its marks changed, and what was fetched for that lately."""
        products, size = self.waiting(scope)
        first = self._connection.clock().astimezone(UTC).date() - _LATELY
        (lately,) = self._connection.rows(self._COUNTED, {"first": first.isoformat()})
        return RefetchStatus(
            waiting=products,
            waiting_size=size,
            size_today=self.size_today(Refetch.MARKS),
            **{name: number or 0 for name, number in lately.items()},
        )

    def _today(self) -> str:
        return self._connection.clock().astimezone(UTC).date().isoformat()
