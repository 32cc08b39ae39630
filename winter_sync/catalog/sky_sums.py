"""The sums of `sky_fields`, kept as facts of images come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.schema_sky import SHOWS_SKY
from winter_sync.core import ImageType, sky_cell

if TYPE_CHECKING:
    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Facts, Product

_Key = tuple[str, str, int]
"""Target, filter and cell."""
_OF_KEY = "target = :target AND filter = :filter AND cell = :cell"


@dataclass(frozen=True, slots=True)
class SkyEntry:
    """What the facts of one image add to the sums.

    Parameters
    ----------
    key
        To which sum.
    depth
        Its limiting magnitude; None if it is not known.
    night
        Its night.
    ra, dec
        Its centre, degrees.
    """

    key: _Key
    depth: float | None
    night: str
    ra: float
    dec: float


class SkySums:
    """The sums of `sky_fields`; each method is called inside the open transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    _ENTRY = f"""
    SELECT f.target, f.filter, f.limiting_magnitude, p.night, f.ra, f.dec
    FROM facts f CROSS JOIN products p ON p.id = f.id AND p.image_type != 'avro'
    WHERE f.id = :facts AND {SHOWS_SKY}
    """  # noqa: S608 - our own condition

    def entry(self, facts: int) -> SkyEntry | None:
        """Return what recorded facts add; None if they show no part of the sky."""
        found = self._connection.tuples(self._ENTRY, {"facts": facts})
        return next(map(_entry_in, list(found)), None)

    def replace(self, old: SkyEntry | None, new: SkyEntry | None) -> None:
        """Count the facts of an image in place of those that it had."""
        if old is not None and new is not None and old.key == new.key:
            self._add(new, images=0)
            if not _is_as_deep(new, old) and self._is_deepest(old):
                self._sum_again(new.key)
            return
        if new is not None:
            self._add(new, images=1)
        if old is not None:
            self._take_out(old)

    _ADD = """
    INSERT INTO sky_fields (target, filter, cell, images, deepest, last_night, ra, dec)
    VALUES (:target, :filter, :cell, :images, :depth, :night, :ra, :dec)
    ON CONFLICT (target, filter, cell) DO UPDATE SET images = images + excluded.images,
      deepest = max(coalesce(deepest, excluded.deepest), coalesce(excluded.deepest, deepest)),
      last_night = max(last_night, excluded.last_night), ra = excluded.ra, dec = excluded.dec
    """

    def _add(self, entry: SkyEntry, *, images: int) -> None:
        at = {"depth": entry.depth, "night": entry.night, "ra": entry.ra, "dec": entry.dec}
        self._connection.execute(self._ADD, {**_named(entry.key), **at, "images": images})

    _SUM = f"SELECT deepest, last_night FROM sky_fields WHERE {_OF_KEY}"  # noqa: S608 - ours
    _LESS = f"UPDATE sky_fields SET images = images - 1 WHERE {_OF_KEY}"  # noqa: S608 - ours

    def _is_deepest(self, entry: SkyEntry) -> bool:
        row = self._connection.row(self._SUM, _named(entry.key))
        return row is None or row["deepest"] == entry.depth

    def _take_out(self, gone: SkyEntry) -> None:
        """Take an image out of its sum, which is made anew only where that may have been its."""
        row = self._connection.row(self._SUM, _named(gone.key))
        if row is None or row["deepest"] == gone.depth or row["last_night"] == gone.night:
            self._sum_again(gone.key)
        else:
            self._connection.execute(self._LESS, _named(gone.key))

    _FORGET = f"DELETE FROM sky_fields WHERE {_OF_KEY}"  # noqa: S608 - ours
    _IMAGES = f"""
    SELECT f.target, f.filter, f.limiting_magnitude, p.night, f.ra, f.dec
    FROM facts f CROSS JOIN products p ON p.id = f.id AND p.image_type != 'avro'
    WHERE (f.target = :target COLLATE NOCASE OR (:target = '' AND f.target IS NULL))
      AND coalesce(f.filter, '') = :filter AND {SHOWS_SKY}
    """  # noqa: S608 - our own condition

    def _sum_again(self, key: _Key) -> None:
        values = _named(key)
        self._connection.execute(self._FORGET, values)
        for found in list(self._connection.tuples(self._IMAGES, values)):
            if (entry := _entry_in(found)).key == key:
                self._add(entry, images=1)


def _is_as_deep(new: SkyEntry, old: SkyEntry) -> bool:
    return old.depth is None or (new.depth is not None and new.depth >= old.depth)


def entry_of(product: Product, facts: Facts) -> SkyEntry | None:
    """Return what facts add that are recorded now; None if they show no part of the sky.

    The same as `SHOWS_SKY` and `SkySums.entry` say of facts that were recorded.
    """
    if product.image_type == ImageType.AVRO or facts.filter == "dark":
        return None
    if facts.ra is None or facts.dec is None:
        return None
    depth, night = facts.limiting_magnitude, product.night.name
    return _entry_in((facts.target, facts.filter, depth, night, facts.ra, facts.dec))


def _entry_in(found: tuple[Any, ...]) -> SkyEntry:
    target, name, depth, night, ra, dec = found
    return SkyEntry((target or "", name or "", sky_cell(ra, dec)), depth, night, ra, dec)


def _named(key: _Key) -> dict[str, Any]:
    return dict(zip(("target", "filter", "cell"), key, strict=True))
