"""Products fetched again only because their marks changed: a sample of each night and type first.

The column `recheck` of `products` is 'sample' for those that are fetched first, 'same' for those
of them whose content turned out to be the same, 'held' for the others of that night and type until
it is known whether the night was remade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import savepath_sql
from winter_sync.catalog.records import Refetched
from winter_sync.catalog.refetches import Refetches
from winter_sync.catalog.rows import settled_marks_of
from winter_sync.catalog.values import group_values, settled_mark_values
from winter_sync.core import (
    REFETCH_SAMPLE,
    Refetch,
    Share,
    State,
    evenly_spread,
    parse_marks,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Product

_OF_GROUP = "instrument = :instrument AND night = :night AND image_type = :image_type"
"""Products of one camera, night and type."""


class Rechecks:
    """Which products are fetched again as a sample, and which wait for its result."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._refetches = Refetches(connection)

    def proceed(self, products: Iterable[Product]) -> tuple[Share, ...]:
        """Go on with the rechecks of the nights and types of these products.

        Of what changed its marks only a few products of each night and type are fetched at first.
        When these turn out the same, the rest is taken as the same; when one does not, all are
        fetched. One that could not be downloaded is replaced by another.

        Returns
        -------
        tuple of Share
            Products that need not be fetched again after all.
        """
        groups = {tuple(group_values(product).items()): product for product in products}
        found = (self._proceed(dict(group), product) for group, product in groups.items())
        return tuple(share for share in found if share is not None)

    _COUNT = f"""
    SELECT coalesce(sum(recheck = 'held'), 0) AS held,
      coalesce(sum(recheck = 'sample'), 0) AS sample, coalesce(sum(recheck = 'same'), 0) AS same
    FROM products WHERE {_OF_GROUP} AND recheck IS NOT NULL AND withdrawn_at IS NULL
    """  # noqa: S608 - our own condition
    _HELD_BACK = f"""
    SELECT id, published_at, settled_lastmodified, settled_pipeversion
    FROM products p WHERE {_OF_GROUP} AND recheck = 'held' AND withdrawn_at IS NULL
    ORDER BY {savepath_sql()}
    """  # noqa: S608 - our own condition

    def _proceed(self, group: dict[str, str], product: Product) -> Share | None:
        (counts,) = self._connection.rows(self._COUNT, group)
        held = self._connection.rows(self._HELD_BACK, group) if counts["held"] else []
        if held and counts["same"] < REFETCH_SAMPLE:
            self._add_to_sample(
                _sample_of(held, REFETCH_SAMPLE - counts["same"] - counts["sample"])
            )
            return None
        for row in held:
            self._mark_unchanged(row)
        if held:
            self._refetches.count([Refetched(Refetch.MARKS, settled=len(held))])
        if not counts["sample"]:
            self.end(product)
        if not held:
            return None
        return Share(product.night, product.instrument, product.image_type, len(held))

    _ADD_TO_SAMPLE = "UPDATE products SET recheck = 'sample' WHERE id = :id"

    def _add_to_sample(self, chosen: Iterable[dict[str, Any]]) -> None:
        self._connection.execute_many(self._ADD_TO_SAMPLE, chosen)

    _LISTED_MARKS = """
    SELECT group_concat(lastmodified, char(10)) AS lastmodified,
      group_concat(pipeversion, char(10)) AS pipeversion
    FROM listings
    WHERE product = :id AND withdrawn_at IS NULL
    """

    def _mark_unchanged(self, row: dict[str, Any]) -> None:
        """Take a product as unchanged under the marks that it is listed with now."""
        (listed,) = self._connection.rows(self._LISTED_MARKS, {"id": row["id"]})
        settled = settled_marks_of(row).united(
            parse_marks(listed["lastmodified"], listed["pipeversion"])
        )
        self._connection.update_product(
            row["id"],
            {
                "state": State.PUBLISHED.value,
                "recheck": None,
                "refetch": Refetch.NO.value,
                **settled_mark_values(settled),
            },
        )

    _END = f"""
    UPDATE products SET recheck = NULL WHERE {_OF_GROUP} AND recheck IS NOT NULL
    """  # noqa: S608 - our own condition

    def end(self, product: Product) -> None:
        """End the recheck of the night and type of a product: nothing of it waits any longer."""
        self._connection.execute(self._END, group_values(product))


def _sample_of(held: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return products evenly from the whole, one of those that came first among them.

    A file that was lost may have come again after the night was remade and before its new marks
    were seen: it is the same as what the archive has, and says nothing of those that came earlier.
    """
    chosen = evenly_spread(held, count)
    oldest = min(held, key=_came_at)
    if chosen and _came_at(oldest) < min(map(_came_at, chosen)):
        chosen[0] = oldest
    return chosen


def _came_at(row: dict[str, Any]) -> str:
    return row["published_at"] or ""
