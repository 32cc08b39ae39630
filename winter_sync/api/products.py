"""Products of the mirror as the answer to a question."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, overload

from winter_sync.api.product_columns import PRODUCT_COLUMNS, product_row
from winter_sync.catalog import UserState
from winter_sync.core import ErrorCode, UsageError
from winter_sync.science import make_table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from astropy.coordinates import SkyCoord
    from astropy.io.fits import HDUList
    from astropy.table import QTable
    from pandas import DataFrame

    from winter_sync.catalog import FoundProduct
    from winter_sync.core import Instrument


class MirrorProduct:
    """One file that the archive lists, and where it is on this machine.

    Parameters
    ----------
    found
        What the catalog says of it.
    root
        The root of the tree, an absolute path.

    Attributes
    ----------
    state
        downloaded, pending, missing, withdrawn or damaged.
    has_file
        Whether a file of it is in the tree: also of one that is pending because it was reprocessed,
        or that was withdrawn.
    """

    __slots__ = ("_found", "_root", "has_file", "state")

    def __init__(self, found: FoundProduct, root: Path) -> None:
        self._found = found
        self._root = root
        self.has_file = found.has_file
        self.state = found.state

    @property
    def path(self) -> Path:
        """Where its file is, or will be."""
        return self._root / self._found.path

    @property
    def identity(self) -> tuple[Instrument, str]:
        """What distinguishes it from every other: camera and savepath."""
        return self._found.product.identity

    @property
    def savepath(self) -> str:
        """The archive's own path of it."""
        return self._found.product.savepath

    @property
    def filename(self) -> str:
        """The name of its file."""
        return self._found.product.filename

    @property
    def instrument(self) -> str:
        """The camera: winter or spring."""
        return self._found.product.instrument.value

    @property
    def image_type(self) -> str:
        """Exposure, raw, science, stack, diff or avro, in lower case."""
        return self._found.product.image_type.value

    @property
    def night(self) -> str:
        """The night at Palomar, YYYYMMDD."""
        return self._found.product.night.name

    @property
    def started_at(self) -> datetime | None:
        """The UTC start of the exposure."""
        return self._found.started_at

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs that list it."""
        return self._found.programs

    @property
    def target(self) -> str | None:
        """The name of what was observed."""
        return self._found.target

    @property
    def ra(self) -> float | None:
        """The listed right ascension, degrees."""
        return self._found.ra

    @property
    def dec(self) -> float | None:
        """The listed declination, degrees."""
        return self._found.dec

    @property
    def filter(self) -> str | None:
        """The filter, such as "J"."""
        return self._found.filter

    @property
    def exposure_time(self) -> float | None:
        """Seconds; None until the header was read."""
        return self._found.exposure_time

    @property
    def seeing(self) -> float | None:
        """The width of stars, arcseconds; None until the header was read."""
        return self._found.seeing

    @property
    def limiting_magnitude(self) -> float | None:
        """5 sigma, AB magnitudes; None until the header was read."""
        return self._found.limiting_magnitude

    @property
    def size(self) -> int | None:
        """Bytes; None before the first download."""
        return self._found.size

    @property
    def downloaded_at(self) -> datetime | None:
        """When the file that is here arrived."""
        return self._found.downloaded_at

    @property
    def successor(self) -> str | None:
        """Of a withdrawn product that was renamed: the path, below the root, of what it is now."""
        return self._found.successor

    def open(self) -> HDUList:
        """Open its FITS file with astropy; close it, or use it as a context manager.

        Raises
        ------
        UsageError
            If the file is not here, or is not a FITS file.
        """
        if not self.has_file:
            raise UsageError(
                f"{self.filename} is not on this machine: {self.state}",
                remedy=_REMEDIES[self.state],
                code=ErrorCode.USE_FILE,
            )
        from astropy.io import fits  # noqa: PLC0415 - it takes long to import

        try:
            return fits.open(self.path)
        except PermissionError:
            raise UsageError(
                f"{self.path} may not be read by this user",
                remedy=f"Give this user permission: chmod -R a+rX {shlex.quote(str(self._root))}",
                code=ErrorCode.USE_FILE,
            ) from None
        except FileNotFoundError:
            raise UsageError(
                f"{self.path} was removed after it was downloaded",
                remedy=_REMEDIES[UserState.DAMAGED],
                code=ErrorCode.USE_FILE,
            ) from None
        except OSError as wrong:
            raise UsageError(
                f"{self.path} cannot be opened as FITS: {wrong}",
                remedy="Alerts (avro) are read with `fastavro.reader(open(product.path, 'rb'))`.",
                code=ErrorCode.USE_FILE,
            ) from None

    def __repr__(self) -> str:
        return f"<{self.image_type} {self.filename}, {self.state}>"


_REMEDIES = {
    UserState.DAMAGED: "Run `winter-sync verify --repair` to download it again.",
    UserState.WITHDRAWN: "The archive no longer lists it; it cannot be downloaded.",
    UserState.DOWNLOADED: "Run `winter-sync verify --repair` to download it again.",
    UserState.PENDING: "Run `winter-sync sync` to download it.",
    UserState.MISSING: "The archive lists it and has no file now; it is requested periodically.",
}


class Products(Sequence[MirrorProduct]):
    """Products that answer a question, from the oldest exposure unless asked otherwise."""

    def __init__(self, products: Iterable[MirrorProduct]) -> None:
        self._products = tuple(products)

    def __len__(self) -> int:
        return len(self._products)

    @overload
    def __getitem__(self, index: int) -> MirrorProduct: ...

    @overload
    def __getitem__(self, index: slice) -> Products: ...

    def __getitem__(self, index: int | slice) -> MirrorProduct | Products:
        if isinstance(index, slice):
            return Products(self._products[index])
        return self._products[index]

    @property
    def coordinates(self) -> SkyCoord:
        """The listed positions as astropy has them; NaN where none is listed."""
        from astropy.coordinates import SkyCoord  # noqa: PLC0415 - it takes long to import

        ra = [nan if product.ra is None else product.ra for product in self._products]
        dec = [nan if product.dec is None else product.dec for product in self._products]
        return SkyCoord(ra, dec, unit="deg")

    def table(self) -> QTable:
        """Return an astropy table, with units; unknown values are masked."""
        return make_table(map(product_row, self._products), PRODUCT_COLUMNS)

    def to_pandas(self) -> DataFrame:
        """Return a data frame with the columns of `table`; needs pandas."""
        return self.table().to_pandas()

    @property
    def paths(self) -> list[Path]:
        """The files of those that are on this machine."""
        return [product.path for product in self._products if product.has_file]

    def __repr__(self) -> str:
        count = len(self._products)
        here = sum(product.has_file for product in self._products)
        return f"<{count} product{'' if count == 1 else 's'}, {here} on this machine>"
