"""Images whose files are here, for services that others ask: which may answer a question."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog.areas import products_in
from winter_sync.catalog.found import FACTS, FILTER, LISTING
from winter_sync.catalog.identities import IDENTIFIED, identities_of
from winter_sync.catalog.records import Scope
from winter_sync.catalog.scopes import EVERYTHING, Condition, in_scope, parameters
from winter_sync.catalog.search_conditions import lists_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Area, ImageType, Instrument, Night

Span = tuple[float, float]
"""From a least to a greatest value; either may be infinite."""


@dataclass(frozen=True, slots=True)
class ObservationQuery:
    """A question for images; an empty tuple is no condition, of several values any may hold.

    Parameters
    ----------
    image_types, instruments
        What they say.
    areas
        Parts of the sky that an image may touch: it is listed there, or a footprint touches one.
    nights
        The first and the last night of spans.
    filters
        Names in lower case.
    targets
        Names, as listed or as in the header.
    identities
        Of products.
    exposure_times, seeing
        Spans in seconds, and in arcseconds.
    """

    image_types: tuple[ImageType, ...]
    instruments: tuple[Instrument, ...] = ()
    areas: tuple[Area, ...] = ()
    nights: tuple[tuple[Night, Night], ...] = ()
    filters: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    identities: tuple[tuple[Instrument, str], ...] = ()
    exposure_times: tuple[Span, ...] = ()
    seeing: tuple[Span, ...] = ()


class Observations:
    """Images whose files are here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def numbers(self, query: ObservationQuery, limit: int) -> array[int]:
        """Return the row numbers of images that may answer a question, the newest night first.

        Of the sky and of names they may be too many: whoever reads the images decides.
        """
        source, condition = self._source(query)
        for part in _conditions(query):
            condition &= part
        listing = f"LEFT JOIN {LISTING.format(programs='')}" if query.filters else ""
        sql = (
            f"SELECT p.id FROM {source} LEFT JOIN {FACTS} {listing} WHERE {condition.sql}"  # noqa: S608 - our own conditions
            f" ORDER BY p.night DESC, p.id DESC LIMIT {int(limit)}"
        )
        return array("q", (number for (number,) in self._connection.tuples(sql, condition.values)))

    _IDENTIFIED = f"SELECT p.id FROM {IDENTIFIED}"  # noqa: S608 - our own texts

    def _source(self, query: ObservationQuery) -> tuple[str, Condition]:
        """Return what to read products from, and on what terms."""
        sets = []
        if query.areas:
            sets.append(set().union(*(products_in(self._connection, a) for a in query.areas)))
        if query.targets:
            sets.append(set().union(*(self._at_target(name) for name in query.targets)))
        if query.identities:
            values = {"identities": identities_of(query.identities)}
            sets.append({n for (n,) in self._connection.tuples(self._IDENTIFIED, values)})
        if not sets:
            return "products p", EVERYTHING
        numbers = json.dumps(sorted(set[int].intersection(*sets)))
        source = "json_each(:numbers) g CROSS JOIN products p ON p.id = g.value"
        return source, Condition("1", {"numbers": numbers})

    def _at_target(self, name: str) -> Iterator[int]:
        condition = lists_name(name)
        return (n for (n,) in self._connection.tuples(condition.sql, condition.values))


_HERE = "p.digest IS NOT NULL AND p.damage IS NULL"


def _conditions(query: ObservationQuery) -> Iterator[Condition]:
    yield Condition(_HERE, {})
    yield in_scope(Scope(programs=(), image_types=query.image_types, instruments=query.instruments))
    if query.filters:
        names, values = parameters("filter", query.filters)
        yield Condition(f"lower({FILTER}) IN ({names})", values)
    for column, name, spans in (
        ("p.night", "night", [(first.name, last.name) for first, last in query.nights]),
        ("f.exposure_time", "exposure", query.exposure_times),
        ("f.seeing", "seeing", query.seeing),
    ):
        if spans:
            yield _in_spans(column, name, spans)


def _in_spans(column: str, name: str, spans: Sequence[tuple[object, object]]) -> Condition:
    values: dict[str, object] = {}
    parts = []
    for number, (low, high) in enumerate(spans):
        values |= {f"{name}_low_{number}": low, f"{name}_high_{number}": high}
        parts.append(f"{column} BETWEEN :{name}_low_{number} AND :{name}_high_{number}")
    return Condition(f"({' OR '.join(parts)})", values)
