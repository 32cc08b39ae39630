"""The files of the tree by the catalog: held products, damaged ones, files kept aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog.connection import chunks
from winter_sync.catalog.identities import (
    ALL_OF_PRODUCT,
    AT_PATHS,
    NUMBER_AT,
    PATH,
    PRODUCT,
    paths_of,
    place_of,
)
from winter_sync.catalog.programs import held_in
from winter_sync.catalog.rows import damaged_of, held_of, night_of
from winter_sync.catalog.scopes import in_scope, parameters
from winter_sync.catalog.values import milliseconds
from winter_sync.core import Damage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Damaged, Held, Scope
    from winter_sync.core import Night

_FILE = f"""
{PRODUCT}, {PATH}, p.size, p.sha256, p.mtime_ns, p.published_at, p.checked_at, p.damage,
  p.withdrawn_at
"""
_IS_DAMAGED = "p.damage IS NOT NULL AND (p.state = 'published' OR p.withdrawn_at IS NULL)"


class Files:
    """The files of the tree as they should be. A scope without programs means all of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _HELD_NIGHTS = """
    SELECT DISTINCT night FROM products p
    WHERE (p.state = 'published' OR p.sha256 IS NOT NULL) AND {condition}
    ORDER BY night DESC
    """

    def held_nights(self, scope: Scope) -> list[Night]:
        """Return the nights of which files are here, of any program, the newest first."""
        condition = in_scope(scope.of_everyone())
        sql = self._HELD_NIGHTS.format(condition=condition.sql)
        return self._connection.read(lambda row: night_of(row["night"]), sql, condition.values)

    _HELD_OF_NIGHT = f"""
    SELECT {_FILE} FROM products p
    WHERE p.night = :night AND p.state = 'published' AND {{condition}} ORDER BY path
    """  # noqa: S608 - our own conditions

    def held(self, scope: Scope, night: Night) -> list[Held]:
        """Return the products of one night that are in the tree."""
        condition = held_in(self._connection, scope)
        sql = self._HELD_OF_NIGHT.format(condition=condition.sql)
        return self._connection.read(held_of, sql, {**condition.values, "night": night.name})

    _AT_PATH = f"SELECT {_FILE} FROM {AT_PATHS} WHERE p.sha256 IS NOT NULL"  # noqa: S608 - as above

    def at(self, path: str) -> Held | None:
        """Return the product whose file is at a path, relative to the root; None if none is."""
        found = self._connection.read(held_of, self._AT_PATH, {"paths": paths_of([path])})
        return next((held for held in found if held.path == path), None)

    _EARLIER = f"""
    SELECT {_FILE} FROM products p
    WHERE p.night = :night AND p.state IN ('wanted', 'missing') AND p.sha256 IS NOT NULL
      AND p.damage IS NOT 'changed' AND {{condition}} ORDER BY path
    """  # noqa: S608 - our own conditions

    def earlier(self, scope: Scope, night: Night) -> list[Held]:
        """Return the products of one night of which an earlier content is in the tree.

        They are fetched again, or the archive has no file of them now.
        """
        condition = held_in(self._connection, scope)
        sql = self._EARLIER.format(condition=condition.sql)
        return self._connection.read(held_of, sql, {**condition.values, "night": night.name})

    _TO_CHECK = f"""
    SELECT {_FILE} FROM products p INDEXED BY products_checked
    WHERE p.state = 'published' AND p.checked_ms < :before
      AND (p.checked_ms, p.id) > (:checked, coalesce({NUMBER_AT}, 0)) AND {{condition}}
    ORDER BY p.checked_ms, p.id LIMIT :limit
    """  # noqa: S608 - our own conditions

    def to_check(self, scope: Scope, before: str, after: tuple[str, str], limit: int) -> list[Held]:
        """Return products whose content was last read before a time, least recently read first.

        `after` is (`checked_at`, `path`) of the last product of the page before; ("", "") begins.
        """
        condition = held_in(self._connection, scope)
        page = {
            "before": milliseconds(before),
            "checked": milliseconds(after[0]),
            "limit": limit,
            **place_of(after[1]),
        }
        sql = self._TO_CHECK.format(condition=condition.sql)
        return self._connection.read(held_of, sql, {**condition.values, **page})

    _COUNT_HELD = """
    SELECT count(*) AS files, coalesce(sum(p.size), 0) AS size,
      coalesce(sum(p.checked_ms < :before), 0) AS left,
      coalesce(sum(CASE WHEN p.checked_ms < :before THEN p.size ELSE 0 END), 0) AS size_left
    FROM products p WHERE p.state = 'published' AND {condition}
    """

    def count_held(self, scope: Scope, before: str) -> dict[str, int]:
        """Count `files` and their `size`, and of those last read before a time, as `..left`."""
        condition = held_in(self._connection, scope)
        sql = self._COUNT_HELD.format(condition=condition.sql)
        (row,) = self._connection.rows(sql, {**condition.values, "before": milliseconds(before)})
        return row

    _DAMAGED = f"""
    SELECT {ALL_OF_PRODUCT}, (SELECT group_concat(program, ' ') FROM listings o
       WHERE o.product = p.id AND o.withdrawn_at IS NULL) AS programs
    FROM products p INDEXED BY products_damaged
    WHERE {_IS_DAMAGED} AND {{condition}} ORDER BY p.night DESC, path LIMIT :limit
    """  # noqa: S608 - our own conditions

    def damaged(self, scope: Scope, limit: int) -> list[Damaged]:
        """Return products whose files are missing or changed, the newest night first."""
        condition = held_in(self._connection, scope)
        sql = self._DAMAGED.format(condition=condition.sql)
        return self._connection.read(damaged_of, sql, {**condition.values, "limit": limit})

    _COUNT_DAMAGED = f"""
    SELECT p.damage AS damage, count(*) AS files FROM products p INDEXED BY products_damaged
    WHERE {_IS_DAMAGED} AND {{condition}} GROUP BY p.damage
    """  # noqa: S608 - our own conditions

    def count_damaged(self, scope: Scope) -> dict[Damage, int]:
        """Count products whose files are missing or changed, by which of the two."""
        condition = held_in(self._connection, scope)
        rows = self._connection.rows(
            self._COUNT_DAMAGED.format(condition=condition.sql), condition.values
        )
        return dict.fromkeys(Damage, 0) | {Damage(row["damage"]): row["files"] for row in rows}

    _AT_PATHS = f"SELECT {PATH} FROM {AT_PATHS}"  # noqa: S608 - our own texts

    def known_paths(self, paths: Sequence[str]) -> set[str]:
        """Return which of these paths, relative to the root, are those of products."""
        found: set[str] = set()
        for chunk in chunks(paths):
            rows = self._connection.rows(self._AT_PATHS, {"paths": paths_of(chunk)})
            found |= {row["path"] for row in rows}
        return found

    _KEPT = """
    SELECT path FROM kept_files WHERE path IN ({paths})
    UNION SELECT kept AS path FROM revisions WHERE kept IN ({paths})
    UNION SELECT kept AS path FROM withdrawn_files WHERE kept IN ({paths})
    """

    def known_kept(self, paths: Sequence[str]) -> set[str]:
        """Return which of these paths are files that were kept aside, as far as is recorded."""
        found: set[str] = set()
        for chunk in chunks(paths):
            names, values = parameters("path", chunk)
            rows = self._connection.rows(self._KEPT.format(paths=names), values)
            found |= {row["path"] for row in rows}
        return found
