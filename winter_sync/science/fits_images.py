"""Images in FITS files that anybody may have written: opened, and refused where they cost too much.

No pixel is read here.
"""

from __future__ import annotations

import gzip
import warnings
import zlib
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_GZIP = b"\x1f\x8b"
LARGEST_SIDE = 10_000
"""Pixels on a side; more than any image of the archive has, and still 400 MB."""
_LONGEST_HEADER = 200 * 2880
"""Bytes, 7200 cards: as much as is read of a header to find the images that show a position."""
_LARGEST_TILE = 2**24
"""Pixels of a tile of a compressed image, which is decompressed whole; a row is usual."""
_DIMENSIONS = 2


class NoImageError(Exception):
    """There is no image that can be used; the message says why."""


def open_fits(file: BinaryIO) -> Any:  # noqa: ANN401 - astropy has no types
    """Open a FITS file, seekable, which may be compressed with gzip."""
    from astropy.io import fits  # noqa: PLC0415 - takes longer than most questions

    is_compressed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    return fits.open(gzip.GzipFile(fileobj=file) if is_compressed else file, memmap=False)


def image_of(hdus: Any, extension: int) -> Any:  # noqa: ANN401 - as above
    """Return an HDU that has a plain image, its pixels not read yet.

    Raises
    ------
    NoImageError
        If it has none, or one that nobody should read.
    """
    try:
        hdu = hdus[extension]  # `len(hdus)` would read the headers of all
    except IndexError:
        raise NoImageError(f"the file has no HDU {extension}") from None
    for each in (hdus[0], hdu):
        refuse_long_header(each)
    if not is_image(hdu):
        raise NoImageError(f"HDU {extension} has no image of two dimensions")
    refuse_large_tiles(hdu)
    return hdu


def is_image(hdu: Any) -> bool:  # noqa: ANN401 - as above
    """Return whether an HDU has an image of two dimensions."""
    return bool(hdu.is_image) and len(hdu.shape) == _DIMENSIONS


def refuse_large_tiles(hdu: Any) -> None:  # noqa: ANN401 - as above
    """Refuse a compressed image of which a part is decompressed at once that is too large."""
    if prod(getattr(hdu, "tile_shape", ())) > _LARGEST_TILE:
        raise NoImageError(f"its tiles have more than {_LARGEST_TILE} pixels")


def refuse_long_header(hdu: Any) -> None:  # noqa: ANN401 - as above
    """Refuse a header of which a part was never looked at: wcslib trusts what it is given."""
    place = hdu.fileinfo()
    if place is None or place["datLoc"] - place["hdrLoc"] > _LONGEST_HEADER:
        raise NoImageError(f"its header has more than {_LONGEST_HEADER} bytes")


@contextmanager
def quietly() -> Iterator[None]:
    """Pass over what astropy warns of: headers that it had to correct."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def faults_explained(kind: type[NoImageError]) -> Iterator[None]:
    """Raise an error of a kind for a file that cannot be read, whatever is wrong with it."""
    try:
        yield
    except kind:
        raise
    except NoImageError as reason:
        raise kind(str(reason)) from None
    except gzip.BadGzipFile:
        raise kind("it cannot be read: its gzip compression is damaged") from None
    except (OSError, EOFError, zlib.error) as broken:
        raise kind(f"it cannot be read: {broken}") from None
    except MemoryError:
        raise kind("there is not enough memory for what its header says") from None
    except Exception as odd:  # noqa: BLE001 - astropy and wcslib raise what they like
        raise kind(f"it is not the FITS image that it should be: {odd}") from None
