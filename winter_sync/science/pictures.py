"""Pictures of whole FITS images: small ones, or as large as a screen needs.

Pixels are read in strips, and those that fall on one pixel of the picture are averaged while they
are read: memory does not grow with the image. An image is refused by its header before any pixel
is read. Files of several images, one a detector board, are drawn side by side.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from math import ceil, log
from typing import TYPE_CHECKING, Any, BinaryIO

from winter_sync.science.fits_images import (
    LARGEST_SIDE,
    NoImageError,
    faults_explained,
    image_of,
    is_image,
    open_fits,
    quietly,
)
from winter_sync.science.sky_grid import sky_grid
from winter_sync.science.strips import colours

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from winter_sync.science.sky_grid import SkyGrid

_MOST_HDUS = 64
"""As far as a file is searched for images."""
_MOST_BOARDS = 12
"""Images of one file that are drawn side by side."""
_GAP = 0.004
"""Between two of them, as a part of the longer side of the picture."""
_STRIP = 2**20
"""About as many pixels of an image are read at once."""
_PAPER = (16, 16, 20)
_SHAPE = 1.4
"""Width over height that a picture of several images should have."""
_LARGEST = 1e37
"""Numbers beyond it are as bright; they could be added up no more."""
_QUALITY = 88


class NoPictureError(NoImageError):
    """There is no picture of a file; the message says why."""


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """One image in a picture.

    Parameters
    ----------
    extension
        Its HDU; 0 is the primary one.
    board
        The detector board as the header numbers it; None if it does not.
    shape
        Columns and rows of the image.
    corner
        Where its upper left corner is in the picture, pixels from the left and from the top.
    factor
        Pixels of the image, a side, to a pixel of the picture.
    sky
        Where its pixels are on the sky; None if unknown or not asked for.
    """

    extension: int
    board: int | None
    shape: tuple[int, int]
    corner: tuple[int, int]
    factor: int
    sky: SkyGrid | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a file.

    Parameters
    ----------
    jpeg
        The picture.
    size
        Its width and height in pixels.
    panels
        The images in it, in the order of the file.
    """

    jpeg: bytes
    size: tuple[int, int]
    panels: tuple[PlacedImage, ...]

    @property
    def as_json(self) -> dict[str, object]:
        """What a browser needs to find the pixels and positions under a pointer."""
        panels = [
            {
                "hdu": panel.extension,
                "board": panel.board,
                "shape": list(panel.shape),
                "corner": list(panel.corner),
                "factor": panel.factor,
                "sky": panel.sky.as_json if panel.sky else None,
            }
            for panel in self.panels
        ]
        return {"size": list(self.size), "panels": panels}


def draw_picture(
    file: BinaryIO, longest: int, *, extension: int | None = None, with_sky: bool = False
) -> Picture:
    """Draw a FITS file, its images scaled by zscale, north wherever it is in the file.

    Parameters
    ----------
    file
        The file, seekable, which may be compressed with gzip; closed at the end.
    longest
        Pixels of the longer side of the picture, at most.
    extension
        The HDU to draw alone; None for all images of the file.
    with_sky
        Whether to find the positions of pixels.

    Raises
    ------
    NoPictureError
        If there is none.
    """
    with quietly(), faults_explained(NoPictureError), open_fits(file) as hdus:
        numbers = [extension] if extension is not None else _images(hdus)
        hdus_drawn = {number: image_of(hdus, number) for number in numbers}
        for hdu in hdus_drawn.values():
            _refuse_large(hdu)
        panels, size = _arranged(hdus_drawn, longest)
        drawn = {panel: _reduced(hdus_drawn[panel.extension], panel.factor) for panel in panels}
        found = tuple(
            _with_sky(panel, hdus_drawn[panel.extension].header) if with_sky else panel
            for panel in panels
        )
        return Picture(_drawn(drawn, size), size, found)


def _images(hdus: Any) -> list[int]:  # noqa: ANN401 - astropy has no types
    """Return the HDUs that have images."""
    found = [number for number, hdu in _first(hdus) if is_image(hdu) and min(hdu.shape) > 0]
    if not found:
        raise NoPictureError("it has no image of two dimensions")
    return found[:_MOST_BOARDS]


def _first(hdus: Any) -> Iterator[tuple[int, Any]]:  # noqa: ANN401 - as above
    """Yield the first HDUs of a file, reading no more of it than that."""
    for number in range(_MOST_HDUS):
        try:
            hdu = hdus[number]
        except IndexError:
            return
        yield number, hdu


def _refuse_large(hdu: Any) -> None:  # noqa: ANN401 - as above
    rows, columns = hdu.shape
    if max(rows, columns) > LARGEST_SIDE:
        raise NoPictureError(f"{columns} x {rows} pixels are too many")
    if min(rows, columns) < 1:
        raise NoPictureError("it has no pixels")


def _arranged(hdus: dict[int, Any], longest: int) -> tuple[list[PlacedImage], tuple[int, int]]:
    """Return where each image is drawn, and the size of the picture."""
    width, height = (max(hdu.shape[axis] for hdu in hdus.values()) for axis in (1, 0))
    columns = _columns(len(hdus), width / height)
    rows = ceil(len(hdus) / columns)
    gap = max(1, round(longest * _GAP))
    room = max(1, longest - gap * (max(columns, rows) - 1))
    factor = ceil(max(width * columns, height * rows) / room)
    cell = ceil(width / factor), ceil(height / factor)
    panels = [
        PlacedImage(
            number,
            _board(hdu.header),
            (hdu.shape[1], hdu.shape[0]),
            (at % columns * (cell[0] + gap), at // columns * (cell[1] + gap)),
            factor,
            None,
        )
        for at, (number, hdu) in enumerate(hdus.items())
    ]
    size = tuple(n * side + (n - 1) * gap for n, side in zip((columns, rows), cell, strict=True))
    return panels, (size[0], size[1])


def _columns(count: int, shape: float) -> int:
    """Return how many images to draw side by side: the picture is to be a bit wider than high."""
    return min(
        range(1, count + 1),
        key=lambda columns: abs(log(columns * shape / ceil(count / columns) / _SHAPE)),
    )


def _board(header: Any) -> int | None:  # noqa: ANN401 - as above
    value = header.get("BOARD_ID")
    return value if isinstance(value, int) and 0 <= value < 1000 else None  # noqa: PLR2004 - no camera has more


def _reduced(hdu: Any, factor: int) -> np.ndarray[Any, Any]:  # noqa: ANN401 - as above
    """Return an image, so many pixels a side averaged; NaN where none of them is known."""
    import numpy as np  # noqa: PLC0415 - takes longer than most questions

    rows, columns = hdu.shape
    step = factor * max(1, _STRIP // (columns * factor))
    strips = [
        _averaged(_pixels(hdu, row, min(row + step, rows)), factor) for row in range(0, rows, step)
    ]
    return np.concatenate(strips)


def _pixels(hdu: Any, begin: int, end: int) -> np.ndarray[Any, Any]:  # noqa: ANN401 - as above
    """Read some rows of an image."""
    import numpy as np  # noqa: PLC0415 - as above

    try:
        return np.asarray(hdu.section[begin:end, 0 : hdu.shape[1]])
    except (ValueError, TypeError, OSError, EOFError, zlib.error):
        raise NoPictureError("its pixels cannot be read: it is cut short or damaged") from None


def _averaged(strip: np.ndarray[Any, Any], factor: int) -> np.ndarray[Any, Any]:
    import numpy as np  # noqa: PLC0415 - as above

    if strip.dtype.kind not in "fiu":
        raise NoPictureError("its pixels are not numbers")
    known = np.isfinite(strip)
    pixels = np.where(known, np.clip(strip, -_LARGEST, _LARGEST), 0.0).astype("f4")
    if factor == 1:
        return np.where(known, pixels, np.float32(np.nan))
    places = [np.arange(0, length, factor) for length in strip.shape]

    def summed(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        across = np.add.reduceat(values, places[1], axis=1, dtype="f8")
        return np.asarray(np.add.reduceat(across, places[0], axis=0))

    counts = summed(known)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(summed(pixels) / counts, "f4")


def _with_sky(panel: PlacedImage, header: Any) -> PlacedImage:  # noqa: ANN401 - as above
    return replace(panel, sky=sky_grid(header, panel.shape))


def _drawn(panels: dict[PlacedImage, np.ndarray[Any, Any]], size: Sequence[int]) -> bytes:
    from PIL import Image  # noqa: PLC0415 - as above

    picture = Image.new("RGB", (size[0], size[1]), _PAPER)
    for panel, data in panels.items():
        picture.paste(Image.fromarray(colours(data)[::-1]), panel.corner)
    file = BytesIO()
    # Pixels that are not known are violet: with colours at half the resolution they would run.
    picture.save(file, format="JPEG", quality=_QUALITY, subsampling=0)
    return file.getvalue()
