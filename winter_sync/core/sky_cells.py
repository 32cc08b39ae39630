"""The sky divided into cells of about 2 degrees, by which what is known of it is summed up.

Cells are between parallels 2 degrees apart, and as wide as they are high: there are fewer of them
around the poles.
"""

from __future__ import annotations

from math import cos, radians
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.core.sphere import Position

_HEIGHT = 2.0
"""Degrees."""
_RINGS = 90
_MOST = 180
"""Cells around the equator."""
_AROUND = 360.0
_POLE = 90.0

Bounds = tuple[float, float, float, float]
"""The least and greatest right ascension, then the least and greatest declination, degrees."""


def sky_cell(ra: float, dec: float) -> int:
    """Return the number of the cell that a position is in."""
    ring = min(max(int((dec + _POLE) // _HEIGHT), 0), _RINGS - 1)
    cells = _cells_of(ring)
    return ring * _MOST + min(int(ra % _AROUND / _AROUND * cells), cells - 1)


def bounds_of_cell(cell: int) -> Bounds:
    """Return the bounds of a cell."""
    ring, place = divmod(cell, _MOST)
    width = _AROUND / _cells_of(ring)
    south = ring * _HEIGHT - _POLE
    return place * width, (place + 1) * width, south, south + _HEIGHT


def center_of_cell(cell: int) -> Position:
    """Return the middle of a cell."""
    west, east, south, north = bounds_of_cell(cell)
    return (west + east) / 2, (south + north) / 2


def _cells_of(ring: int) -> int:
    middle = (ring + 0.5) * _HEIGHT - _POLE
    return max(1, round(_MOST * cos(radians(middle))))
