"""Alerts of the mirror as the answer to a question: light curves, tables, cutouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, overload

from winter_sync.api.alert_columns import ALERT_COLUMNS, alert_row
from winter_sync.core import Alert, Cutouts, DamagedFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from pandas import DataFrame

    from winter_sync.catalog import FoundAlert

_ARCSECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorAlert(Alert):
    """An alert, and the file on this machine that it is in.

    Parameters
    ----------
    path
        The Avro file.
    number
        The place of the record in the file, from 0.
    night
        The night at Palomar, YYYYMMDD.
    separation
        The distance from the middle of the cone that was asked for, arcseconds.
    """

    path: Path
    number: int
    night: str
    separation: float | None = None

    @classmethod
    def of(cls, found: FoundAlert, root: Path) -> MirrorAlert:
        """Return an alert that the catalog found."""
        distance = found.separation
        return cls(
            **asdict(found.alert),
            path=root / found.path,
            number=found.number,
            night=found.product.night.name,
            separation=None if distance is None else distance * _ARCSECONDS,
        )

    @property
    def position(self) -> SkyCoord | None:
        """The position, as astropy has it."""
        if self.ra is None or self.dec is None:
            return None
        from astropy.coordinates import SkyCoord  # noqa: PLC0415 - takes long to import

        return SkyCoord(self.ra, self.dec, unit="deg")

    def cutouts(self) -> Cutouts:
        """Return the cutouts: science, template and difference, each as the bytes of a FITS file.

        `astropy.io.fits.HDUList.fromstring(alert.cutouts().science)` opens one.

        Raises
        ------
        UsageError
            If the file is not here any more, or cannot be read.
        """
        from winter_sync.formats import UnreadableError, read_cutouts  # noqa: PLC0415 - as above

        try:
            with self.path.open("rb") as file:
                return read_cutouts(file, self.path.name, self.number, self.candid)
        except FileNotFoundError:
            raise UsageError(f"{self.path} is not on this machine any more", remedy=_LOST) from None
        except OSError as failed:
            raise UsageError(
                f"{self.path} cannot be read: {failed.strerror}",
                remedy="Give this user permission to read it.",
            ) from failed
        except (DamagedFileError, UnreadableError) as odd:
            raise UsageError(str(odd), remedy=_LOST) from odd


_LOST = (
    "Run `winter-sync facts` if it was downloaded again since; `winter-sync verify --repair` "
    "replaces a file that is missing or damaged."
)


class Alerts(Sequence[MirrorAlert]):
    """Alerts that answer a question, the oldest first."""

    def __init__(self, found: Iterable[FoundAlert], root: Path) -> None:
        self._found = tuple(found)
        self._root = root

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> MirrorAlert: ...

    @overload
    def __getitem__(self, index: slice) -> Alerts: ...

    def __getitem__(self, index: int | slice) -> MirrorAlert | Alerts:
        if isinstance(index, slice):
            return Alerts(self._found[index], self._root)
        return MirrorAlert.of(self._found[index], self._root)

    @property
    def paths(self) -> list[Path]:
        """The files, each once."""
        return [self._root / path for path in dict.fromkeys(found.path for found in self._found)]

    def rows(self) -> Iterable[dict[str, object]]:
        """Yield the alerts as rows of a table, one at a time."""
        return map(alert_row, self)

    def table(self) -> QTable:
        """Return the alerts as an astropy table, with units; nulls are masked."""
        from winter_sync.science import make_table  # noqa: PLC0415 - loads astropy

        return make_table(self.rows(), ALERT_COLUMNS)

    def to_pandas(self) -> DataFrame:
        """Return the alerts as a pandas data frame; pandas must be installed."""
        return self.table().to_pandas()

    def __repr__(self) -> str:
        objects = len({found.alert.objectid for found in self._found})
        count = len(self._found)
        return (
            f"<{count} alert{'' if count == 1 else 's'} of "
            f"{objects} object{'' if objects == 1 else 's'}>"
        )
