"""Questions to the catalog: which products, by anything that is known of them."""

from __future__ import annotations

import json
from array import array
from functools import reduce
from typing import TYPE_CHECKING

from winter_sync.catalog.areas import products_in
from winter_sync.catalog.found import DETAILS, found_of
from winter_sync.catalog.identities import IDENTIFIED, savepath_sql
from winter_sync.catalog.programs import programs_listed
from winter_sync.catalog.scopes import EVERYTHING, Condition, parameters
from winter_sync.catalog.search_conditions import conditions, lists_target
from winter_sync.catalog.values import format_instant
from winter_sync.core import area_of, mean_position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.search_records import FoundProduct, Search
    from winter_sync.core import Instrument, Position

_CHUNK = 500
"""Products that are read at a time."""
_TIME_OF_NAME = "substr(p.filename, instr(p.filename, '_20'))"
"""Sorts as the times do that files are named after, whatever their prefix; all of one century."""


class Searches:
    """Questions to the catalog."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def search(self, search: Search) -> Iterator[FoundProduct]:
        """Yield the products that answer a question, in the order of night and time.

        Only their numbers are held in memory; each is as the catalog has it when it is yielded.
        """
        return self._found(self.numbers(search), search.programs)

    def found(self, numbers: Sequence[int], programs: Sequence[str] = ()) -> list[FoundProduct]:
        """Return the products of these row numbers, in the order in which they are given."""
        return list(self._found(numbers, programs))

    _LATEST = """
    SELECT p.id FROM products p INDEXED BY products_by_publication
    WHERE p.published_at IS NOT NULL ORDER BY p.published_at DESC LIMIT :limit
    """

    def latest(self, limit: int) -> list[FoundProduct]:
        """Return the products that were downloaded last, the newest first."""
        rows = self._connection.tuples(self._LATEST, {"limit": limit})
        return self.found([number for (number,) in rows])

    def count(self, search: Search) -> int:
        """Count the products that answer a question."""
        return len(self.numbers(search))

    def numbers(self, search: Search) -> array[int]:
        """Return the row numbers of the products that answer a question, in order."""
        chosen = self._chosen(search)
        source, condition = _source(search, chosen)
        for part in conditions(search):
            condition &= part
        order = "DESC" if search.newest_first else ""
        sql = (
            f"SELECT p.id, {savepath_sql()} AS savepath FROM {source} WHERE {condition.sql}"  # noqa: S608 - our own conditions
            f" ORDER BY p.night {order}, {_TIME_OF_NAME} {order}, savepath {order}"
            f" LIMIT {-1 if search.limit is None else int(search.limit)}"
        )
        found = self._connection.tuples(sql, condition.values)
        return array("q", (number for number, _ in found))

    def _chosen(self, search: Search) -> set[int] | None:
        """Return the row numbers of products at the targets and in the areas; None without any."""
        sets = []
        if search.targets:
            sets.append(set().union(*(self._at_target(name) for name in search.targets)))
        for regions in (search.cones, search.rectangles):
            if regions:
                areas = map(area_of, regions)
                sets.append(set().union(*(products_in(self._connection, area) for area in areas)))
        return reduce(set.intersection, sets) if sets else None

    def _at_target(self, name: str) -> Iterable[int]:
        condition = lists_target(name)
        found = self._connection.tuples(condition.sql, condition.values)
        return (number for (number,) in found)

    def _found(self, numbers: Sequence[int], programs: Sequence[str]) -> Iterator[FoundProduct]:
        names, values = parameters("program", programs)
        sql = DETAILS.format(programs=names)
        for at in range(0, len(numbers), _CHUNK):
            chunk = {"numbers": json.dumps(list(numbers[at : at + _CHUNK]))}
            yield from self._connection.read(found_of, sql, chunk | values)

    _NUMBERS = f"SELECT p.id AS number FROM {IDENTIFIED}"  # noqa: S608 - our own texts

    def products(self, identities: Iterable[tuple[Instrument, str]]) -> list[FoundProduct]:
        """Return these products, as far as they are known, in the order of their exposures."""
        found = self._found(self.numbers_of(identities), ())
        return sorted(found, key=lambda each: (each.product.night, _time_of(each)))

    def numbers_of(self, identities: Iterable[tuple[Instrument, str]]) -> list[int]:
        """Return the row numbers of these products, as far as they are known."""
        rows = self._connection.rows_about(self._NUMBERS, identities)
        return [row["number"] for row in rows]

    def is_target(self, name: str) -> bool:
        """Return whether any product is listed or was observed for a target."""
        condition = lists_target(name)
        return any(
            True for _ in self._connection.tuples(f"{condition.sql} LIMIT 1", condition.values)
        )

    def programs(self) -> list[str]:
        """Return all programs that ever listed a product."""
        return programs_listed(self._connection)

    _NEXT = """
    SELECT target FROM listings WHERE target COLLATE NOCASE > {last}
    ORDER BY target COLLATE NOCASE LIMIT 1
    """

    def targets(self) -> list[str]:
        """Return all listed names of targets, reading one listing of each."""
        first, following = (self._NEXT.format(last=last) for last in ("''", "last"))
        rows = self._connection.tuples(
            f"WITH RECURSIVE known(last) AS (SELECT ({first}) UNION ALL"  # noqa: S608 - our own texts
            f" SELECT ({following}) FROM known WHERE last IS NOT NULL)"
            " SELECT last FROM known WHERE last IS NOT NULL"
        )
        return [str(name) for (name,) in rows]

    _TARGET_IN_HEADERS = """
    SELECT target_ra, target_dec FROM facts
    WHERE target = :name COLLATE NOCASE AND target_ra IS NOT NULL AND target_dec IS NOT NULL
    GROUP BY target_ra, target_dec ORDER BY max(id) DESC LIMIT 1000
    """
    _TARGET_LISTED = """
    SELECT DISTINCT ra, dec FROM listings
    WHERE target = :name COLLATE NOCASE AND ra IS NOT NULL AND dec IS NOT NULL LIMIT 1000
    """

    def target_position(self, name: str) -> Position | None:
        """Return where a target is: by the newest header, otherwise the mean of where it is listed.

        None if nothing is known of it.
        """
        from_headers, listed = self.target_positions(name)
        if from_headers:
            return from_headers[0]
        return mean_position(listed) if listed else None

    def target_positions(self, name: str) -> tuple[list[Position], list[Position]]:
        """Return the different places of a target: those of headers, the newest first, and listed.

        What is listed is the pointing or the centre of a board: within a degree of the target.
        """
        values = {"name": name}
        headers = self._connection.tuples(self._TARGET_IN_HEADERS, values)
        listed = self._connection.tuples(self._TARGET_LISTED, values)
        return [(ra, dec) for ra, dec in headers], [(ra, dec) for ra, dec in listed]


def _time_of(found: FoundProduct) -> tuple[str, str]:
    filename = found.product.filename
    return filename[max(filename.find("_20"), 0) :], found.product.savepath


def _source(search: Search, chosen: set[int] | None) -> tuple[str, Condition]:
    """Return what to read products from, the smallest that holds all answers, and on what terms."""
    if chosen is not None:
        numbers = json.dumps(sorted(chosen))
        source = "json_each(:numbers) g CROSS JOIN products p ON p.id = g.value"
        return source, Condition("1", {"numbers": numbers})
    if search.downloaded_since is not None and not search.nights:
        since = format_instant(search.downloaded_since)
        source = "products p INDEXED BY products_by_publication"
        return source, Condition("p.published_at >= :since", {"since": since})
    return "products p", EVERYTHING
