"""FITS files of one small image, or of something that only says it is one."""

from __future__ import annotations

import gzip
import io

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS


def fits_image(level: float = 100.0, shape: tuple[int, int] = (110, 200)) -> bytes:
    """Return a FITS file of noise about a level, brighter where its pixels are counted from."""
    data = np.random.default_rng(1).normal(level, 3, shape).astype("f4")
    data[:20, :20] = level + 400
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = (150.0, 17.0), (100.0, 55.0)
    wcs.wcs.cd = np.diag([-1.13 / 3600, 1.13 / 3600])
    file = io.BytesIO()
    fits.PrimaryHDU(data, wcs.to_header()).writeto(file)
    return file.getvalue()


def fits_bomb() -> bytes:
    """Return 200 kB that are, unpacked, an image as large as may be: 200 MB of nothing."""
    header = fits.Header({"SIMPLE": True, "BITPIX": 16, "NAXIS": 2})
    header.update({"NAXIS1": 10_000, "NAXIS2": 10_000})
    nothing = gzip.compress(bytes(10**7))
    return gzip.compress(header.tostring().encode()) + nothing * 20
