"""The header cards of each product, as the observatory and its pipeline write them.

The names are those of winter-api.md, "Header cards by product". What is in a card that no source
describes is chosen to be plausible.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.core import NO_SURVEY_FIELD, ImageType, Instrument
from winter_sync.simulator.observatory.conditions import NOISE, UNKNOWN, conditions_of
from winter_sync.simulator.observatory.filters import pipeline_name
from winter_sync.simulator.observatory.holdings import savepath
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
    from winter_sync.simulator.sky.frame import Frame

    Cards = dict[str, tuple[Any, str]]

_UNIX_MJD = 40587.0
_MJD_JD = 2400000.5
_EXPOSURE_IDS_FROM_MJD = 59000.0
_GAIN = 1.0
_SATURATION = 40000.0
_STEPS = "load,mask,dark,flat,sky,astrometry"


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


def wcs_cards(frame: Frame) -> Cards:
    """Return the coordinates of an image."""
    (x, y), (first, second) = frame.reference, frame.matrix
    return {
        "WCSAXES": (2, "Number of coordinate axes"),
        "CTYPE1": ("RA---TAN", "Right ascension, gnomonic projection"),
        "CTYPE2": ("DEC--TAN", "Declination, gnomonic projection"),
        "CUNIT1": ("deg", "Unit of CRVAL1 and CD1_*"),
        "CUNIT2": ("deg", "Unit of CRVAL2 and CD2_*"),
        "CRVAL1": (frame.ra, "RA of the reference"),
        "CRVAL2": (frame.dec, "Dec of the reference"),
        "CRPIX1": (x, "Pixel of the reference"),
        "CRPIX2": (y, "Pixel of the reference"),
        "CD1_1": (first[0], ""),
        "CD1_2": (first[1], ""),
        "CD2_1": (second[0], ""),
        "CD2_2": (second[1], ""),
        "RADESYS": ("ICRS", "Coordinate system"),
        "EQUINOX": (2000.0, "Equinox"),
    }


def raw_cards(holding: Holding, seed: int, revision: int) -> Cards:
    """Return the cards of an unpacked board: the exposure's, and what the pipeline adds."""
    visit, dither, board = holding.visit, holding.dither, holding.board or 0
    start = dither.start
    return {
        **exposure_cards(holding, seed),
        **board_cards(holding, board),
        "FILTER": (pipeline_name(visit.filter_name), "Filter"),
        "FID": (visit.fid, "Filter number"),
        "TARGNAME": (visit.target, "Target name"),
        "RA": (dither.ra, "Pointing (deg)"),
        "DEC": (dither.dec, "Pointing (deg)"),
        "EXPTIME": (whole_seconds(visit.seconds), "Exposure time (sec)"),
        "UTCTIME": (_isot(start), "UTC start of the exposure"),
        "DATE-OBS": (_isot(start), "UTC start of the exposure"),
        "MJD-OBS": (_mjd(start), "MJD of the start"),
        "JD": (julian_date(start), "Julian date of the start"),
        "EXPMJD": (_mjd(start), "MJD of the start"),
        "OBSCLASS": ("science", "Class of observation"),
        "IMGTYPE": ("science", "Type of image"),
        "ITID": (1, "Number of the type"),
        "TARGET": (f"{_schedule(visit)}_{_request(visit)}", "What is stacked together"),
        "COADDS": (1, "Number of exposures"),
        "GAIN": (_GAIN, "e-/ADU"),
        "SATURATE": (_SATURATION, "ADU"),
        "NIGHTDATE": (start.date().isoformat(), "UTC date of the start"),
        "EXPID": (_exposure_id(start), "Exposure number"),
        "SUBDETID": (board + 1, "Part of the detectors"),
        "SUBCOORD": ("0_0", "Part of the board"),
        "RAWID": (_raw_id(start, board), "Number of the raw image"),
        "STACKID": (_raw_id(visit.dithers[0].start, board), "Number of its stack"),
        # What clipping of stars leaves of an image: no need to look at its pixels.
        "MEDCOUNT": (conditions_of(seed, visit).sky, "Median (counts)"),
        "STDDEV": (NOISE, "Scatter (counts)"),
        "BASENAME": (holding.product.filename, "File name"),
        "RAWPATH": (holding.exposure_path, "Whence it was made"),
        "SAVEPATH": (holding.product.savepath, "Where it was saved"),
        "CALSTEPS": ("", "Steps of the calibration"),
        "PROCFAIL": (False, "Whether a step failed"),
        "DATE": (_isot(_made(holding, revision)), "When this was written"),
    }


def science_cards(holding: Holding, frame: Frame, seed: int, revision: int) -> Cards:
    """Return the cards of a calibrated board."""
    return {
        **raw_cards(holding, seed, revision),
        "CALSTEPS": (_STEPS, "Steps of the calibration"),
        **_quality_cards(holding, frame, seed),
    }


def stack_cards(holding: Holding, frame: Frame, seed: int, revision: int) -> Cards:
    """Return the cards of a stack: the first exposure's, the sums, and the photometry."""
    visit = holding.visit
    raws = [(dither.start, _raw_path(holding, dither)) for dither in holding.contributing]
    total = whole_seconds(visit.seconds) * len(raws)
    measured = conditions_of(seed, visit)
    limit = measured.limit(visit, len(raws))
    names = [path.rpartition("/")[2] for _, path in raws]
    return {
        **science_cards(holding, frame, seed, revision),
        "EXPTIME": (total, "Sum of the exposures (sec)"),
        "COADDS": (len(raws), "Number of exposures"),
        "RAWID": (",".join(str(_raw_id(start, holding.board or 0)) for start, _ in raws), ""),
        "RAWPATH": (",".join(path for _, path in raws), ""),
        "STCKCMPT": (",".join(names), ""),
        "CALSTEPS": (f"{_STEPS},stack,photometry", "Steps of the calibration"),
        "WGHTPATH": (_beside(holding, "final", ".weight.fits"), "Weights"),
        "PSFCAT": (_beside(holding, "phot", ".psf"), "Model of a star"),
        "RFCTPATH": (_beside(holding, "phot", ".ref.cat"), "Stars of the zero point"),
        "ZP": (measured.zero_point, "Zero point (mag)"),
        "ZPSTD": (measured.zero_point_error, "Its scatter (mag)"),
        "ZPNSTARS": (measured.zero_point_stars, "Stars that it is of"),
        "ZP_AUTO": (measured.zero_point, "Zero point of MAG_AUTO (mag)"),
        "ZP_AUTO_STD": (measured.zero_point_error, "Its scatter (mag)"),
        "ZP_AUTO_NSTARS": (measured.zero_point_stars, "Stars that it is of"),
        "MAGSYS": ("AB", "System of magnitudes"),
        "MAGLIM": (limit, "Limiting magnitude"),
        "DETMAG95": (round(limit - 0.7, 4), "95 % of stars are found (mag)"),
        "DETMAG50": (round(limit + 0.1, 4), "50 % of stars are found (mag)"),
        "DETMAG05": (round(limit + 0.6, 4), "5 % of stars are found (mag)"),
    }


def diff_cards(holding: Holding, frame: Frame, seed: int, revision: int) -> Cards:
    """Return the cards of a difference image: the stack's, and those of the subtraction."""
    visit = holding.visit
    # Every seventh subtraction leaves no statistics, as the pipeline's tables allow.
    has_scores = visit.number % 7 != 6  # noqa: PLR2004 - said above
    return {
        **stack_cards(holding, frame, seed, revision),
        "MAGLIM": (difference_limit(holding, seed), "Five times the noise of a star (mag)"),
        "COUNTRMS": (20.0, "Noise (counts)"),
        "SCORMEAN": (0.012 if has_scores else None, "Mean of the scores"),
        "SCORMED": (0.008 if has_scores else None, "Median of the scores"),
        "SCORSTD": (1.021 if has_scores else None, "Scatter of the scores"),
        "SCORPATH": (_beside(holding, "subtract", ".scorr.fits"), "Scores"),
        "SCORMASK": (_beside(holding, "subtract", ".scorr.mask.fits"), "Masked scores"),
        "NPSFCAT": (_beside(holding, "subtract", ".psf.fits"), "Star of the difference"),
        "UNCPATH": (_beside(holding, "subtract", ".unc.fits"), "Uncertainties"),
        "SCIPATH": (_beside(holding, "final", ".fits"), "What was subtracted from"),
        "REFPATH": (_beside(holding, "subtract", ".ref.fits"), "What was subtracted"),
        "REFFS": (1.0, "Scale of the reference"),
    }


def difference_limit(holding: Holding, seed: int) -> float:
    """Return the limiting magnitude of a difference image, a little brighter than the stack's."""
    measured = conditions_of(seed, holding.visit)
    return round(measured.limit(holding.visit, len(holding.contributing)) - 0.15, 4)


def julian_date(instant: datetime) -> float:
    """Return the Julian date of an instant, days."""
    return _mjd(instant) + _MJD_JD


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
        "OBHISTID": (_request(visit), "obsHistID: line in schedulefile"),
        "VEXPTIME": (round(visit.seconds * number, 1), "Visit exposure time (sec)"),
        "PROGPI": ("Hubble", "Queue program PI"),
        "PROGID": (number_of_program(visit.program), "Queue program ID"),
        "PROGNAME": (visit.program, "Queue program name"),
        "NUMDITHS": (number, "Number of dithers"),
        "DITHNUM": (dither.number, "Dither number"),
        "DITHSTEP": (DITHER_ARCSECONDS, "Dither step (arcsec)"),
        "FIELDID": (visit.field_id, "Field ID number"),
        "TARGNAME": (visit.target or "", "Target name"),
        "SCHDNAME": (_schedule(visit), "Schedule name"),
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
    observed = f"{start:%Y%m%d %H%M%S.%f}" if instrument is Instrument.WINTER else _isot(start)
    return {
        "UTC": (f"{start:%Y%m%d_%H%M%S.%f}", "Time of observation"),
        "UTCISO": (_isot(start).replace("T", " "), "Time of observation in ISO format"),
        "UTCSHUT": (f"{start:%Y%m%d_%H%M%S.%f}", "UTC time shutter open"),
        "DATE-OBS": (observed, "UTC date of observation"),
        "OBSJD": (julian_date(start), "Julian day corresponds to UTC"),
        "OBSMJD": (_mjd(start), "MJD corresponds to UTC"),
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


def _quality_cards(holding: Holding, frame: Frame, seed: int) -> Cards:
    measured = conditions_of(seed, holding.visit)
    known = measured.astrometry != UNKNOWN
    return {
        "FWHM_MED": (measured.seeing, "FWHM of stars (arcsec)"),
        "FWHM_STD": (round(measured.seeing * 0.11, 4), "Its scatter (arcsec)"),
        "FWHM_PIX": (round(measured.seeing / 3600.0 / frame.pixel, 4), "FWHM (pixels)"),
        "ASTUNC": (measured.astrometry, "Median astrometric error (deg)"),
        "ASTUNC95": (measured.astrometry * 2.5 if known else UNKNOWN, "95 % are within (deg)"),
    }


def _raw_path(holding: Holding, dither: Dither) -> str:
    return savepath(holding.visit, ImageType.RAW, dither.start, holding.board)


def _beside(holding: Holding, subdir: str, suffix: str) -> str:
    """Return the path of a file that the pipeline keeps of a stack, and the archive does not."""
    night, _, _ = holding.product.savepath.rpartition("/")[0].rpartition("/")
    start = holding.dither.start
    stack = savepath(holding.visit, ImageType.STACK, start, holding.board)
    stem = stack.rpartition("/")[2].removesuffix(".fits")
    return f"{night}/{subdir}/{stem}{suffix}"


def _made(holding: Holding, revision: int) -> datetime:
    """Return when a revision was written: each a day after the one before."""
    return holding.listed_at - timedelta(minutes=1) + timedelta(days=revision)


def _schedule(visit: Visit) -> str:
    kind = "timed_requests" if visit.field_id == NO_SURVEY_FIELD else "all_sky"
    return f"{kind}_{visit.night}_{visit.program}"


def _request(visit: Visit) -> int:
    return visit.number + 1


def _exposure_id(start: datetime) -> int:
    """Return the pipeline's number of an exposure: seconds since MJD 59000."""
    return int((_mjd(start) - _EXPOSURE_IDS_FROM_MJD) * 86400.0)


def _raw_id(start: datetime, board: int) -> int:
    return _exposure_id(start) * 100 + board + 1


def whole_seconds(seconds: float) -> float:
    """Return an exposure time as the pipeline rounds it."""
    return float(round(seconds)) if seconds >= 1.0 else round(seconds, 2)


def _sexagesimal(degrees: float) -> str:
    sign = "-" if degrees < 0 else ""
    minutes, seconds = divmod(round(abs(degrees) * 3600.0, 4), 60.0)
    whole, minutes = divmod(int(minutes), 60)
    return f"{sign}{whole}:{minutes:02d}:{seconds:07.4f}"


def _isot(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _mjd(instant: datetime) -> float:
    return round(_UNIX_MJD + instant.timestamp() / timedelta(days=1).total_seconds(), 8)
