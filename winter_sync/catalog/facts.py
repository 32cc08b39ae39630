"""Facts of images: which products lack them, and what headers say, recorded by product."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import ALL_OF_PRODUCT, NUMBER
from winter_sync.catalog.packing import pack_milliseconds
from winter_sync.catalog.rows import held_of
from winter_sync.catalog.sky_sums import SkySums, entry_of
from winter_sync.catalog.values import format_instant, identity_values
from winter_sync.core import Facts as ImageFacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.catalog.records import Held
    from winter_sync.catalog.sky_sums import SkyEntry
    from winter_sync.core import Footprint, Product

_COLUMNS = tuple(
    field.name for field in fields(ImageFacts) if field.name not in {"footprints", "started_at"}
)
_CORNERS = 4
_BEYOND = "99999999"
"""Sorts after every night."""


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

    _FIND = f"""
    SELECT p.id, EXISTS (SELECT 1 FROM facts f WHERE f.id = p.id) AS has_facts
    FROM products p WHERE p.id = {NUMBER} AND p.sha256 = :sha256
    """  # noqa: S608 - our own texts
    _READ = "UPDATE products SET facts_due = 0 WHERE id = :id"
    _INSERT = f"""
    INSERT INTO facts (id, started_ms, {", ".join(_COLUMNS)})
    VALUES (:id, :started_ms, {", ".join(f":{c}" for c in _COLUMNS)})
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
        found = self._connection.row(self._FIND, content)
        if found is None:
            return None
        self._connection.execute(self._READ, {"id": found["id"]})
        number = int(found["id"])
        before = self._forget(number) if found["has_facts"] else None
        self._connection.execute(self._INSERT, {"id": number, **_values(facts)})
        self._add_footprints(number, facts.footprints)
        self._sky.replace(before, entry_of(held.product, facts))
        return number

    _FORGET = (
        "DELETE FROM alert_index WHERE id IN (SELECT id FROM alerts WHERE facts = :facts)",
        "DELETE FROM alerts WHERE facts = :facts",
        "DELETE FROM footprint_index WHERE id IN (SELECT id FROM footprints WHERE facts = :facts)",
        "DELETE FROM footprints WHERE facts = :facts",
        "DELETE FROM facts WHERE id = :facts",
    )

    def _forget(self, facts: int) -> SkyEntry | None:
        """Take facts out of the catalog; return what they added to the sums."""
        entry = self._sky.entry(facts)
        for sql in self._FORGET:
            self._connection.execute(sql, {"facts": facts})
        return entry

    _ADD_FOOTPRINT = """
    INSERT INTO footprints (facts, extension, ra1, dec1, ra2, dec2, ra3, dec3, ra4, dec4)
    VALUES (:facts, :extension, :ra1, :dec1, :ra2, :dec2, :ra3, :dec3, :ra4, :dec4)
    """
    _INDEX_FOOTPRINT = "INSERT INTO footprint_index VALUES (:id, :x1, :x2, :y1, :y2, :z1, :z2)"

    def _add_footprints(self, facts: int, footprints: Sequence[Footprint]) -> None:
        for footprint in footprints:
            corners = {"facts": facts, "extension": footprint.extension, **_corners(footprint)}
            number = self._connection.insert(self._ADD_FOOTPRINT, corners)
            names = ("x1", "x2", "y1", "y2", "z1", "z2")
            box = dict(zip(names, footprint.box, strict=True))
            self._connection.execute(self._INDEX_FOOTPRINT, {"id": number, **box})


def _values(facts: ImageFacts) -> dict[str, Any]:
    started = facts.started_at
    return {
        "started_ms": pack_milliseconds(format_instant(started)) if started else None,
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
