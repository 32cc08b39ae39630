"""Cutouts: small images around a position, cut out of large ones, with all that was known of them.

Only the pixels that are needed are read. A cutout begins at a whole pixel of its image, so that its
pixels are the image's own and its WCS is the image's, moved by that many pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, isfinite
from typing import TYPE_CHECKING, Any, BinaryIO

from winter_sync.core import wcs_header
from winter_sync.science.fits_images import (
    LARGEST_SIDE,
    NoImageError,
    faults_explained,
    image_of,
    open_fits,
    quietly,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from astropy.io.fits import Header, PrimaryHDU
    from astropy.wcs import WCS

    from winter_sync.core import Position

_SINGLE_PRECISION = 4
_SHORT = 2
_MOVED = re.compile(r"(?:CRPIX|LTV)([12])[A-Z]?")
_OF_WCS = re.compile(
    r"(WCSAXES|WCSNAME|(CTYPE|CRPIX|CRVAL|CDELT|CUNIT|CROTA)\d+|LTV\d|LTM\d_\d|(CD|PC|PV|PS)\d+(_\d+)?"
    r"|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)|LONPOLE|LATPOLE|RADESYS|EQUINOX|MJDREF)[A-Z]?"
)
_OF_THE_WHOLE = re.compile(
    r"CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|BLANK|DATAMIN|DATAMAX|NEXTEND|EXTEND|INHERIT|IMAGEW|IMAGEH"
)
"""Cards that are true of the whole image or file only."""
_TABLES_OF_DISTORTION = re.compile(r"(CPDIS|DP|CQDIS|DQ|D2IMDIS|AXISCORR)\d.*|D2IMERR\d|CPERR\d")


class NoCutoutError(NoImageError):
    """There is no cutout of an image; the message says why."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """An image around a position.

    Parameters
    ----------
    data
        Rows of pixels; NaN where the image has none. A number in an image of integers is a
        floating-point number here.
    header
        The cards of the image, and the WCS of the cutout.
    corner
        The pixel of the image, x and y from 0, that the first pixel of the cutout is; outside the
        image if either is negative.
    """

    data: np.ndarray[Any, Any]
    header: Header
    corner: tuple[int, int]

    @property
    def wcs(self) -> WCS:
        """Its WCS, as astropy has it."""
        from astropy.wcs import WCS  # noqa: PLC0415 - takes longer than most questions

        with quietly():
            return WCS(wcs_header(self.header))

    @property
    def hdu(self) -> PrimaryHDU:
        """It as the only HDU of a FITS file."""
        from astropy.io.fits import PrimaryHDU  # noqa: PLC0415 - as above

        return PrimaryHDU(self.data, self.header)

    def write(self, file: BinaryIO) -> None:
        """Write it as a FITS file; cards that break a rule of FITS are corrected."""
        with quietly():
            self.hdu.writeto(file, output_verify="silentfix")


def cut_out(file: BinaryIO, extension: int, position: Position, size: float) -> Cutout:
    """Cut an image out of one HDU of a FITS file, which may be compressed with gzip.

    Parameters
    ----------
    file
        The file, seekable; closed at the end.
    extension
        The HDU; 0 is the primary one.
    position
        The middle, degrees; at most half a pixel from that of the cutout.
    size
        The length of each side, degrees; rounded to whole pixels.

    Raises
    ------
    NoCutoutError
        If there is none.
    """
    with quietly(), faults_explained(NoCutoutError), open_fits(file) as hdus:
        hdu = _image(hdus, extension)
        corner, shape = _window(_celestial(hdu), position, size)
        data = _pixels(hdu, corner, shape)
        header = _header(hdu.header, None if extension == 0 else hdus[0].header)
        _move(header, corner)
        return Cutout(data, header, corner)


def _image(hdus: Any, extension: int) -> Any:  # noqa: ANN401 - astropy has no types
    """Return an HDU that has a plain image, its pixels not read yet."""
    hdu = image_of(hdus, extension)
    if any(_TABLES_OF_DISTORTION.fullmatch(name) for name in hdu.header):
        raise NoCutoutError("its WCS has tables of distortion, which a cutout cannot keep")
    return hdu


def _celestial(hdu: Any) -> WCS:  # noqa: ANN401 - as above
    from astropy.wcs import WCS  # noqa: PLC0415 - as above

    wcs = WCS(wcs_header(hdu.header))
    if not wcs.has_celestial or wcs.naxis != 2:  # noqa: PLR2004 - of the sky
        raise NoCutoutError("its header has no WCS of the sky")
    return wcs


def _window(wcs: WCS, position: Position, size: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first pixel, x and y from 0 and perhaps outside, and the rows and columns."""
    from astropy.coordinates import SkyCoord  # noqa: PLC0415 - as above
    from astropy.wcs.utils import proj_plane_pixel_scales, skycoord_to_pixel  # noqa: PLC0415 - as above

    x, y = (float(v) for v in skycoord_to_pixel(SkyCoord(*position, unit="deg"), wcs, mode="all"))
    columns, rows = (max(1, round(size / float(scale))) for scale in proj_plane_pixel_scales(wcs))
    if max(columns, rows) > LARGEST_SIDE:
        raise NoCutoutError(f"{columns} x {rows} pixels are more than a cutout may have")
    if not isfinite(x) or not isfinite(y):
        raise NoCutoutError("the position is not in the image")
    return (_first(x, columns), _first(y, rows)), (rows, columns)


def _first(middle: float, length: int) -> int:
    """Return where so many pixels begin to have their middle as near as whole pixels allow."""
    return ceil(middle - length / 2)


def _pixels(
    hdu: Any,  # noqa: ANN401 - as above
    corner: tuple[int, int],
    shape: tuple[int, int],
) -> np.ndarray[Any, Any]:
    """Read the pixels of a window; those outside the image are NaN."""
    import numpy as np  # noqa: PLC0415 - as above

    ends = [(first, first + length) for first, length in zip(corner[::-1], shape, strict=True)]
    inside = [
        (max(first, 0), min(end, there))
        for (first, end), there in zip(ends, hdu.shape, strict=True)
    ]
    if any(first >= end for first, end in inside):
        raise NoCutoutError("the position is not in the image")
    (top, bottom), (left, right) = inside
    read = np.asarray(hdu.section[top:bottom, left:right])
    pixels = np.full(shape, np.nan, _floating(read.dtype))
    y, x = top - ends[0][0], left - ends[1][0]
    pixels[y : y + bottom - top, x : x + right - left] = read
    return pixels


def _floating(kind: Any) -> str:  # noqa: ANN401 - as above
    """Return the type of floating-point numbers that holds all numbers of another type."""
    bytes_exact = _SINGLE_PRECISION if kind.kind == "f" else _SHORT
    return "f4" if kind.itemsize <= bytes_exact else "f8"


def _header(image: Header, primary: Header | None) -> Header:
    """Return the cards that are true of a part of an image, with those of the primary HDU."""
    header = type(image)()
    for card in _readable(image):
        if not _OF_THE_WHOLE.fullmatch(card.keyword):
            header.append(card, end=True)
    for card in _readable(primary) if primary is not None else ():
        keyword = card.keyword
        if keyword and keyword not in header and not _is_particular(keyword):
            header.append(card, end=True)
    return header


def _is_particular(keyword: str) -> bool:
    kinds = (_OF_THE_WHOLE, _OF_WCS, _TABLES_OF_DISTORTION)
    return any(kind.fullmatch(keyword) for kind in kinds)


def _readable(header: Header) -> Iterator[Any]:
    """Yield the cards that can be written again, but for those that describe the HDU's data."""
    from astropy.io.fits import VerifyError  # noqa: PLC0415 - as above

    cards = header.copy(strip=True).cards
    for number in range(len(cards)):
        try:
            card = cards[number]
            card.verify("silentfix")
            str(card)
        except (VerifyError, ValueError, IndexError):
            continue
        yield card


def _move(header: Header, corner: tuple[int, int]) -> None:
    """Let all WCS of an image begin at another pixel."""
    for name in {"CRPIX1", "CRPIX2", *header}:
        if match := _MOVED.fullmatch(name):
            moved = 0.0 if name not in header else float(header[name])
            header[name] = moved - corner[int(match[1]) - 1]
