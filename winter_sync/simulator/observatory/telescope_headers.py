"""The header cards that the observatory writes at the telescope.

The names are those of winter-api.md, "Header cards by product". What is in a card that no source
describes is chosen to be plausible.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.core import NO_SURVEY_FIELD, Instrument
from winter_sync.simulator.observatory.conditions import conditions_of
from winter_sync.simulator.observatory.observing import DITHER_ARCSECONDS
from winter_sync.simulator.observatory.targets import number_of_program
from winter_sync.simulator.sky.ephemeris import (
    altitude,
    azimuth,
    moon,
    moon_fraction,
    sun,
    sun_altitude,
)

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.simulator.observatory.holdings import Holding
    from winter_sync.simulator.observatory.observing import Dither, Visit

    Cards = dict[str, tuple[Any, str]]

_UNIX_MJD = 40587.0
_MJD_JD = 2400000.5


def exposure_cards(holding: Holding, seed: int) -> Cards:
    """Return the cards of an exposure's primary header, written at the telescope."""
    visit, dither = holding.visit, holding.dither
    return {
        "OBSTYPE": ("SCIENCE", "Observation Type"),
        "OBSMODE": ("SCHEDULE", "Observation mode"),
        "FILENAME": (holding.exposure, "File name"),
        "OBSERVAT": ("Palomar Observatory", "Observatory"),
        "TELESCOP": ("WINTER / P39", "Observatory telescope"),
        "READOUTM": ("cds", "Readout mode"),
        "MIRCOVER": ("open", "Mirror cover"),
        **_pointing_cards(dither),
        **_request_cards(visit, dither, seed),
        **_filter_cards(visit),
        "INSTRUME": (visit.instrument.upper(), "Instrument name"),
        "EXPTIME": (visit.seconds, "Requested exposure time (sec)"),
        **_time_cards(dither.start, visit.instrument),
        **_weather_cards(visit, seed),
        **_sky_cards(dither.start),
        "SEEING": (conditions_of(seed, visit).seeing, "FWHM mean from focusing"),
    }


def board_cards(holding: Holding, board: int) -> Cards:
    """Return the cards of one board; SPRING has none."""
    if holding.product.instrument is Instrument.SPRING:
        return {}
    return {
        "BOARD_ID": (board, "Board ID"),
        "T_ROIC": (round(-45.0 - board / 10, 1), "Readout chip temperature (C)"),
    }


def schedule_of(visit: Visit) -> str:
    """Return the name of the schedule that a visit was in."""
    kind = "timed_requests" if visit.field_id == NO_SURVEY_FIELD else "all_sky"
    return f"{kind}_{visit.night}_{visit.program}"


def request_of(visit: Visit) -> int:
    """Return the line of the schedule that a visit was."""
    return visit.number + 1


def julian_date(instant: datetime) -> float:
    """Return the Julian date of an instant, days."""
    return mjd(instant) + _MJD_JD


def isot(instant: datetime) -> str:
    """Return an instant in ISO form, to the millisecond."""
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds")


def mjd(instant: datetime) -> float:
    """Return the modified Julian date of an instant, days."""
    return round(_UNIX_MJD + instant.timestamp() / timedelta(days=1).total_seconds(), 8)


def _pointing_cards(dither: Dither) -> Cards:
    start, ra, dec = dither.start, dither.ra, dither.dec
    height = altitude(start, ra, dec)
    return {
        # At the telescope these are text, and degrees even in right ascension.
        "RA": (_sexagesimal(ra), "Requested right ascension (deg:m:s)"),
        "DEC": (_sexagesimal(dec), "Requested declination (deg:m:s)"),
        "RADEG": (ra, "Requested right ascension (deg)"),
        "DECDEG": (dec, "Requested declination (deg)"),
        "POINTRA": (ra, "Pointing (deg)"),
        "POINTDEC": (dec, "Pointing (deg)"),
        "AZIMUTH": (round(azimuth(start, ra, dec), 4), "Telescope azimuth (deg)"),
        "ALTITUDE": (round(height, 4), "Telescope altitude (deg)"),
        "AIRMASS": (round(1.0 / math.sin(math.radians(max(height, 1.0))), 4), "Airmass"),
    }


def _request_cards(visit: Visit, dither: Dither, seed: int) -> Cards:
    source = visit.source
    number = len(visit.dithers)
    return {
        "FOCPOS": (conditions_of(seed, visit).focus, "Focuser position (micron)"),
        "OBHISTID": (request_of(visit), "obsHistID: line in schedulefile"),
        "VEXPTIME": (round(visit.seconds * number, 1), "Visit exposure time (sec)"),
        "PROGPI": ("Hubble", "Queue program PI"),
        "PROGID": (number_of_program(visit.program), "Queue program ID"),
        "PROGNAME": (visit.program, "Queue program name"),
        "NUMDITHS": (number, "Number of dithers"),
        "DITHNUM": (dither.number, "Dither number"),
        "DITHSTEP": (DITHER_ARCSECONDS, "Dither step (arcsec)"),
        "FIELDID": (visit.field_id, "Field ID number"),
        "TARGNAME": (visit.target or "", "Target name"),
        "SCHDNAME": (schedule_of(visit), "Schedule name"),
        "SCHDTYPE": ("target" if visit.target else "survey", "Schedule type"),
        "TARGRA": ("" if source is None else source[0], "Target RA (deg)"),
        "TARGDEC": ("" if source is None else source[1], "Target Dec (deg)"),
    }


def _filter_cards(visit: Visit) -> Cards:
    name = visit.filter_name
    winter = visit.instrument is Instrument.WINTER
    return {
        "FILTER": (f"{name}-band" if winter else name, "Filter name"),
        "FILTERID": (name, "Filter ID"),
    }


def _time_cards(start: datetime, instrument: Instrument) -> Cards:
    # WINTER's DATE-OBS is not what the standard has; SPRING's is.
    observed = f"{start:%Y%m%d %H%M%S.%f}" if instrument is Instrument.WINTER else isot(start)
    # SPRING's pipeline takes MJD-OBS from the camera; WINTER's adds it itself.
    own = {} if instrument is Instrument.WINTER else {"MJD-OBS": (mjd(start), "MJD of the start")}
    return {
        **own,
        "UTC": (f"{start:%Y%m%d_%H%M%S.%f}", "Time of observation"),
        "UTCISO": (isot(start).replace("T", " "), "Time of observation in ISO format"),
        "UTCSHUT": (f"{start:%Y%m%d_%H%M%S.%f}", "UTC time shutter open"),
        "DATE-OBS": (observed, "UTC date of observation"),
        "OBSJD": (julian_date(start), "Julian day corresponds to UTC"),
        "OBSMJD": (mjd(start), "MJD corresponds to UTC"),
    }


def _weather_cards(visit: Visit, seed: int) -> Cards:
    weather = conditions_of(seed, visit)
    return {
        "TEMPTURE": (weather.temperature, "Outside air temperature (C)"),
        "WINDSPD": (weather.wind, "Outside wind speed"),
        "DEWPOINT": (weather.dew_point, "Dewpoint (C)"),
        "HUMIDITY": (weather.humidity, "Relative humidity (%)"),
        "PRESSURE": (weather.pressure, "Atmospheric pressure, millibars"),
    }


def _sky_cards(start: datetime) -> Cards:
    moon_place, sun_place = moon(start), sun(start)
    return {
        "MOONRA": (round(moon_place[0], 3), "Moon J2000.0 R.A. (deg)"),
        "MOONDEC": (round(moon_place[1], 3), "Moon J2000.0 Dec. (deg)"),
        "MOONILLF": (round(moon_fraction(start), 3), "Moon illuminated fraction"),
        "MOONALT": (round(altitude(start, *moon_place), 3), "Moon altitude (deg)"),
        "MOONAZ": (round(azimuth(start, *moon_place), 3), "Moon azimuth (deg)"),
        "SUNALT": (round(sun_altitude(start), 3), "Sun altitude (deg)"),
        "SUNAZ": (round(azimuth(start, *sun_place), 3), "Sun azimuth (deg)"),
    }


def _sexagesimal(degrees: float) -> str:
    sign = "-" if degrees < 0 else ""
    minutes, seconds = divmod(round(abs(degrees) * 3600.0, 4), 60.0)
    whole, minutes = divmod(int(minutes), 60)
    return f"{sign}{whole}:{minutes:02d}:{seconds:07.4f}"
