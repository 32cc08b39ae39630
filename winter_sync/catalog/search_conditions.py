"""The conditions of a question, as SQL on `products` (named p)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.found import FACTS, FILTER, LISTING
from winter_sync.catalog.records import Scope
from winter_sync.catalog.scopes import Condition, in_scope, listed_ever, parameters
from winter_sync.catalog.search_records import UserState
from winter_sync.catalog.values import format_instant
from winter_sync.core import names_of_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from winter_sync.catalog.search_records import Search

_STATES = {
    UserState.WITHDRAWN: "p.withdrawn_at IS NOT NULL",
    UserState.DAMAGED: "p.withdrawn_at IS NULL AND p.state = 'published' AND p.damage IS NOT NULL",
    UserState.DOWNLOADED: "p.withdrawn_at IS NULL AND p.state = 'published' AND p.damage IS NULL",
    UserState.PENDING: "p.withdrawn_at IS NULL AND p.state = 'wanted'",
    UserState.MISSING: "p.withdrawn_at IS NULL AND p.state = 'missing'",
}


def conditions(search: Search) -> Iterator[Condition]:
    """Yield the conditions of a question, but for those on the sky."""
    yield in_scope(
        Scope(
            programs=(),
            image_types=search.image_types,
            instruments=search.instruments,
            nights=search.nights,
            first_night=search.first_night,
            last_night=search.last_night,
        )
    )
    if search.programs:
        yield listed_ever(search.programs)
    if search.states:
        states = " OR ".join(f"({_STATES[state]})" for state in search.states)
        yield Condition(f"({states})", {})
    if search.downloaded_since is not None:
        since = format_instant(search.downloaded_since)
        yield Condition("p.published_at >= :since", {"since": since})
    if search.filters:
        yield _filtered(search.filters, search.programs)


def _filtered(filters: Sequence[str], programs: Sequence[str]) -> Condition:
    every = sorted({name for given in filters for name in names_of_filter(given)})
    names, values = parameters("filter", every)
    asked, asked_values = parameters("program", programs)
    shown = (
        f"SELECT {FILTER} FROM (SELECT 1) LEFT JOIN {FACTS}"  # noqa: S608 - our own texts
        f" LEFT JOIN {LISTING.format(programs=asked)}"
    )
    return Condition(f"lower(({shown})) IN ({names})", values | asked_values)


_LISTS_TARGET = "SELECT {product} FROM {table} WHERE target {condition}"
_NAMED = {"listings": "product", "facts": "id"}
"""Tables that have targets, and what numbers their products."""


def lists_target(name: str) -> Condition:
    """Return a query for the row numbers of products that a target is listed or observed for."""
    if "*" not in name:
        return lists_name(name)
    escaped = "".join(f"\\{letter}" if letter in "%_\\" else letter for letter in name)
    return _listed_with(r"LIKE :name ESCAPE '\'", escaped.replace("*", "%"))


def lists_name(name: str) -> Condition:
    """Do the same for a name in which a star is a star."""
    return _listed_with("= :name COLLATE NOCASE", name)


def _listed_with(condition: str, value: str) -> Condition:
    sql = " UNION ".join(
        _LISTS_TARGET.format(table=table, product=product, condition=condition)
        for table, product in _NAMED.items()
    )
    return Condition(sql, {"name": value})
