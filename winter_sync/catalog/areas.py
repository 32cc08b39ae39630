"""Products in an area of the sky: by the positions that are listed, and by what images show."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from winter_sync.core import Footprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Area

_LISTED = """
SELECT l.product, l.ra, l.dec FROM listings l
WHERE l.dec BETWEEN :south AND :north AND l.ra BETWEEN :west AND :east
"""
BOX = """
i.x1 <= :x2 AND i.x2 >= :x1 AND i.y1 <= :y2 AND i.y2 >= :y1 AND i.z1 <= :z2 AND i.z2 >= :z1
"""
"""Whether the box of an entry of `footprint_index` (i) touches that of an area; needs
`box_values`."""
_SHOWN = f"""
SELECT f.id, n.ra1, n.dec1, n.ra2, n.dec2, n.ra3, n.dec3, n.ra4, n.dec4
FROM footprint_index i CROSS JOIN footprints n ON n.id = i.id CROSS JOIN facts f ON f.id = n.facts
WHERE {BOX}
"""  # noqa: S608 - our own condition


def products_in(connection: Connection, area: Area) -> set[int]:
    """Return the row numbers of products that are listed in an area, or show a part of it."""
    found = set(_listed_in(connection, area))
    for number, *corners in connection.tuples(_SHOWN, box_values(area)):
        if number not in found and area.touches(_footprint(corners)):
            found.add(number)
    return found


def _listed_in(connection: Connection, area: Area) -> Iterator[int]:
    contains = cache(area.contains)  # many products are listed at one pointing
    south, north = area.declinations
    for west, east in area.right_ascensions:
        bounds = {"south": south, "north": north, "west": west, "east": east}
        for number, ra, dec in connection.tuples(_LISTED, bounds):
            if contains((ra, dec)):
                yield number


def box_values(area: Area) -> dict[str, float]:
    """Return the values that `BOX` needs."""
    return dict(zip(("x1", "x2", "y1", "y2", "z1", "z2"), area.box, strict=True))


def _footprint(corners: list[float]) -> Footprint:
    return Footprint(tuple(zip(corners[::2], corners[1::2], strict=True)))
