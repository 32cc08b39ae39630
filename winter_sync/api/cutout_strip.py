"""The cutouts of a place side by side, as one picture."""

from __future__ import annotations

from io import BytesIO
from math import floor
from typing import TYPE_CHECKING

from winter_sync.science import Panel, creating, draw_strip, north_up, replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from winter_sync.api.cutouts import Cutout, Cutouts
    from winter_sync.science import Cutout as Pixels

MOST_PANELS = 400
"""A picture of more is larger than most programs open."""
_LARGER = 1.5
"""How much more of an image is needed to turn it: more than the square root of 2."""
_MARGIN = 4
"""Pixels beyond that, for the neighbours of those at the edge."""


def panel_of(cutouts: Cutouts, cutout: Cutout, *, upright: bool) -> Panel:
    """Return a cutout as a part of a picture, with its time, filter and depth under it.

    Parameters
    ----------
    cutouts
        Those that it belongs to.
    cutout
        The cutout.
    upright
        Whether north is to be up and east left; otherwise the pixels are shown as they are.
    """
    if not upright:
        return Panel(cutout.data, _lines(cutout))
    larger = _LARGER + _MARGIN / min(cutout.data.shape)
    pixels: Pixels = cutouts.cut(cutout.image, larger=larger).pixels
    return Panel(north_up(pixels, cutout.position, cutout.size), _lines(cutout))


def save_strip(panels: Sequence[Panel], path: Path, *, overwrite: bool) -> None:
    """Draw a picture of the newest cutouts, at most 400; see `Cutout.write` for errors."""
    with (replacing if overwrite else creating)(path) as file:
        draw_strip(panels[-MOST_PANELS:], file)


def strip_as_png(panels: Sequence[Panel]) -> bytes:
    """Return a picture of the newest cutouts, at most 400, as a PNG."""
    picture = BytesIO()
    draw_strip(panels[-MOST_PANELS:], picture)
    return picture.getvalue()


def _lines(cutout: Cutout) -> tuple[str, ...]:
    image = cutout.image
    started, depth = image.started_at, image.limiting_magnitude
    time = f"{started:%Y-%m-%d %H:%M:%S}" if started else f"night {image.night}"
    limit = "" if depth is None else f"limit {floor(depth * 10 + 1e-9) / 10:.1f} mag"
    hdu = f", HDU {image.extension}" if image.extension else ""
    return time, f"{image.filter or 'unknown filter'} {image.image_type}{hdu}", limit
