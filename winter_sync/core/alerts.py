"""Alerts: the sources that the pipeline found in a difference image, one record each.

The names are those of the alert schema 0.4 (winter-api.md, "Alerts"), which took them from ZTF.
What a record does not say, or says by a number that means "unknown", is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from winter_sync.core.filters import filter_name
from winter_sync.core.traits import Instrument

if TYPE_CHECKING:
    from winter_sync.core.facts import Facts


_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JD_OF_UNIX_EPOCH = 2440587.5
_DAY = 86_400_000
"""Milliseconds."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One candidate of a difference image.

    Parameters
    ----------
    objectid
        The name of the object, e.g. "WNTR24aaaab"; the same for all its detections.
    candid
        The number of this detection.
    jd
        Julian date of the start of the exposure, UTC, days.
    ra, dec
        Position, degrees.
    fid
        The number of the filter.
    magpsf, sigmapsf
        Magnitude of the difference by PSF photometry, and its uncertainty; AB.
    diffmaglim
        5 sigma limiting magnitude of the difference image, AB.
    isdiffpos
        Whether the source got brighter than the reference image.
    rb
        Real-bogus score: 0 is bogus, 1 is real.
    scorr
        Signal-to-noise ratio of the detection.
    fwhm
        Full width at half maximum of the source, pixels.
    exptime
        Exposure time, seconds.
    magap, sigmagap
        Magnitude of the difference by aperture photometry, and its uncertainty; AB.
    ndethist
        How often the object was detected so far.
    boardid
        The detector board.
    fieldid
        The survey field; 999999999 is none.
    progname
        The program of the observation.
    ztfname, distztf
        The ZTF object at this position, and its distance in arcseconds.
    sgscore1, distpsnr1
        Star/galaxy score of the nearest source of PS1 (1 is a star), and its distance in
        arcseconds.
    ssnamenr
        The nearest known object of the solar system.
    deprecated
        Whether the pipeline replaced this candidate by another.
    """

    objectid: str | None = None
    candid: int | None = None
    jd: float | None = None
    ra: float | None = None
    dec: float | None = None
    fid: int | None = None
    magpsf: float | None = None
    sigmapsf: float | None = None
    diffmaglim: float | None = None
    isdiffpos: bool | None = None
    rb: float | None = None
    scorr: float | None = None
    fwhm: float | None = None
    exptime: float | None = None
    magap: float | None = None
    sigmagap: float | None = None
    ndethist: int | None = None
    boardid: int | None = None
    fieldid: int | None = None
    progname: str | None = None
    ztfname: str | None = None
    distztf: float | None = None
    sgscore1: float | None = None
    distpsnr1: float | None = None
    ssnamenr: str | None = None
    deprecated: bool | None = None

    @property
    def time(self) -> datetime | None:
        """The UTC start of the exposure."""
        return None if self.jd is None else instant_of_jd(self.jd)

    @property
    def filter(self) -> str | None:
        """The short name of the filter; its number where it has none, None if it is unknown."""
        # An alert does not say which camera: SPRING's numbers are WINTER's and one more.
        return filter_name(Instrument.SPRING, self.fid)


@dataclass(frozen=True, slots=True)
class AlertFile:
    """What an Avro file says.

    Parameters
    ----------
    alerts
        One of each record, in their order, also of a record that could not be read.
    facts
        The time and the filter of the difference image, and a note if something could not be read.
    """

    alerts: tuple[Alert, ...]
    facts: Facts


@dataclass(frozen=True, slots=True)
class Cutouts:
    """The three small images of an alert, each a FITS file; None where the record has none."""

    science: bytes | None = None
    template: bytes | None = None
    difference: bytes | None = None


def instant_of_jd(jd: float) -> datetime:
    """Return the UTC time of a Julian date, to the millisecond: a double has it little better."""
    return _UNIX_EPOCH + timedelta(milliseconds=round((jd - _JD_OF_UNIX_EPOCH) * _DAY))


def jd_of_instant(instant: datetime) -> float:
    """Return the Julian date (UTC) of a time."""
    return _JD_OF_UNIX_EPOCH + (instant - _UNIX_EPOCH) / timedelta(days=1)
