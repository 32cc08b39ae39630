"""Counts of products by night, instrument and type."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core.products import Night, Product
    from winter_sync.core.traits import ImageType, Instrument


@dataclass(frozen=True, slots=True)
class Share:
    """How many products of one night, instrument and type; `failed` of them failed before."""

    night: Night
    instrument: Instrument
    image_type: ImageType
    products: int
    failed: int = 0


def shares(products: Iterable[Product]) -> tuple[Share, ...]:
    """Count products by night, instrument and type."""
    counted = Counter(
        (product.night, product.instrument, product.image_type) for product in products
    )
    return tuple(Share(*of, number) for of, number in counted.items())
