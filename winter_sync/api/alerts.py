"""Alerts of the mirror as the answer to a question: light curves, tables, cutouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, overload

from winter_sync.api.alert_columns import ALERT_COLUMNS, alert_row
from winter_sync.core import Alert, Cutouts, DamagedFileError, ErrorCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from pandas import DataFrame

    from winter_sync.catalog import AlertQuery, Catalog

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
            raise UsageError(
                f"{self.path} is not on this machine any more",
                remedy=_LOST,
                code=ErrorCode.USE_FILE,
            ) from None
        except OSError as failed:
            raise UsageError(
                f"{self.path} cannot be read: {failed.strerror}",
                remedy="Give this user permission to read it.",
                code=ErrorCode.USE_FILE,
            ) from failed
        except (DamagedFileError, UnreadableError) as odd:
            raise UsageError(str(odd), remedy=_LOST, code=ErrorCode.USE_FILE) from odd


def find_alerts(catalog: Catalog, root: Path, query: AlertQuery) -> Iterator[MirrorAlert]:
    """Yield the alerts that a query means, the oldest first; few are in memory at a time."""
    paths: dict[str, Path] = {}
    for found in catalog.alerts.find(query):
        distance = found.separation
        path = paths.get(found.path)
        if path is None:
            path = paths[found.path] = root / found.path
        values = {name: getattr(found.alert, name) for name in _NAMES}
        yield MirrorAlert(
            **values,
            path=path,
            number=found.number,
            night=found.product.night.name,
            separation=None if distance is None else distance * _ARCSECONDS,
        )


_NAMES = tuple(field.name for field in fields(Alert))
_LOST = (
    "If it was downloaded again since, `winter-sync sync` reads it again; `winter-sync verify "
    "--repair` replaces one that is missing or damaged."
)


class Alerts(Sequence[MirrorAlert]):
    """Alerts that answer a question, the oldest first."""

    def __init__(self, alerts: Iterable[MirrorAlert]) -> None:
        self._alerts = tuple(alerts)

    def __len__(self) -> int:
        return len(self._alerts)

    @overload
    def __getitem__(self, index: int) -> MirrorAlert: ...

    @overload
    def __getitem__(self, index: slice) -> Alerts: ...

    def __getitem__(self, index: int | slice) -> MirrorAlert | Alerts:
        if isinstance(index, slice):
            return Alerts(self._alerts[index])
        return self._alerts[index]

    @property
    def paths(self) -> list[Path]:
        """The files, each once."""
        return list(dict.fromkeys(alert.path for alert in self._alerts))

    def table(self) -> QTable:
        """Return the alerts as an astropy table, with units; nulls are masked."""
        from winter_sync.science import make_table  # noqa: PLC0415 - loads astropy

        return make_table(map(alert_row, self._alerts), ALERT_COLUMNS)

    def to_pandas(self) -> DataFrame:
        """Return the alerts as a pandas data frame; pandas must be installed."""
        return self.table().to_pandas()

    def __repr__(self) -> str:
        objects = len({alert.objectid for alert in self._alerts})
        count = len(self._alerts)
        return (
            f"<{count} alert{'' if count == 1 else 's'} of "
            f"{objects} object{'' if objects == 1 else 's'}>"
        )
