"""Which listed products files could be: looked up by their place, or by their name alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from winter_sync.catalog.connection import chunks
from winter_sync.catalog.identities import ALL_OF_PRODUCT, AT_PATHS, paths_of
from winter_sync.catalog.rows import candidate_of
from winter_sync.catalog.scopes import EVERYTHING, Condition, parameters
from winter_sync.core import Night, exposure_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Candidate


class Adoptions:
    """The products that files which a person has could be, whatever their state."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _LISTED = f"""
    WITH chosen AS MATERIALIZED (SELECT {ALL_OF_PRODUCT} FROM {{source}} WHERE {{condition}})
    SELECT c.*, NULL AS usual_size, NULL AS refused_long_ago, min(l.program) AS program,
      group_concat(CASE WHEN l.withdrawn_at IS NULL THEN l.lastmodified END, char(10))
        AS lastmodified,
      group_concat(CASE WHEN l.withdrawn_at IS NULL THEN l.pipeversion END, char(10))
        AS pipeversion
    FROM chosen c JOIN listings l ON l.product = c.id
    GROUP BY c.id ORDER BY c.instrument, c.savepath
    """  # noqa: S608 - our own texts

    def at(self, paths: Sequence[str]) -> dict[str, Candidate]:
        """Return the products whose place these paths are, relative to the root."""
        found: dict[str, Candidate] = {}
        for chunk in chunks(paths):
            values = {"paths": paths_of(chunk)}
            # Without regard to case, as the index is; what is written otherwise is another file.
            found |= {
                candidate.path: candidate
                for candidate in self._listed(Condition("1", values), AT_PATHS)
            }
        return {path: found[path] for path in paths if path in found}

    def named(self, filenames: Iterable[str]) -> dict[str, list[Candidate]]:
        """Return the products of these file names, of any camera, night and directory."""
        by_nights: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        for name in dict.fromkeys(filenames):
            by_nights[_nights_of(name)].append(name)
        found: defaultdict[str, list[Candidate]] = defaultdict(list)
        for nights, names in by_nights.items():
            for chunk in chunks(names):
                chosen, values = parameters("name", chunk)
                condition = _of_nights(nights) & Condition(f"p.filename IN ({chosen})", values)
                for candidate in self._listed(condition):
                    found[candidate.product.filename].append(candidate)
        return dict(found)

    _BELOW = """
    SELECT 1 FROM directories d
    WHERE d.place COLLATE NOCASE >= :first AND d.place COLLATE NOCASE < :end
      AND EXISTS (SELECT 1 FROM products p WHERE p.directory = d.id)
    LIMIT 1
    """

    def has_places_below(self, directory: str) -> bool:
        """Return whether any product's place is in a directory, or in one below it.

        The directory is relative to the root.
        """
        values = {"first": f"{directory}/", "end": f"{directory}{chr(ord('/') + 1)}"}
        return self._connection.row(self._BELOW, values) is not None

    def _listed(self, condition: Condition, source: str = "products p") -> list[Candidate]:
        sql = self._LISTED.format(source=source, condition=condition.sql)
        return self._connection.read(candidate_of, sql, condition.values)


def _nights_of(filename: str) -> tuple[str, ...]:
    """Return the nights in whose directories a file of this name can be; none if any."""
    instant = exposure_time(filename)
    if instant is None:
        return ()
    try:
        night = Night.at(instant)
        return tuple(night.plus(days).name for days in (-1, 0, 1))
    except OverflowError:
        return ()


def _of_nights(nights: tuple[str, ...]) -> Condition:
    """Return the condition that a product is of one of these nights; they have an index."""
    if not nights:
        return EVERYTHING
    names, values = parameters("night", nights)
    return Condition(f"p.night IN ({names})", values)
