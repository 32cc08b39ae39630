"""The images that cover a place, on a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.cli.views.table import Table
from winter_sync.core import escape_unprintable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.api import CoveringImage

_UNKNOWN = "-"
_HEADINGS = ("UTC", "filter", "type", "HDU", "exp/s", "limit", 'seeing"', 'edge"', "programs")


def coverage_table(images: Iterable[CoveringImage]) -> Table:
    """Return a table with a line for each image."""
    return Table([_HEADINGS, *map(_cells, images)])


def _cells(image: CoveringImage) -> list[str]:
    started = image.started_at
    return [
        f"{started:%Y-%m-%d %H:%M:%S}" if started else f"night {image.night}",
        escape_unprintable(image.filter or _UNKNOWN),
        image.image_type,
        str(image.extension),
        _number(image.exposure_time, "g"),
        _number(image.limiting_magnitude, ".2f"),
        _number(image.seeing, ".1f"),
        _number(image.edge_distance, ".0f"),
        escape_unprintable(" ".join(image.programs)),
    ]


def _number(value: float | None, form: str) -> str:
    return _UNKNOWN if value is None else format(value, form)
