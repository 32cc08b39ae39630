"""The columns of the images that show a position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.api.product_columns import product_columns
from winter_sync.science import Column, Kind

if TYPE_CHECKING:
    from winter_sync.api.coverage import CoveringImage

COVERAGE_COLUMNS = (
    *product_columns("night", "started_at", "target", "filter", "exposure_time"),
    *product_columns("limiting_magnitude", "seeing"),
    Column(
        "edge_distance",
        Kind.REAL,
        "arcsec",
        "pos.angDistance",
        "Distance of the position from the nearest edge of the image.",
    ),
    *product_columns("image_type", "instrument", "state", "programs"),
    Column("extension", Kind.INTEGER, description="HDU of the image; 0 is the primary one."),
    Column("path", Kind.TEXT, ucd="meta.ref.url", description="Its file on this machine."),
)


def coverage_row(image: CoveringImage) -> dict[str, object]:
    """Return the values of an image by the names of the columns."""
    return {
        **{column.name: getattr(image, column.name) for column in COVERAGE_COLUMNS},
        "programs": " ".join(image.programs),
    }
