"""Files of withdrawn products that are not in the tree any more: moved by us, or deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import NUMBER, PATH, PRODUCT, path_sql
from winter_sync.catalog.outbox import Outbox
from winter_sync.catalog.records import FileSetAside
from winter_sync.catalog.rows import held_of, path_of, product_of
from winter_sync.catalog.values import identity_values
from winter_sync.core import EventKind

if TYPE_CHECKING:
    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Held

_OF_PRODUCT = f"product = {NUMBER}"
_IS_PRODUCT = f"id = {NUMBER}"
_JOINED = f"""
SELECT {PRODUCT}, {PATH}, p.state, p.damage, p.withdrawn_at,
  w.kept, w.size, w.sha256, w.done_at
FROM withdrawn_files w CROSS JOIN products p ON p.id = w.product
"""  # noqa: S608 - our own texts


class SetAside:
    """What becomes of the files of withdrawn products.

    What is about to happen to a file is recorded first (`begin`), and that it happened afterwards
    (`finish`): whatever a crash leaves in between is found in `unfinished`.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._outbox = Outbox(connection)

    _CANDIDATES = f"""
    SELECT {PRODUCT}, {PATH}, p.size, p.sha256, p.mtime_ns,
      p.published_at, p.checked_at, p.damage, p.withdrawn_at
    FROM products p INDEXED BY products_withdrawn
    WHERE p.withdrawn_at IS NOT NULL AND p.sha256 IS NOT NULL AND p.damage IS NULL
      AND p.claimed_by IS NULL AND {path_sql()} > :after
      AND NOT EXISTS (SELECT 1 FROM withdrawn_files w WHERE w.product = p.id)
    ORDER BY path LIMIT :limit
    """  # noqa: S608 - our own texts

    def candidates(self, after: str, limit: int) -> list[Held]:
        """Return withdrawn products whose files are in the tree, whose paths follow this one.

        Also those that were to be fetched again when they were withdrawn.
        """
        return self._connection.read(held_of, self._CANDIDATES, {"after": after, "limit": limit})

    _BEGIN = f"""
    INSERT INTO withdrawn_files (product, kept, size, sha256, begun_at)
    SELECT id, :kept, size, sha256, :now FROM products
    WHERE {_IS_PRODUCT} AND withdrawn_at IS NOT NULL AND sha256 IS NOT NULL AND claimed_by IS NULL
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - our own texts

    def begin(self, held: Held, kept: str | None) -> bool:
        """Record where a file is about to be moved, relative to the root, or None if it is deleted.

        Return False if that must not happen: the product is listed again.
        """
        values = {
            **identity_values(held.product),
            "kept": kept,
            "now": self._connection.now(),
        }
        with self._connection.writing():
            return bool(self._connection.execute(self._BEGIN, values))

    def unfinished(self) -> list[FileSetAside]:
        """Return the withdrawn products of which it is not recorded that the file is gone."""
        return self._connection.read(
            _set_aside_of, f"{_JOINED} WHERE w.done_at IS NULL AND p.withdrawn_at IS NOT NULL"
        )

    def returned(self) -> list[FileSetAside]:
        """Return the products that are listed again since their files were set aside."""
        return self._connection.read(_set_aside_of, f"{_JOINED} WHERE p.withdrawn_at IS NULL")

    _FINISH = f"""
    UPDATE withdrawn_files SET done_at = :now WHERE {_OF_PRODUCT} AND done_at IS NULL
    """  # noqa: S608 - our own condition
    _REMOVED = f"""
    UPDATE products SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
      recheck = NULL, refetch = '', damage = 'missing', damage_reason = :reason
    WHERE {_IS_PRODUCT} AND withdrawn_at IS NOT NULL
    """  # noqa: S608 - our own condition

    def finish(self, file: FileSetAside) -> None:
        """Record that the file of a withdrawn product is not in the tree any more."""
        where = "deleted" if file.kept is None else f"moved to {file.kept}"
        values = {
            **identity_values(file.product),
            "now": self._connection.now(),
            "reason": f"it was {where}: the archive withdrew it",
        }
        with self._connection.writing():
            if self._connection.execute(self._FINISH, values):
                self._connection.execute(self._REMOVED, values)
                self._outbox.append_product(EventKind.REMOVED, file.product, kept=file.kept)

    _FORGET = f"DELETE FROM withdrawn_files WHERE {_OF_PRODUCT}"  # noqa: S608 - our own condition

    def forget(self, file: FileSetAside) -> None:
        """Record that nothing happens to a file: it is left where it is."""
        with self._connection.writing():
            self._connection.execute(self._FORGET, identity_values(file.product))

    _RESTORED = f"""
    UPDATE products SET state = 'published', attempts = 0, not_before = '', last_error = NULL,
      damage = NULL, damage_reason = NULL, mtime_ns = :mtime_ns, checked_ms = :checked
    WHERE {_IS_PRODUCT} AND sha256 = :sha256 AND claimed_by IS NULL
      AND (state != 'published' OR damage IS NOT NULL)
    """  # noqa: S608 - our own condition

    def restore(self, file: FileSetAside, mtime_ns: int | None) -> None:
        """Record that the file of a product that is listed again is in the tree, and right."""
        values = {
            **identity_values(file.product),
            "sha256": file.sha256,
            "mtime_ns": mtime_ns,
            "checked": self._connection.now_ms(),
        }
        with self._connection.writing():
            self._connection.execute(self._RESTORED, values)
            self._connection.execute(self._FORGET, values)

    _WANTED = f"""
    UPDATE products SET state = 'wanted', attempts = 0, not_before = '', last_error = NULL,
      recheck = NULL, refetch = ''
    WHERE {_IS_PRODUCT} AND state = 'published' AND damage IS NOT NULL
    """  # noqa: S608 - our own condition
    _KEEP = f"""
    INSERT INTO kept_files (path, product, kept_at)
    VALUES (:kept, {NUMBER}, :now) ON CONFLICT DO NOTHING
    """  # noqa: S608 - our own texts

    def want(self, file: FileSetAside) -> None:
        """Want a product again that is listed again and whose file cannot be brought back.

        What was moved, if it is there, stays where it is, and is known as a file kept aside.
        """
        values = {**identity_values(file.product), "kept": file.kept, "now": self._connection.now()}
        with self._connection.writing():
            self._connection.execute(self._WANTED, values)
            self._connection.execute(self._FORGET, values)
            if file.kept is not None:
                self._connection.execute(self._KEEP, values)


def _set_aside_of(row: dict[str, Any]) -> FileSetAside:
    return FileSetAside(
        product=product_of(row),
        path=path_of(row),
        kept=row["kept"],
        size=row["size"],
        sha256=row["sha256"],
        is_done=row["done_at"] is not None,
        is_here=row["state"] == "published" and row["damage"] is None,
    )
