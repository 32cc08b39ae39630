"""Texts of the primary header of a FITS file, where only they say which product it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import DamagedFileError
from winter_sync.formats import fits
from winter_sync.formats.findings import Findings
from winter_sync.formats.gzip_stream import GzipReader
from winter_sync.formats.reader import FileReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TEXT_BLOCKS = 200
"""Blocks of a header that are read: see `winter_sync.formats.facts`."""


def read_card_texts(descriptor: int, filename: str, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the values of cards of the primary header, as text; without those that it lacks.

    Nothing is returned of a file that is not FITS.

    Raises
    ------
    OSError
        If the disk fails to read.
    """
    from astropy.io.fits import Header  # noqa: PLC0415 - costly, only where headers are read

    reader = FileReader(descriptor, filename)
    try:
        inside = GzipReader(reader) if filename.lower().endswith(".gz") else reader
        hdu = next(iter(fits.hdus_of(inside, Findings(inside), text_blocks=_TEXT_BLOCKS)), None)
        header = Header.fromstring(hdu.header.text) if hdu is not None else {}
        return {key: str(header[key]).strip() for key in keys if key in header}
    except OSError:
        raise
    except DamagedFileError:
        return {}
    except Exception:  # noqa: BLE001 - astropy raises what it likes of what it cannot parse
        return {}
