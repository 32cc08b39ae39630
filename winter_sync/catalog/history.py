"""The history of products: their revisions, where these are, and what else happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winter_sync.catalog.outbox import event_of
from winter_sync.catalog.records import KeptRevision, ProductHistory, Revision
from winter_sync.catalog.rows import path_of, product_of
from winter_sync.catalog.values import identity_values
from winter_sync.core import Damage, Instrument, State

if TYPE_CHECKING:
    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Product

_MOST = 20
"""Products that one name may mean; more are not told apart."""
_OTHER_EVENTS = 200


class History:
    """The history of the products of one mirror."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _KEPT = """
    SELECT instrument, savepath, revision, kept, size, sha256, replaced_at
    FROM revisions INDEXED BY revisions_kept WHERE kept IS NOT NULL
    """

    def kept(self) -> list[KeptRevision]:
        """Return the older revisions that are kept, of all products."""
        return self._connection.read(_kept_of, self._KEPT)

    _FORGET_KEPT = """
    UPDATE revisions SET kept = NULL, removed_at = :removed_at
    WHERE instrument = :instrument AND savepath = :savepath AND revision = :revision
      AND kept = :kept
    """
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
                "instrument": revision.instrument.value,
                "savepath": revision.savepath,
                "revision": revision.revision,
                "kept": revision.kept,
                "removed_at": now if removed else None,
            }
            self._connection.execute(self._FORGET_KEPT, values)
            if removed:
                self._connection.execute(self._FORGET_FILE, values)

    _FIND = """
    SELECT instrument, savepath, image_type, night FROM products WHERE path = :name COLLATE NOCASE
    UNION SELECT p.instrument, p.savepath, p.image_type, p.night
      FROM revisions r JOIN products p USING (instrument, savepath) WHERE r.kept = :name
    UNION SELECT instrument, savepath, image_type, night FROM products
      WHERE instrument IN ('winter', 'spring') AND savepath = :name
    ORDER BY instrument, savepath LIMIT :most
    """
    _FIND_BY_FILENAME = """
    SELECT instrument, savepath, image_type, night FROM products WHERE filename = :name
    ORDER BY instrument, savepath LIMIT :most
    """

    def find(self, name: str) -> list[Product]:
        """Return the products of a path below the root, a savepath, a kept file or a file name."""
        values = {"name": name, "most": _MOST}
        found = self._connection.read(product_of, self._FIND, values)
        if found or "/" in name:
            return found
        return self._connection.read(product_of, self._FIND_BY_FILENAME, values)

    _PRODUCT = """
    SELECT p.state, p.withdrawn_at, p.path, p.damage, n.path AS successor, w.kept AS set_aside,
      w.done_at IS NOT NULL AND p.withdrawn_at IS NOT NULL AS is_set_aside
    FROM products p
    LEFT JOIN withdrawn_files w ON w.instrument = p.instrument AND w.savepath = p.savepath
    LEFT JOIN successors s ON s.instrument = p.instrument AND s.savepath = p.savepath
    LEFT JOIN products n ON n.instrument = s.instrument AND n.savepath = s.successor
    WHERE p.instrument = :instrument AND p.savepath = :savepath
    """
    _REVISIONS = """
    SELECT revision, published_at, replaced_at, confirmed_at, removed_at, lastmodified, pipeversion,
      size, sha256, kept
    FROM revisions WHERE instrument = :instrument AND savepath = :savepath ORDER BY revision DESC
    """
    _EVENTS = """
    SELECT id, at, kind, instrument, image_type, night, savepath, path, details FROM events
    WHERE savepath = :savepath AND instrument = :instrument
      AND kind NOT IN ('downloaded', 'replaced') ORDER BY id DESC LIMIT :most
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
