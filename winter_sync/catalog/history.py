"""The history of products: their revisions, where these are, and what else happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import (
    HAS_NO_REVISION,
    IDENTITY,
    NUMBER,
    PATH,
    PRODUCT,
    identity_of,
    path_sql,
    split_path,
)
from winter_sync.catalog.outbox import EVENT, event_of
from winter_sync.catalog.records import KeptRevision, ProductHistory, Revision
from winter_sync.catalog.rows import path_of, product_of
from winter_sync.catalog.scopes import parameters
from winter_sync.catalog.values import identity_values
from winter_sync.core import Damage, Instrument, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Night, Product

_MOST = 20
"""Products that one name may mean; more are not told apart."""
_OTHER_EVENTS = 200


class History:
    """The history of the products of one mirror."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _KEPT = f"""
    SELECT {IDENTITY}, v.revision, v.kept, v.size, v.sha256, v.replaced_at
    FROM revisions v INDEXED BY revisions_kept CROSS JOIN products p ON p.id = v.product
    WHERE v.kept IS NOT NULL
    """  # noqa: S608 - our own texts

    def kept(self) -> list[KeptRevision]:
        """Return the older revisions that are kept, of all products."""
        return self._connection.read(_kept_of, self._KEPT)

    _FORGET_KEPT = f"""
    UPDATE revisions SET kept = NULL, removed_at = :removed_at
    WHERE product = {NUMBER} AND revision = :revision AND kept = :kept
    """  # noqa: S608 - our own texts
    _FORGET_FILE = """
    DELETE FROM kept_files WHERE path = :kept
      AND NOT EXISTS (SELECT 1 FROM revisions WHERE kept = :kept)
    """

    def forget_kept(self, revision: KeptRevision, *, removed: bool) -> None:
        """Record that a kept revision is not there any more.

        `removed` says that we removed its file; otherwise there is another file of that name, which
        stays recorded as kept aside.
        """
        with self._connection.writing():
            now = self._connection.now()
            values = {
                **identity_of(revision.instrument, revision.savepath),
                "revision": revision.revision,
                "kept": revision.kept,
                "removed_at": now if removed else None,
            }
            self._connection.execute(self._FORGET_KEPT, values)
            if removed:
                self._connection.execute(self._FORGET_FILE, values)

    _FIND = f"""
    SELECT {PRODUCT} FROM products p WHERE id IN (
      SELECT q.id FROM directories e CROSS JOIN products q ON q.directory = e.id
        AND q.filename = :filename COLLATE NOCASE
        WHERE e.place = :directory COLLATE NOCASE
      UNION SELECT product FROM revisions WHERE kept = :name
      UNION SELECT q.id FROM directories e CROSS JOIN products q ON q.directory = e.id
        AND q.filename = :filename COLLATE NOCASE AND q.filename = :filename
        WHERE e.source = :directory)
    ORDER BY instrument, savepath LIMIT :most
    """  # noqa: S608 - our own texts
    _FIND_BY_FILENAME = f"""
    SELECT {PRODUCT} FROM products p WHERE filename = :name
    ORDER BY instrument, savepath LIMIT :most
    """  # noqa: S608 - our own texts

    def find(self, name: str) -> list[Product]:
        """Return the products of a path below the root, a savepath, a kept file or a file name."""
        directory, filename = split_path(name)
        values = {"name": name, "directory": directory, "filename": filename, "most": _MOST}
        found = self._connection.read(product_of, self._FIND, values)
        if found or "/" in name:
            return found
        return self._connection.read(product_of, self._FIND_BY_FILENAME, values)

    _FIND_IN_NIGHTS = f"""
    SELECT {PRODUCT} FROM products p WHERE p.night IN ({{nights}}) AND p.filename = :name
    ORDER BY instrument, savepath LIMIT :most
    """  # noqa: S608 - our own texts

    def find_in_nights(self, filename: str, nights: Sequence[Night]) -> list[Product]:
        """Return the products of some nights that have a file name: quicker than `find`."""
        names, values = parameters("night", [night.name for night in nights])
        sql = self._FIND_IN_NIGHTS.format(nights=names)
        return self._connection.read(product_of, sql, {**values, "name": filename, "most": _MOST})

    _PRODUCT = f"""
    SELECT p.state, p.withdrawn_at, {PATH}, p.damage, {path_sql("n")} AS successor,
      w.kept AS set_aside, w.done_at IS NOT NULL AND p.withdrawn_at IS NOT NULL AS is_set_aside
    FROM products p
    LEFT JOIN withdrawn_files w ON w.product = p.id
    LEFT JOIN successors s ON s.product = p.id
    LEFT JOIN products n ON n.id = s.successor
    WHERE p.id = {NUMBER}
    """  # noqa: S608 - our own texts
    _REVISIONS = f"""
    SELECT v.revision, v.published_at, v.replaced_at, CASE WHEN v.revision = p.revision
        THEN nullif(coalesce(p.confirmed_at, p.published_at), '') ELSE v.confirmed_at
      END AS confirmed_at, v.removed_at, v.lastmodified, v.pipeversion, v.size, v.sha256, v.kept
    FROM products p CROSS JOIN revisions v ON v.product = p.id WHERE p.id = {NUMBER}
    UNION ALL
    SELECT p.revision, p.published_at, NULL, nullif(coalesce(p.confirmed_at, p.published_at), ''),
      NULL, p.settled_lastmodified, p.settled_pipeversion, p.size, p.sha256, NULL
    FROM products p WHERE p.id = {NUMBER} AND {HAS_NO_REVISION}
    ORDER BY 1 DESC
    """  # noqa: S608 - our own texts
    _EVENTS = f"""
    SELECT {EVENT} WHERE e.product = {NUMBER}
      AND e.kind NOT IN ('downloaded', 'replaced') ORDER BY e.id DESC LIMIT :most
    """

    def of(self, product: Product) -> ProductHistory:
        """Return the history of a product, the newest first."""
        identity = identity_values(product)
        (row,) = self._connection.rows(self._PRODUCT, identity)
        events = self._connection.rows(self._EVENTS, {**identity, "most": _OTHER_EVENTS})
        return ProductHistory(
            product=product,
            path=path_of(row),
            state=State(row["state"]),
            withdrawn_at=row["withdrawn_at"],
            damage=Damage(row["damage"]) if row["damage"] else None,
            is_set_aside=bool(row["is_set_aside"]),
            set_aside=row["set_aside"],
            successor=row["successor"],
            revisions=tuple(self._connection.read(_revision_of, self._REVISIONS, identity)),
            events=tuple(self._connection.converted(event_of, events)),
        )


def _kept_of(row: dict[str, Any]) -> KeptRevision:
    return KeptRevision(
        instrument=Instrument(row["instrument"]),
        savepath=row["savepath"],
        revision=row["revision"],
        kept=row["kept"],
        size=row["size"],
        sha256=row["sha256"],
        replaced_at=row["replaced_at"] or "",
    )


def _revision_of(row: dict[str, Any]) -> Revision:
    return Revision(**row)
