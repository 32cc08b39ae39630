"""The products that are being downloaded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from winter_sync.cli.progress.counts import Kind, kind_of
from winter_sync.core import ImageType, Instrument, Night

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.core import Batch, Candidate, Product

_CAMERAS = list(Instrument)
_TYPES = list(ImageType)


class UnderWay:
    """The products of the batches that have begun and not ended, and that have not ended."""

    def __init__(self) -> None:
        self._batches: dict[str, dict[tuple[Instrument, str], Candidate]] = {}

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._batches)

    def begin(self, batch: Batch) -> None:
        """Add the products of a batch."""
        products = {candidate.product.identity: candidate for candidate in batch.candidates}
        self._batches[batch.identifier] = products

    def end(self, batch: Batch) -> None:
        """Remove a batch."""
        self._batches.pop(batch.identifier, None)

    def remove(self, product: Product) -> None:
        """Remove a product that ended."""
        for products in self._batches.values():
            products.pop(product.identity, None)

    def counted(self) -> Counter[tuple[Night, Kind, bool]]:
        """Count products by night, kind, and whether they failed before."""
        return Counter(
            (candidate.product.night, kind_of(candidate.product), candidate.attempts > 0)
            for candidate in self._candidates()
        )

    def newest(self, most: int) -> list[tuple[Night, Kind]]:
        """Return at most this many of the nights and kinds, the newest first."""
        products = [candidate.product for candidate in self._candidates()]
        places = {(product.night, kind_of(product)) for product in products}
        return sorted(places, key=_newest_first)[:most]

    def _candidates(self) -> Iterator[Candidate]:
        for products in self._batches.values():
            yield from products.values()


def _newest_first(place: tuple[Night, Kind]) -> tuple[int, int, int]:
    night, (instrument, image_type) = place
    return -night.day.toordinal(), _CAMERAS.index(instrument), _TYPES.index(image_type)
