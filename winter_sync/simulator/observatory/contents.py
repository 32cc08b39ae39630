"""Chooses the writer of a product's file: FITS or Avro."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import ImageType
from winter_sync.simulator.observatory.alerts import avro_file
from winter_sync.simulator.observatory.frames import fits_file

if TYPE_CHECKING:
    from winter_sync.simulator.observatory.holdings import Holding


def content_of(holding: Holding, seed: int, scale: float, revision: int) -> bytes:
    """Return the bytes of a product: a pure function of its arguments."""
    write = avro_file if holding.product.image_type is ImageType.AVRO else fits_file
    return write(holding, seed, scale, revision)
