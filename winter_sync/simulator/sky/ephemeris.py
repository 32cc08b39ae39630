"""Where the Sun and the stars stand over Palomar: when it is dark, and what is up."""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from winter_sync.core import Night

PALOMAR_LATITUDE = 33.356
"""Degrees north (wintertoo 1.10.1, `PALOMAR_LOC`)."""
PALOMAR_LONGITUDE = -116.863
"""Degrees east (wintertoo 1.10.1, `PALOMAR_LOC`)."""
PALOMAR_ZONE = ZoneInfo("America/Los_Angeles")
DARK_BELOW = -12.0
"""Altitude of the Sun, in degrees, below which exposures are taken (nautical twilight)."""

_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


def sidereal_time(instant: datetime) -> float:
    """Return the local mean sidereal time at Palomar, in degrees."""
    return (280.46062 + 360.98564737 * _days(instant) + PALOMAR_LONGITUDE) % 360.0


def altitude(instant: datetime, ra: float, dec: float) -> float:
    """Return the altitude at Palomar, in degrees, of a place on the sky (degrees)."""
    hour_angle = math.radians(sidereal_time(instant) - ra)
    latitude, declination = math.radians(PALOMAR_LATITUDE), math.radians(dec)
    height = math.sin(latitude) * math.sin(declination)
    height += math.cos(latitude) * math.cos(declination) * math.cos(hour_angle)
    return math.degrees(math.asin(height))


def sun_altitude(instant: datetime) -> float:
    """Return the altitude of the Sun at Palomar in degrees, good to a few hundredths.

    The low-precision formula of the Astronomical Almanac.
    """
    days = _days(instant)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360.0)
    mean = 280.460 + 0.9856474 * days
    ecliptic = math.radians(mean + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 0.0000004 * days)
    ra = math.degrees(math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic)))
    dec = math.degrees(math.asin(math.sin(tilt) * math.sin(ecliptic)))
    return altitude(instant, ra, dec)


def dark_hours(night: Night) -> tuple[datetime, datetime]:
    """Return the UTC start and end of the dark hours of a night, to the minute."""
    noon = datetime.combine(night.day, time(12), PALOMAR_ZONE).astimezone(UTC)
    minutes = (noon + timedelta(minutes=step) for step in range(24 * 60))
    dark = [minute for minute in minutes if sun_altitude(minute) < DARK_BELOW]
    return dark[0], dark[-1]


def pacific_offset(instant: datetime) -> timedelta:
    """Return by how much UTC is ahead of Palomar's civil time: 7 h in summer, 8 h in winter."""
    offset = instant.astimezone(PALOMAR_ZONE).utcoffset()
    return -(offset or timedelta())


def _days(instant: datetime) -> float:
    return (instant - _J2000) / timedelta(days=1)
