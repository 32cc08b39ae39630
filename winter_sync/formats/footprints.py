"""The part of the sky that an image shows, from the WCS in its header, by astropy.

Sections are those of the FITS standard, version 4.0 (2018).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from math import hypot, isfinite, sqrt
from typing import TYPE_CHECKING, Any

from winter_sync.core import WCS_KEYWORD, CostlyWcsError, Footprint, wcs_header
from winter_sync.formats.astropy_parts import astropy_module

if TYPE_CHECKING:
    from winter_sync.core import Position
    from winter_sync.formats.image_headers import ImageHeader

_ARCSECONDS = 3600.0
_DISTORTION = re.compile(r"(CPDIS|CQDIS|D2IMDIS|AXISCORR)\d*")
_OF_A_WCS = re.compile(f"{WCS_KEYWORD.pattern}|{_DISTORTION.pattern}".encode("ascii"))
_TANGENTIAL = (
    b"NAXIS NAXIS1 NAXIS2 WCSAXES CTYPE1 CTYPE2 CUNIT1 CUNIT2 CRPIX1 CRPIX2 CRVAL1 CRVAL2"
    b" CD1_1 CD1_2 CD2_1 CD2_2 RADESYS EQUINOX"
).split()
"""The cards of a tangential WCS with a CD matrix."""
_USUAL = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CUNIT1": "deg",
    "CUNIT2": "deg",
    "WCSAXES": 2,
}
_J2000 = 2000.0
_LARGEST_SCALE = 3600.0
"""Arcseconds a pixel; with a degree a pixel, no image is one of these cameras."""
_LONGEST_PIXEL = 10.0
"""How much longer than wide a pixel may be."""


class OddWcsError(ValueError):
    """The WCS of a header makes no sense, or is of a kind that is not known here."""


@dataclass(frozen=True, slots=True)
class Sky:
    """Where an image is on the sky, and how large its pixels are, in arcseconds."""

    footprint: Footprint
    pixel_scale: float


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where a WCS puts the corners and the middle of an image, and its matrix; degrees."""

    corners: Any
    middle: Any
    matrix: Any


def sky_of(header: ImageHeader, axes: tuple[int, int], extension: int) -> Sky | None:
    """Return where an image is on the sky; None if its header has no celestial WCS.

    The corners are the outer ones of the corner pixels. No data are read, and no file is needed.

    Parameters
    ----------
    header
        Its header.
    axes
        Its width and height, pixels.
    extension
        The number of its HDU.

    Raises
    ------
    OddWcsError
        If it has one that cannot be used, in words without any value of the header.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _sky_of(header, axes, extension)
        except OddWcsError:
            raise
        except Exception as error:
            # wcslib and astropy raise what they like of what they cannot use.
            raise OddWcsError("its WCS cannot be read") from error


def _sky_of(header: ImageHeader, axes: tuple[int, int], extension: int) -> Sky | None:
    if header.get("CTYPE1") is None:
        return None
    placed = _placed_by_wcslib(header, axes) or _placed_by_astropy(header.astropy, axes)
    if placed is None:
        return None
    footprint = Footprint(tuple(_position(corner) for corner in placed.corners), extension)
    if not footprint.is_convex or not footprint.contains(_position(placed.middle)):
        raise OddWcsError("its WCS makes no image of its corners")
    return Sky(footprint, _pixel_scale(placed.matrix))


def _placed_by_wcslib(header: ImageHeader, axes: tuple[int, int]) -> _Placed | None:
    """Return where a tangential WCS with a CD matrix and nothing else puts an image.

    That is as it comes from the pipeline, and astropy does nothing for it but call wcslib, only
    twenty times as slowly. None of any other WCS.
    """
    cards = _tangential_cards(header)
    if cards is None:
        return None
    try:
        wcs = astropy_module("astropy.wcs").Wcsprm(header=cards, relax=True)
        wcs.set()
        _refuse_other_systems(wcs)
        *corners, middle = wcs.p2s([*_corners_of(axes), _middle_of(axes)], 1)["world"]
        return _Placed(corners, middle, wcs.cd)
    except Exception:  # noqa: BLE001 - what wcslib does not like, astropy judges
        return None


def _tangential_cards(header: ImageHeader) -> bytes | None:
    """Return the cards of a tangential WCS in degrees with a CD matrix; None of any other."""
    if any(header.get(key, usual) != usual for key, usual in _USUAL.items()):
        return None
    return header.plain_cards(_TANGENTIAL, _OF_A_WCS)


def _placed_by_astropy(header: Any, axes: tuple[int, int]) -> _Placed | None:  # noqa: ANN401 - astropy has no types
    """Return where any WCS puts an image; None if it is not of the sky."""
    if any(_DISTORTION.fullmatch(key) for key in header):
        raise OddWcsError("its WCS has a distortion table, which is not read")
    try:
        wcs = astropy_module("astropy.wcs").WCS(wcs_header(header))
    except CostlyWcsError as costly:
        raise OddWcsError(str(costly)) from None
    if not wcs.has_celestial:
        return None
    _refuse_other_systems(wcs.wcs)
    celestial = wcs.celestial
    corners = celestial.calc_footprint(axes=axes, center=False)
    middle = celestial.all_pix2world([_middle_of(axes)], 1)[0]
    return _Placed(corners, middle, celestial.pixel_scale_matrix)


def _corners_of(axes: tuple[int, int]) -> tuple[Position, ...]:
    """Return the corners of an image in its own pixels, whose middles are whole numbers."""
    width, height = axes[0] + 0.5, axes[1] + 0.5
    return (0.5, 0.5), (0.5, height), (width, height), (width, 0.5)


def _middle_of(axes: tuple[int, int]) -> Position:
    return (axes[0] + 1) / 2, (axes[1] + 1) / 2


def _refuse_other_systems(coordinates: Any) -> None:  # noqa: ANN401 - astropy has no types
    """Refuse any but ICRS and J2000, which differ by much less than a pixel (8.3)."""
    system, equinox = coordinates.radesys, coordinates.equinox
    is_j2000 = not isfinite(equinox) or equinox == _J2000
    is_known = system == "ICRS" or (system in {"", "FK5"} and is_j2000)
    if coordinates.lngtyp != "RA" or not is_known:
        raise OddWcsError("its coordinates are neither ICRS nor J2000")


def _position(corner: Any) -> tuple[float, float]:  # noqa: ANN401 - a row of an array
    ra, dec = float(corner[0]), float(corner[1])
    if not (isfinite(ra) and isfinite(dec) and abs(dec) <= 90.0):  # noqa: PLR2004 - the poles
        raise OddWcsError("its WCS has a corner that is not on the sky")
    return ra % 360.0 % 360.0, dec


def _pixel_scale(matrix: Any) -> float:  # noqa: ANN401 - an array
    """Return the side of a square that is as large as a pixel, in arcseconds."""
    (a, b), (c, d) = matrix
    sides = hypot(a, c), hypot(b, d)
    scale = sqrt(abs(float(a * d - b * c))) * _ARCSECONDS
    # wcslib takes a degree for the pixel where a matrix has a row and a column of zeros.
    if not 0 < scale < _LARGEST_SCALE or max(sides) > _LONGEST_PIXEL * min(sides):
        raise OddWcsError("its pixel scale is out of range")
    return scale
