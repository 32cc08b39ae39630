"""Successors of withdrawn products: found when one vanishes or its successor appears, and kept."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.connection import chunks
from winter_sync.catalog.found import FACTS
from winter_sync.catalog.identities import IDENTIFIED, NUMBER, PATH, PRODUCT, identities_of
from winter_sync.catalog.outbox import Outbox
from winter_sync.catalog.rows import product_of
from winter_sync.catalog.values import identity_values
from winter_sync.core import COMBINED, EventKind, NamedAfterDither, reach_of, successors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Night, Product, Subject

_LATE = timedelta(days=2)
"""So long after a product vanished its successor may appear."""
_LAST_POLL = """
SELECT q.at FROM polls q INDEXED BY polls_latest
WHERE q.program = o.program AND q.instrument = p.instrument AND q.image_type = p.image_type
  AND q.region = o.region AND q.id < coalesce(o.missed_in, 1 << 62)
  AND (q.error IS NULL OR q.listed) AND q.start <= date(o.nightdate, '+1 day')
  AND (q."end" IS NULL OR q."end" >= date(o.nightdate, '-1 day'))
ORDER BY q.id DESC LIMIT 1
"""
"""When the last poll was that a listing was in, as `Listings.record_poll` has it."""
_LAST_LISTED = f"""(
SELECT max(coalesce(nullif(max(coalesce(({_LAST_POLL}), ''), coalesce(o.listed_at, '')), ''), '~'))
FROM listings o WHERE o.product = p.id)
"""  # noqa: S608 - our own texts
"""After every time where nobody knows it: what may have been listed all along has no successor."""
_NAMED = f"""
SELECT {PRODUCT}, p.first_listed, {{last_listed}} AS last_listed,
  l.target, l.fid, f.exposure_time, f.coadds, f.dithers
FROM {{products}}
JOIN listings l ON l.product = p.id AND l.program = :program
LEFT JOIN {FACTS}
"""  # noqa: S608 - our own texts


class Renames:
    """The products that were renamed."""

    def __init__(self, connection: Connection, outbox: Outbox | None = None) -> None:
        self._connection = connection
        self._outbox = outbox or Outbox(connection)

    _VANISHED = f"""
    {_NAMED.format(last_listed=_LAST_LISTED, products=IDENTIFIED)}
    WHERE p.instrument = :instrument AND p.image_type = :image_type
    """

    def find(self, subject: Subject, vanished: Sequence[Product]) -> dict[Product, Product]:
        """Return the successors of products that vanish now, inside the open transaction."""
        if not vanished or subject.image_type not in COMBINED:
            return {}
        olds: list[NamedAfterDither] = []
        for chunk in chunks(vanished):
            identities = identities_of(product.identity for product in chunk)
            values = {**_subject(subject), "identities": identities}
            olds += self._connection.read(_named_of, self._VANISHED, values)
        return self._successors(subject, olds)

    _VANISHED_LATELY = f"""
    {_NAMED.format(last_listed=_LAST_LISTED, products="products p")}
    WHERE p.withdrawn_at >= :since AND p.instrument = :instrument AND p.image_type = :image_type
      AND NOT EXISTS (SELECT 1 FROM successors s WHERE s.product = p.id)
    """  # noqa: S608 - our own texts

    def find_late(self, subject: Subject) -> dict[Product, Product]:
        """Return the successors that appear now of products that vanished in the last days."""
        if subject.image_type not in COMBINED:
            return {}
        values = {**_subject(subject), "since": self._connection.at(-_LATE)}
        olds = self._connection.read(_named_of, self._VANISHED_LATELY, values)
        return self._successors(subject, olds)

    def _successors(
        self, subject: Subject, olds: Sequence[NamedAfterDither]
    ) -> dict[Product, Product]:
        nights = {old.product.night for old in olds}
        listed = (new for night in nights for new in self._listed(subject, night))
        gone = {old.product for old in olds}
        return successors(olds, (new for new in listed if new.product not in gone))

    _LISTED = f"""
    {_NAMED.format(last_listed="'~'", products="products p")}
    WHERE p.night = :night AND p.instrument = :instrument AND p.image_type = :image_type
      AND l.withdrawn_at IS NULL
    """

    def _listed(self, subject: Subject, night: Night) -> list[NamedAfterDither]:
        values = {**_subject(subject), "night": night.name}
        return self._connection.read(_named_of, self._LISTED, values)

    _LINK = f"""
    INSERT INTO successors (product, successor, linked_at)
    SELECT {NUMBER}, :successor, :now
    WHERE NOT EXISTS (SELECT 1 FROM successors WHERE successor = :successor)
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - our own texts
    _PLACE = f"SELECT p.id, {PATH} FROM products p WHERE p.id = {NUMBER}"  # noqa: S608 - our own texts

    def link(self, found: Mapping[Product, Product]) -> None:
        """Record successors of withdrawn products, and the events."""
        for old, new in found.items():
            place = self._connection.row(self._PLACE, identity_values(new))
            values = {
                **identity_values(old),
                "successor": place["id"] if place else None,
                "now": self._connection.now(),
            }
            if place and self._connection.execute(self._LINK, values):
                self._outbox.append_product(
                    EventKind.RENAMED,
                    old,
                    successor=new.savepath,
                    successor_path=place["path"],
                )

    _FORGET = f"DELETE FROM successors WHERE product = {NUMBER}"  # noqa: S608 - our own texts

    def forget(self, product: Product) -> None:
        """Forget the successor of a product that is listed again."""
        self._connection.execute(self._FORGET, identity_values(product))

    _SUCCESSOR = f"""
    SELECT {PRODUCT} FROM successors s JOIN products p ON p.id = s.successor
    WHERE s.product = {NUMBER}
    """  # noqa: S608 - our own texts

    def successor(self, product: Product) -> Product | None:
        """Return what a withdrawn product was renamed to; None if that is not known."""
        found = self._connection.read(product_of, self._SUCCESSOR, identity_values(product))
        return next(iter(found), None)


def _subject(subject: Subject) -> dict[str, Any]:
    return {
        "program": subject.program,
        "instrument": subject.instrument.value,
        "image_type": subject.image_type.value,
    }


def _named_of(row: dict[str, Any]) -> NamedAfterDither:
    return NamedAfterDither(
        product=product_of(row),
        first_listed=row["first_listed"],
        last_listed=row["last_listed"],
        target=row["target"],
        fid=row["fid"],
        reach=reach_of(row["exposure_time"], row["coadds"], row["dithers"]),
    )
