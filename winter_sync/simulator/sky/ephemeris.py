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


def azimuth(instant: datetime, ra: float, dec: float) -> float:
    """Return the azimuth at Palomar, degrees from north through east, of a place (degrees)."""
    hour_angle = math.radians(sidereal_time(instant) - ra)
    latitude, declination = math.radians(PALOMAR_LATITUDE), math.radians(dec)
    north = math.sin(declination) * math.cos(latitude)
    north -= math.cos(declination) * math.sin(latitude) * math.cos(hour_angle)
    east = -math.cos(declination) * math.sin(hour_angle)
    return math.degrees(math.atan2(east, north)) % 360.0


def sun_altitude(instant: datetime) -> float:
    """Return the altitude of the Sun at Palomar in degrees, good to a few hundredths."""
    return altitude(instant, *sun(instant))


def sun(instant: datetime) -> tuple[float, float]:
    """Return the place of the Sun, degrees, good to a hundredth.

    The low-precision formula of the Astronomical Almanac.
    """
    return _equatorial(instant, _sun_longitude(_days(instant)), 0.0)


def moon(instant: datetime) -> tuple[float, float]:
    """Return the place of the Moon, degrees, as seen from the Earth's centre.

    The largest terms of the low-precision formula of the Astronomical Almanac; good to a degree.
    """
    return _equatorial(instant, *_moon_ecliptic(_days(instant)))


def moon_fraction(instant: datetime) -> float:
    """Return the illuminated part of the Moon's disc, 0 to 1, good to a few hundredths."""
    longitude, latitude = _moon_ecliptic(_days(instant))
    apart = math.radians(longitude - _sun_longitude(_days(instant)))
    return (1.0 - math.cos(apart) * math.cos(math.radians(latitude))) / 2.0


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


def _sun_longitude(days: float) -> float:
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360.0)
    mean = 280.460 + 0.9856474 * days
    return mean + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly)


def _moon_ecliptic(days: float) -> tuple[float, float]:
    anomaly = math.radians(134.963 + 13.064993 * days)
    elongation = math.radians(297.850 + 12.190749 * days)
    longitude = 218.316 + 13.176396 * days + 6.289 * math.sin(anomaly)
    longitude -= 1.274 * math.sin(anomaly - 2 * elongation) - 0.658 * math.sin(2 * elongation)
    latitude = 5.128 * math.sin(math.radians(93.272 + 13.229350 * days))
    return longitude % 360.0, latitude


def _equatorial(instant: datetime, longitude: float, latitude: float) -> tuple[float, float]:
    """Turn ecliptic coordinates into right ascension and declination, all in degrees."""
    tilt = math.radians(23.439 - 0.0000004 * _days(instant))
    along, above = math.radians(longitude), math.radians(latitude)
    x = math.cos(above) * math.cos(along)
    y = math.cos(above) * math.sin(along) * math.cos(tilt) - math.sin(above) * math.sin(tilt)
    z = math.cos(above) * math.sin(along) * math.sin(tilt) + math.sin(above) * math.cos(tilt)
    return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.asin(z))


def _days(instant: datetime) -> float:
    return (instant - _J2000) / timedelta(days=1)
