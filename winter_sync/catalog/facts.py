"""Facts of images: which products lack them, and what headers say, recorded by product."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import ALL_OF_PRODUCT, NUMBER
from winter_sync.catalog.rows import held_of
from winter_sync.catalog.sky_sums import SkySums
from winter_sync.catalog.values import digest_bytes, format_instant, identity_values
from winter_sync.core import Facts as ImageFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Held
    from winter_sync.core import Footprint, Product

_COLUMNS = tuple(
    field.name for field in fields(ImageFacts) if field.name not in {"footprints", "started_at"}
)
_CORNERS = 4
_BEYOND = "99999999"
"""Sorts after every night."""
_SAME_CONTENT = f"id = {NUMBER} AND sha256 = :sha256"


class Facts:
    """Facts of images, one row a product, and their footprints."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sky = SkySums(connection)

    _DUE = f"""
    SELECT {ALL_OF_PRODUCT} FROM products p INDEXED BY products_facts_due
    WHERE p.facts_due AND p.state = 'published' AND p.damage IS NULL AND p.claimed_by IS NULL
      AND p.night <= :night AND (p.night < :night OR p.id > {NUMBER})
    ORDER BY p.night DESC, p.id LIMIT :limit
    """  # noqa: S608 - our own texts

    def due(self, limit: int, after: Product | None = None) -> list[Held]:
        """Return products whose facts were not read yet, the newest night first.

        With `after`, those that follow it: what cannot be read now keeps no other from its turn.
        """
        place = dict.fromkeys(("instrument", "source", "filename"), "") | {"night": _BEYOND}
        if after is not None:
            place = {"night": after.night.name, **identity_values(after)}
        return self._connection.read(held_of, self._DUE, {**place, "limit": limit})

    _COUNT_DUE = """
    SELECT count(*) AS products FROM products INDEXED BY products_facts_due
    WHERE facts_due AND state = 'published' AND damage IS NULL
    """

    def count_due(self) -> int:
        """Count products whose facts were not read yet."""
        (row,) = self._connection.rows(self._COUNT_DUE)
        return int(row["products"])

    _READ = f"UPDATE products SET facts_due = 0 WHERE {_SAME_CONTENT}"  # noqa: S608 - our own condition
    _INSERT = f"""
    INSERT INTO facts (product, digest, started_at, {", ".join(_COLUMNS)})
    VALUES ({NUMBER}, :digest, :started_at, {", ".join(f":{c}" for c in _COLUMNS)})
    """  # noqa: S608 - our own columns

    def record(self, read: Iterable[tuple[Held, ImageFacts]]) -> int:
        """Record facts in place of those of an earlier content; return how many still mattered.

        Facts of a content that was replaced meanwhile are dropped: those of the new one are due.
        """
        with self._connection.writing():
            return sum(self.replace(held, facts) is not None for held, facts in read)

    def replace(self, held: Held, facts: ImageFacts) -> int | None:
        """Record facts of one product, inside the open transaction; return the number of the row.

        None if they are of a content that was replaced meanwhile: they are dropped.
        """
        content = {**identity_values(held.product), "sha256": held.sha256}
        if not self._connection.execute(self._READ, content):
            return None
        before = self._sky.entry(held.product)
        self._forget(content)
        digest = digest_bytes(held.sha256)
        self._connection.execute(self._INSERT, {**content, "digest": digest, **_values(facts)})
        (row,) = self._connection.rows("SELECT last_insert_rowid() AS id")
        number = int(row["id"])
        self._add_footprints(number, facts.footprints)
        self._sky.replace(before, self._sky.entry(held.product))
        return number

    _OF_PRODUCT = f"SELECT id FROM facts WHERE product = {NUMBER}"  # noqa: S608 - our own texts
    _OF_FACTS = f"SELECT id FROM footprints WHERE facts IN ({_OF_PRODUCT})"  # noqa: S608 - our own
    _ALERTS = f"SELECT id FROM alerts WHERE facts IN ({_OF_PRODUCT})"  # noqa: S608 - as above
    _FORGET = (
        f"DELETE FROM alert_index WHERE id IN ({_ALERTS})",  # noqa: S608 - as above
        f"DELETE FROM alerts WHERE facts IN ({_OF_PRODUCT})",  # noqa: S608 - as above
        f"DELETE FROM footprint_index WHERE id IN ({_OF_FACTS})",  # noqa: S608 - our own condition
        f"DELETE FROM footprints WHERE facts IN ({_OF_PRODUCT})",  # noqa: S608 - as above
        f"DELETE FROM facts WHERE product = {NUMBER}",  # noqa: S608 - as above
    )

    def _forget(self, content: dict[str, str]) -> None:
        for sql in self._FORGET:
            self._connection.execute(sql, content)

    _ADD_FOOTPRINT = """
    INSERT INTO footprints (facts, extension, ra1, dec1, ra2, dec2, ra3, dec3, ra4, dec4)
    VALUES (:facts, :extension, :ra1, :dec1, :ra2, :dec2, :ra3, :dec3, :ra4, :dec4)
    """
    _INDEX_FOOTPRINT = """
    INSERT INTO footprint_index VALUES (last_insert_rowid(), :x1, :x2, :y1, :y2, :z1, :z2)
    """

    def _add_footprints(self, facts: int, footprints: Sequence[Footprint]) -> None:
        for footprint in footprints:
            self._connection.execute(
                self._ADD_FOOTPRINT,
                {"facts": facts, "extension": footprint.extension, **_corners(footprint)},
            )
            names = ("x1", "x2", "y1", "y2", "z1", "z2")
            box = dict(zip(names, footprint.box, strict=True))
            self._connection.execute(self._INDEX_FOOTPRINT, box)


def _values(facts: ImageFacts) -> dict[str, Any]:
    started = facts.started_at
    return {
        "started_at": format_instant(started) if started else None,
        **{column: getattr(facts, column) for column in _COLUMNS},
    }


def _corners(footprint: Footprint) -> dict[str, float]:
    """Return the columns of the four corners of an image.

    Raises
    ------
    ValueError
        If it does not have four.
    """
    if len(footprint.corners) != _CORNERS:
        raise ValueError(f"an image has {_CORNERS} corners, not {len(footprint.corners)}")
    return {
        f"{name}{number}": value
        for number, corner in enumerate(footprint.corners, 1)
        for name, value in zip(("ra", "dec"), corner, strict=True)
    }
