"""Images with the header cards of the archive's products, written by astropy for tests.

The cards are those of winter-api.md, "Header cards by product".
"""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from winter_sync.core.products import Night, Product
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Cards = dict[str, Any]

NAME = "WINTERcamera_20240225-151339-990"
AXES = (40, 22)
BOARDS = tuple(range(1, 7))
EXPOSURE: Cards = {
    "OBSTYPE": "SCIENCE",
    "RA": "150:57:36.0",
    "DEC": "17:49:12.0",
    "RADEG": 150.96,
    "DECDEG": 17.82,
    "AIRMASS": 1.1375,
    "NUMDITHS": 8,
    "DITHNUM": 3,
    "TARGNAME": "2024gy",
    "TARGRA": 150.9,
    "TARGDEC": 17.8,
    "FILTER": "Mauna Kea Observatories J",
    "FILTERID": "J",
    "INSTRUME": "WINTER",
    "EXPTIME": 120.0,
    "UTCISO": "2024-02-25 15:13:39.990",
    "DATE-OBS": "20240225 151339.990000",
}
RAW: Cards = {
    **EXPOSURE,
    "RA": 150.96,
    "DEC": 17.82,
    "FILTER": "J",
    "DATE-OBS": "2024-02-25T15:13:39.990",
    "TARGET": "2024gy",
    "FID": 2,
    "COADDS": 1,
    "BOARD_ID": 4,
    "MEDCOUNT": 2412.5,
}
STACK: Cards = {
    **RAW,
    "DATE-OBS": "2024-02-25T15:11:02.100",
    "EXPTIME": 960.0,
    "COADDS": 8,
    "ZP": 24.1,
    "ZPSTD": 0.2,
    "ZP_AUTO": 24.25,
    "HIERARCH ZP_AUTO_STD": 0.031,
    "MAGLIM": 18.42,
    "FWHM_MED": 2.31,
    "ASTUNC": 0.0001,
}


def wcs_cards(ra: float = 150.96, dec: float = 17.82, scale: float = 1.13) -> Cards:
    """Return a tangential WCS around the middle of an image, its pixels of so many arcseconds."""
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": (AXES[0] + 1) / 2,
        "CRPIX2": (AXES[1] + 1) / 2,
        "CD1_1": -scale / 3600,
        "CD1_2": 0.0,
        "CD2_1": 0.0,
        "CD2_2": scale / 3600,
    }


def image_product(image_type: ImageType, *, ending: str = "") -> Product:
    """Return the product that one of these images is the file of."""
    suffix = {
        ImageType.EXPOSURE: "_mef.fits",
        ImageType.RAW: "_mef_4_0_0.fits",
        ImageType.STACK: "_mef_4_0_0_stack.fits",
        ImageType.DIFF: "_mef_4_0_0_stack.diff.fits",
    }[image_type]
    directory = image_type.for_camera(Instrument.WINTER).directory
    savepath = f"/data/loki/data/winter/20240225/{directory}/{NAME}{suffix}{ending}"
    return Product(Instrument.WINTER, savepath, image_type, Night("20240225"))


def header_of(cards: Mapping[str, Any]) -> fits.Header:
    """Return a header with these cards."""
    header = fits.Header()
    for key, value in cards.items():
        header[key] = value
    return header


def image(cards: Mapping[str, Any], axes: tuple[int, int] = AXES) -> bytes:
    """Return a file with one image."""
    data = np.zeros(axes[::-1], ">f4")
    return written([fits.PrimaryHDU(data, header=header_of(cards))])


def raw_image(cards: Iterable[bytes]) -> bytes:
    """Return a file with one image, whose header has these cards to the letter."""
    mandatory = [b"SIMPLE  =                    T", b"BITPIX  =                  -32"]
    axes = (2, *AXES)
    for name, value in zip((b"NAXIS", b"NAXIS1", b"NAXIS2"), axes, strict=True):
        mandatory.append(b"%-8b= %20d" % (name, value))
    header = b"".join(card[:80].ljust(80) for card in (*mandatory, *cards, b"END"))
    data = bytes(4 * AXES[0] * AXES[1])
    return b"".join(
        part + fill * (-len(part) % 2880) for part, fill in ((header, b" "), (data, b"\0"))
    )


def exposure(cards: Mapping[str, Any] = EXPOSURE, boards: tuple[int, ...] = BOARDS) -> bytes:
    """Return a file with a primary header and an image of each board, side by side on the sky."""
    hdus: list[Any] = [fits.PrimaryHDU(header=header_of(cards))]
    for board in boards:
        own = {"BOARD_ID": board, **wcs_cards(150.0 + 0.4 * (board % 2), 17.0 + 0.2 * (board // 2))}
        hdus.append(fits.ImageHDU(np.zeros(AXES[::-1], ">f4"), header=header_of(own)))
    return written(hdus)


def compressed(cards: Mapping[str, Any]) -> bytes:
    """Return a tile-compressed image (.fits.fz)."""
    data = np.zeros(AXES[::-1], ">i2")
    return written([fits.PrimaryHDU(), fits.CompImageHDU(data, header=header_of(cards))])


def gzipped(content: bytes) -> bytes:
    """Return a file inside gzip (.fits.gz)."""
    return gzip.compress(content)


def written(hdus: list[Any]) -> bytes:
    """Return the bytes of a file."""
    stream = io.BytesIO()
    fits.HDUList(hdus).writeto(stream)
    return stream.getvalue()
