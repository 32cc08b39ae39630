"""Strips of small images, side by side, with words under each, as PNG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from PIL.Image import Image

    from winter_sync.core import Position
    from winter_sync.science.cutouts import Cutout

_SIDE = 180
"""Pixels of each image in the picture."""
_MARGIN = 8
_LINE = 15
_TEXT_SIZE = 12
_COLUMNS = 8
_PAPER = (16, 16, 20)
_INK = (225, 225, 225)
_NOTHING = (60, 40, 90)
"""The colour where an image has no pixels."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One image of a strip.

    Parameters
    ----------
    data
        Rows of pixels from the lowest to the highest, as in FITS; NaN where there is nothing.
    lines
        The words under it.
    """

    data: np.ndarray[Any, Any]
    lines: tuple[str, ...]


def draw_strip(panels: Sequence[Panel], file: BinaryIO) -> None:
    """Draw images in rows of eight as a PNG, each scaled by zscale.

    Raises
    ------
    ValueError
        If there are none.
    """
    from PIL import Image, ImageDraw  # noqa: PLC0415 - takes longer than most questions

    if not panels:
        raise ValueError("a strip has at least one image")
    columns = min(len(panels), _COLUMNS)
    step = (_SIDE + _MARGIN, _SIDE + _MARGIN + _LINE * max(len(p.lines) for p in panels))
    rows = -(-len(panels) // columns)
    strip = Image.new("RGB", (columns * step[0] + _MARGIN, rows * step[1] + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(strip)
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        x, y = column * step[0] + _MARGIN, row * step[1] + _MARGIN
        strip.paste(_scaled(panel.data), (x, y))
        _write(draw, panel.lines, (x, y + _SIDE))
    strip.save(file, format="PNG")


def _write(draw: Any, lines: Sequence[str], corner: tuple[int, int]) -> None:  # noqa: ANN401 - one of two classes of Pillow's
    from PIL import ImageFont  # noqa: PLC0415 - as above

    font = ImageFont.load_default(_TEXT_SIZE)
    for number, line in enumerate(lines):
        at = corner[0], corner[1] + number * _LINE
        draw.text(at, line, fill=_INK, font=font)


def _scaled(data: np.ndarray[Any, Any]) -> Image:
    """Return pixels as a picture of the size that all have, its sides in their proportion."""
    from PIL import Image  # noqa: PLC0415 - as above

    picture = Image.fromarray(colours(data)[::-1])
    factor = _SIDE / max(picture.size)
    width, height = (max(1, round(length * factor)) for length in picture.size)
    how = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    panel = Image.new("RGB", (_SIDE, _SIDE), _PAPER)
    panel.paste(picture.resize((width, height), how), ((_SIDE - width) // 2, (_SIDE - height) // 2))
    return panel


def colours(data: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return pixels as red, green and blue: grey between the limits of zscale, white the brightest.

    What is not a number is violet.
    """
    import numpy as np  # noqa: PLC0415 - as above
    from astropy.visualization import ZScaleInterval  # noqa: PLC0415 - as above

    known = np.isfinite(data)
    grey = np.zeros(data.shape)
    if known.any():
        low, high = (float(limit) for limit in ZScaleInterval().get_limits(data[known]))
        span = high - low
        grey[known] = np.clip((data[known] - low) / span, 0, 1) if span > 0 else 0.5
    picture = np.repeat((grey * 255).round().astype("u1")[..., None], 3, axis=-1)
    picture[~known] = _NOTHING
    return picture


def north_up(cutout: Cutout, position: Position, size: float) -> np.ndarray[Any, Any]:
    """Return an image turned so that north is up and east is left, on pixels of its own scale.

    Parameters
    ----------
    cutout
        The image; at least half as large again as what is shown, or corners may be missing.
    position
        The middle, degrees.
    size
        The length of each side, degrees.
    """
    import numpy as np  # noqa: PLC0415 - as above
    from astropy.wcs import WCS  # noqa: PLC0415 - as above
    from astropy.wcs.utils import proj_plane_pixel_scales  # noqa: PLC0415 - as above

    source = cutout.wcs
    scale = float(min(proj_plane_pixel_scales(source)))
    length = max(1, round(size / scale))
    upright = WCS(naxis=2)
    upright.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    upright.wcs.crval = position
    upright.wcs.crpix = [(length + 1) / 2, (length + 1) / 2]
    upright.wcs.cdelt = [-scale, scale]
    y, x = np.indices((length, length))
    ra, dec = upright.all_pix2world(x, y, 0)
    from_x, from_y = source.all_world2pix(ra, dec, 0, quiet=True)
    return _interpolated(cutout.data, from_x, from_y)


def _interpolated(
    data: np.ndarray[Any, Any], x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Return the values between pixels, linearly; NaN where one of the four is missing."""
    import numpy as np  # noqa: PLC0415 - as above

    framed = np.pad(data.astype("f8"), 1, constant_values=np.nan)
    x, y = (np.where(np.isfinite(v), v, -9.0) for v in (x, y))
    left, low = np.floor(x), np.floor(y)
    right_part, upper_part = x - left, y - low
    result = np.zeros(x.shape)
    for up, vertical in ((0, 1 - upper_part), (1, upper_part)):
        for right, across in ((0, 1 - right_part), (1, right_part)):
            rows = np.clip(low + up + 1, 0, framed.shape[0] - 1).astype(int)
            columns = np.clip(left + right + 1, 0, framed.shape[1] - 1).astype(int)
            weight = vertical * across
            result += np.where(weight > 0, weight * framed[rows, columns], 0.0)
    return result
