"""The part of the sky that an image shows, from the WCS in its header, by astropy.

Sections are those of the FITS standard, version 4.0 (2018).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from math import hypot, isfinite, sqrt
from typing import TYPE_CHECKING, Any

from winter_sync.core import CostlyWcsError, Footprint, wcs_header

if TYPE_CHECKING:
    from astropy.wcs import WCS

_ARCSECONDS = 3600.0
_DISTORTION = re.compile(r"(CPDIS|CQDIS|D2IMDIS|AXISCORR)\d*")
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


def sky_of(header: Any, axes: tuple[int, int], extension: int) -> Sky | None:  # noqa: ANN401 - astropy has no types
    """Return where an image is on the sky; None if its header has no celestial WCS.

    The corners are the outer ones of the corner pixels. No data are read, and no file is needed.

    Parameters
    ----------
    header
        Its header, as astropy reads it.
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


def _sky_of(header: Any, axes: tuple[int, int], extension: int) -> Sky | None:  # noqa: ANN401 - as above
    from astropy.wcs import WCS  # noqa: PLC0415 - a second of CPU, only where headers are read

    if header.get("CTYPE1") is None:
        return None
    if any(_DISTORTION.fullmatch(key) for key in header):
        raise OddWcsError("its WCS has a distortion table, which is not read")
    try:
        wcs = WCS(wcs_header(header))
    except CostlyWcsError as costly:
        raise OddWcsError(str(costly)) from None
    if not wcs.has_celestial:
        return None
    _refuse_other_systems(wcs)
    corners = wcs.celestial.calc_footprint(axes=axes, center=False)
    middle = ((axes[0] + 1) / 2, (axes[1] + 1) / 2)
    center = wcs.celestial.all_pix2world([middle], 1)[0]
    footprint = Footprint(tuple(_position(corner) for corner in corners), extension)
    if not footprint.is_convex or not footprint.contains(_position(center)):
        raise OddWcsError("its WCS makes no image of its corners")
    return Sky(footprint, _pixel_scale(wcs))


def _refuse_other_systems(wcs: WCS) -> None:
    """Refuse any but ICRS and J2000, which differ by much less than a pixel (8.3)."""
    system, equinox = wcs.wcs.radesys, wcs.wcs.equinox
    is_j2000 = not isfinite(equinox) or equinox == _J2000
    is_known = system == "ICRS" or (system in {"", "FK5"} and is_j2000)
    if wcs.wcs.lngtyp != "RA" or not is_known:
        raise OddWcsError("its coordinates are neither ICRS nor J2000")


def _position(corner: Any) -> tuple[float, float]:  # noqa: ANN401 - a row of an array
    ra, dec = float(corner[0]), float(corner[1])
    if not (isfinite(ra) and isfinite(dec) and abs(dec) <= 90.0):  # noqa: PLR2004 - the poles
        raise OddWcsError("its WCS has a corner that is not on the sky")
    return ra % 360.0 % 360.0, dec


def _pixel_scale(wcs: WCS) -> float:
    """Return the side of a square that is as large as a pixel, in arcseconds."""
    (a, b), (c, d) = wcs.celestial.pixel_scale_matrix
    sides = hypot(a, c), hypot(b, d)
    scale = sqrt(abs(float(a * d - b * c))) * _ARCSECONDS
    # wcslib takes a degree for the pixel where a matrix has a row and a column of zeros.
    if not 0 < scale < _LARGEST_SCALE or max(sides) > _LONGEST_PIXEL * min(sides):
        raise OddWcsError("its pixel scale is out of range")
    return scale
