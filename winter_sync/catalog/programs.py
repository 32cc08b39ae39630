"""The programs that list products: needed as a condition only where not all of them count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.scopes import EVERYTHING, Condition, in_scope, listed_ever, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Scope

_PROGRAMS_LISTED = """
WITH RECURSIVE found (program) AS (
  SELECT min(program) FROM night_changes UNION ALL
  SELECT (SELECT min(program) FROM night_changes WHERE program > found.program) FROM found
  WHERE found.program IS NOT NULL)
SELECT program FROM found WHERE program IS NOT NULL
"""
"""Each listing was a change of its night; there are many times more listings."""


def programs_listed(connection: Connection) -> list[str]:
    """Return all programs that ever listed a product."""
    return [row["program"] for row in connection.rows(_PROGRAMS_LISTED)]


def unless_all(
    connection: Connection,
    condition: Callable[[Sequence[str]], Condition],
    programs: Sequence[str],
) -> Condition:
    """Return a condition (`listed_now`, `listed_ever`) on these programs, or none if they are all.

    Each product was listed by some program, and what is pending is still listed: so the listings
    need not be read where all programs in the catalog count.
    """
    known = set(programs_listed(connection))
    return EVERYTHING if known <= set(programs) else condition(programs)


def of_kinds(connection: Connection, programs: Sequence[str]) -> Condition:
    """Return the condition that these programs ever listed anything of a product's night and type.

    It is told from an index of products, and spares what other programs left waiting a look at its
    listings. Nothing is asked where all programs in the catalog count.
    """
    return unless_all(connection, _of_kinds, programs)


def _of_kinds(programs: Sequence[str]) -> Condition:
    # With the sign the order stays that of the queue.
    names, values = parameters("program", programs)
    return Condition(
        "(+p.night, p.instrument, p.image_type) IN (SELECT night, instrument, image_type"  # noqa: S608 - our own texts
        f" FROM night_changes WHERE program IN ({names}))",
        values,
    )


def held_in(connection: Connection, scope: Scope) -> Condition:
    """Return the condition of a scope, where no programs means all of them."""
    if not scope.programs:
        return in_scope(scope)
    return in_scope(scope) & unless_all(connection, listed_ever, scope.programs)
