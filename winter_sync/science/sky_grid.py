"""Positions of an image's pixels, as few numbers as a browser needs to find all the others.

Whatever the projection and the distortion of a WCS: at the nodes of a grid over the image stand
offsets in the plane that touches the sky in the middle of the image. Between nodes they are
interpolated linearly, which is exact for a plane without distortion. `viewer.js` of the pages does
the same as `SkyGrid.position`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, cos, degrees, floor, hypot, radians, sin
from typing import TYPE_CHECKING, Any

from winter_sync.core import wcs_header

if TYPE_CHECKING:
    import numpy as np
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    from winter_sync.core import Position

_NODES = (2, 5, 9, 17, 33)
"""Nodes a side, the fewest that are good enough."""
_GOOD_ENOUGH = 0.05
"""Pixels by which a position may be off with fewer nodes than there could be."""
_WORST = 0.5
"""Pixels by which it may be off at all."""
_SAMPLES = 42
"""Positions a side that are compared; they lie on no node but the corners."""
_WIDEST = 40.0
"""Degrees; the image of no camera is as wide, and a plane does not touch the sky there."""
_DIGITS = 4
"""Of offsets in arcseconds: a thousandth of a pixel."""
_DIMENSIONS = 2


@dataclass(frozen=True, slots=True)
class SkyGrid:
    """Where on the sky the pixels of an image are.

    Parameters
    ----------
    middle
        Right ascension and declination at which the plane touches the sky, degrees.
    shape
        Pixels of the image: columns and rows.
    east, north
        Offsets in the plane at the nodes, arcseconds, rows from the lowest to the highest. The
        nodes at the edges are at the outer edges of the pixels.
    """

    middle: Position
    shape: tuple[int, int]
    east: tuple[tuple[float, ...], ...]
    north: tuple[tuple[float, ...], ...]

    def position(self, x: float, y: float) -> Position:
        """Return the position of a pixel, degrees; the middle of the first is at 0, 0."""
        east, north = (radians(v / 3600) for v in self.offsets(x, y))
        ra, dec = (radians(angle) for angle in self.middle)
        distance = hypot(1.0, east, north)
        up = (sin(dec) + north * cos(dec)) / distance
        turned = atan2(east, cos(dec) - north * sin(dec))
        return degrees(ra + turned) % 360.0, degrees(asin(max(-1.0, min(1.0, up))))

    def offsets(self, x: float, y: float) -> tuple[float, float]:
        """Return the offsets in the plane of a pixel, arcseconds."""
        column, across = _cell(x, self.shape[0], len(self.east[0]))
        row, up = _cell(y, self.shape[1], len(self.east))
        east, north = (
            (1 - up) * ((1 - across) * v[row][column] + across * v[row][column + 1])
            + up * ((1 - across) * v[row + 1][column] + across * v[row + 1][column + 1])
            for v in (self.east, self.north)
        )
        return east, north

    @property
    def as_json(self) -> dict[str, object]:
        """The same, as a browser reads it."""
        return {
            "middle": list(self.middle),
            "shape": list(self.shape),
            "east": [list(row) for row in self.east],
            "north": [list(row) for row in self.north],
        }


def _cell(place: float, length: int, nodes: int) -> tuple[int, float]:
    """Return the last node before a pixel, and how far the pixel is on the way to the next."""
    at = (place + 0.5) / length * (nodes - 1)
    before = min(max(floor(at), 0), nodes - 2)
    return before, at - before


def sky_grid(header: Header, shape: tuple[int, int]) -> SkyGrid | None:
    """Return where the pixels of an image are; None if its header does not say so.

    Parameters
    ----------
    header
        The header of the image.
    shape
        Its columns and rows.
    """
    from astropy.wcs import WCS  # noqa: PLC0415 - takes longer than most questions

    try:
        wcs = WCS(wcs_header(header))
        if not wcs.has_celestial or wcs.naxis != _DIMENSIONS:
            return None
        middle = _on_sky(wcs, *((length - 1) / 2 for length in shape))
        return next(
            (
                grid
                for nodes in _NODES
                if (grid := _grid(wcs, middle, shape, nodes)) is not None
                and _error(wcs, grid) <= (_WORST if nodes == _NODES[-1] else _GOOD_ENOUGH)
            ),
            None,
        )
    except Exception:  # noqa: BLE001 - wcslib raises what it likes; an image without a WCS is one, too
        return None


def _on_sky(wcs: WCS, x: float, y: float) -> Position:
    # Not `icrs`: a header that says FK5 means what all the tools here read from it.
    ra, dec = (float(v) for v in wcs.all_pix2world(x, y, 0))
    return ra % 360.0, dec


def _grid(wcs: WCS, middle: Position, shape: tuple[int, int], nodes: int) -> SkyGrid | None:
    x, y = _places(shape, nodes)
    east, north = _projected(wcs, middle, x, y)
    if not _is_narrow(east, north):
        return None
    rows = [tuple(tuple(round(float(v), _DIGITS) for v in row) for row in v) for v in (east, north)]
    return SkyGrid(middle, shape, *rows)


def _places(shape: tuple[int, int], count: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Return so many places a side over all pixels of an image, from edge to edge."""
    import numpy as np  # noqa: PLC0415 - as above

    x, y = (np.linspace(-0.5, length - 0.5, count) for length in shape)
    columns, rows = np.meshgrid(x, y)
    return columns, rows


def _projected(
    wcs: WCS, middle: Position, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the offsets of pixels in the plane that touches the sky, arcseconds."""
    import numpy as np  # noqa: PLC0415 - as above

    ra, dec = (np.radians(v) for v in wcs.all_pix2world(x, y, 0))
    ra0, dec0 = (radians(v) for v in middle)
    beside = ra - ra0
    depth = np.sin(dec) * sin(dec0) + np.cos(dec) * cos(dec0) * np.cos(beside)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(depth > 0, depth, np.nan)
        east = np.cos(dec) * np.sin(beside) / depth
        north = (np.sin(dec) * cos(dec0) - np.cos(dec) * sin(dec0) * np.cos(beside)) / depth
    return np.degrees(east) * 3600, np.degrees(north) * 3600


def _is_narrow(east: np.ndarray[Any, Any], north: np.ndarray[Any, Any]) -> bool:
    import numpy as np  # noqa: PLC0415 - as above

    widest = _WIDEST * 3600
    return bool(np.all(np.hypot(east, north) < widest))


def _error(wcs: WCS, grid: SkyGrid) -> float:
    """Return by how many pixels the grid is off where it is off most."""
    import numpy as np  # noqa: PLC0415 - as above

    x, y = _places(grid.shape, _SAMPLES)
    east, north = _projected(wcs, grid.middle, x, y)
    found = np.array(
        [grid.offsets(*place) for place in zip(x.ravel(), y.ravel(), strict=True)]
    ).T.reshape(2, *x.shape)
    off = np.hypot(found[0] - east, found[1] - north)
    (a, b), (c, d) = ((v[0, -1] - v[0, 0], v[-1, 0] - v[0, 0]) for v in (east, north))
    area = abs(float(a * d - b * c)) / (grid.shape[0] * grid.shape[1])
    return float(np.max(off)) / area**0.5 if area > 0 else float("inf")
