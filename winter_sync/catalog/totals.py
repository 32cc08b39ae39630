"""Counts of products that are kept as products change (`night_totals`), read for any programs.

In these statements `p` is a row of the counts: conditions on products hold for it, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.counting import BYTES, NOT_KEPT_TYPES, kind_of
from winter_sync.catalog.programs import unless_all
from winter_sync.catalog.records import Scope
from winter_sync.catalog.scopes import EVERYTHING, Condition, in_scope, listed_ever, listed_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import ImageType, Night

_PENDING = "p.state IN ('wanted', 'missing') AND NOT p.withdrawn"
_IS_HERE = "p.state = 'published' AND NOT p.damaged"


@dataclass(frozen=True, slots=True)
class Part:
    """Which products are counted: of one night or all, of some types or all."""

    night: Night | None = None
    image_types: tuple[ImageType, ...] = ()

    @property
    def condition(self) -> Condition:
        """The condition that a product is one of them."""
        nights = () if self.night is None else (self.night,)
        return in_scope(Scope((), image_types=self.image_types, nights=nights))


EVERYTHING_COUNTED = Part()


class Totals:
    """The counts of nights; each method sees what one statement sees."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def may_count(self, scope: Scope) -> bool:
        """Return whether a scope has all products of kinds of nights, as they are counted."""
        return not (scope.identities or scope.subjects or scope.damaged)

    _BY_NIGHT = f"""
    SELECT night, instrument, image_type,
      sum(products * ({_IS_HERE})) AS published,
      sum(products * (state = 'published' AND damaged AND NOT withdrawn)) AS damaged,
      sum(products * (state = 'wanted' AND NOT withdrawn)) AS wanted,
      sum(products * (state = 'missing' AND NOT withdrawn)) AS missing,
      sum(products * withdrawn) AS withdrawn,
      sum(bytes * ({_IS_HERE})) AS size,
      sum(products * ({_IS_HERE} AND withdrawn)) AS withdrawn_here,
      sum(bytes * ({_IS_HERE} AND withdrawn)) AS withdrawn_size
    FROM ({{counted}}) p
    GROUP BY night, instrument, image_type ORDER BY night DESC, instrument, image_type
    """  # noqa: S608 - our own conditions
    _KEPT = "SELECT * FROM night_totals p WHERE products AND {condition}"
    _ONE_BY_ONE = f"""
    SELECT {kind_of("p")}, 1 AS products, {BYTES.format("p")} AS bytes
    FROM products p WHERE {{condition}}
    """  # noqa: S608 - our own conditions

    def by_night(self, scope: Scope) -> list[dict[str, Any]]:
        """Count products by night, camera, type and state, as `Views.night_counts` does."""
        if self.may_count(scope):
            counted, ever = self._KEPT, self._ever(scope.programs)
        else:
            counted = self._ONE_BY_ONE
            ever = unless_all(self._connection, listed_ever, scope.programs)
        condition = in_scope(scope) & ever
        sql = self._BY_NIGHT.format(counted=counted.format(condition=condition.sql))
        return self._connection.rows(sql, condition.values)

    _QUEUED = f"""
    sum(products * ({_PENDING})) AS queued,
    sum(products * (state = 'wanted' AND NOT withdrawn)) AS wanted,
    sum(products * (state = 'wanted' AND NOT withdrawn AND failed)) AS failed,
    sum(products * (state = 'missing' AND NOT withdrawn AND image_type NOT IN {NOT_KEPT_TYPES}))
      AS missing,
    sum(products * (state = 'missing' AND NOT withdrawn AND image_type IN {NOT_KEPT_TYPES}))
      AS not_kept
    """
    _OF_SETS = f"""
    SELECT listed_by, sum(products) AS products, {_QUEUED},
      sum(products * withdrawn) AS withdrawn,
      sum(products * (state = 'published' AND damaged)) AS damaged,
      sum(products * (state = 'published' AND damaged AND NOT withdrawn)) AS damaged_listed
    FROM night_totals p WHERE products AND {{condition}} GROUP BY listed_by
    """  # noqa: S608 - our own conditions

    def of_sets(self, part: Part = EVERYTHING_COUNTED) -> list[dict[str, Any]]:
        """Count products by the programs that list them (`listed_by`).

        Each row has, of products listed so: `products`, of which `withdrawn` from all programs,
        and `damaged` files, of which `damaged_listed` not withdrawn; those in the queue as `queued`
        and by what they lack.
        """
        condition = part.condition
        sql = self._OF_SETS.format(condition=condition.sql)
        return self._connection.rows(sql, condition.values)

    _WANTED = """
    SELECT night, instrument, image_type, sum(products) AS products,
      sum(products * failed) AS failed
    FROM night_totals p WHERE products AND state = 'wanted' AND NOT withdrawn AND {condition}
    GROUP BY night, instrument, image_type
    """

    def wanted(self, scope: Scope) -> Condition:
        """Return a query that counts what is wanted and listed now, and how many failed before."""
        condition = in_scope(scope) & self._now(scope.programs)
        return Condition(self._WANTED.format(condition=condition.sql), condition.values)

    _NOT_ALL_HERE = f"""
    SELECT DISTINCT night FROM night_totals p
    WHERE products AND {_PENDING} AND NOT (state = 'missing' AND image_type IN {NOT_KEPT_TYPES})
      AND {{condition}}
    """  # noqa: S608 - our own conditions

    def nights_not_all_here(self, programs: Sequence[str]) -> set[str]:
        """Return the nights of which something is pending that these programs list."""
        condition = self._now(programs)
        sql = self._NOT_ALL_HERE.format(condition=condition.sql)
        return {row["night"] for row in self._connection.rows(sql, condition.values)}

    _FAILED_BY_NIGHT = f"""
    SELECT night, sum(products) AS products FROM night_totals p
    WHERE products AND {_PENDING} AND failed AND {{condition}} GROUP BY night ORDER BY night DESC
    """  # noqa: S608 - our own conditions

    def since_failures(self, scope: Scope, most: int) -> Condition:
        """Return a condition that the newest failed products of a scope meet, and few others.

        They are those of the newest nights that have at least so many.
        """
        if not self.may_count(scope):
            return EVERYTHING
        condition = in_scope(scope) & self._now(scope.programs)
        sql = self._FAILED_BY_NIGHT.format(condition=condition.sql)
        count, night = 0, "~"
        for row in self._connection.rows(sql, condition.values):
            count, night = count + row["products"], row["night"]
            if count >= most:
                break
        return Condition("p.night >= :failed_since", {"failed_since": night})

    _SOONEST = """
    SELECT p.not_before AS soonest FROM products p INDEXED BY {index}
    WHERE {state} AND p.withdrawn_at IS NULL AND {condition} ORDER BY p.not_before LIMIT 1
    """
    _SOONEST_OF_NIGHT = """
    SELECT min(p.not_before) AS soonest FROM products p INDEXED BY products_by_night
    WHERE {state} AND p.withdrawn_at IS NULL AND {condition}
    """
    _RETRIED = "p.state = 'wanted' AND p.attempts > 0"
    _ASKED = f"p.state = 'missing' AND p.image_type NOT IN {NOT_KEPT_TYPES}"

    def retried_at(self, programs: Sequence[str], part: Part) -> str | None:
        """Return when the first product that failed may be fetched again, as the catalog has it."""
        return self._soonest("products_retried", self._RETRIED, programs, part)

    def asked_at(self, programs: Sequence[str], part: Part) -> str | None:
        """Return when the first that the archive had no file of may be asked for again."""
        return self._soonest("products_asked", self._ASKED, programs, part)

    def _soonest(self, index: str, state: str, programs: Sequence[str], part: Part) -> str | None:
        condition = part.condition & unless_all(self._connection, listed_now, programs)
        query = self._SOONEST if part.night is None else self._SOONEST_OF_NIGHT
        sql = query.format(index=index, state=state, condition=condition.sql)
        row = self._connection.row(sql, condition.values)
        soonest: str | None = row["soonest"] if row else None
        return soonest

    def _ever(self, programs: Sequence[str]) -> Condition:
        """Return the condition that one of these programs lists a row's products or once did."""
        return unless_all(self._connection, self._listed_by(lists_ever), programs)

    def _now(self, programs: Sequence[str]) -> Condition:
        """Return the condition that one of these programs lists a row's products now."""
        return unless_all(self._connection, self._listed_by(lists_now), programs)

    def _listed_by(
        self, counts: Callable[[str, Iterable[str]], bool]
    ) -> Callable[[Sequence[str]], Condition]:
        def condition(programs: Sequence[str]) -> Condition:
            found = self._connection.rows("SELECT DISTINCT listed_by FROM night_totals")
            sets = [row["listed_by"] for row in found if counts(row["listed_by"], programs)]
            among = "p.listed_by IN (SELECT value FROM json_each(:sets))"
            return Condition(among, {"sets": json.dumps(sets)})

        return condition


def lists_ever(listed_by: str, programs: Iterable[str]) -> bool:
    """Return whether one of some programs is among those that list products or did."""
    return not set(programs).isdisjoint(program for program, _ in json.loads(f"[{listed_by}]"))


def lists_now(listed_by: str, programs: Iterable[str]) -> bool:
    """Return whether one of some programs is among those that list products now."""
    now = (program for program, is_listed in json.loads(f"[{listed_by}]") if is_listed)
    return not set(programs).isdisjoint(now)
