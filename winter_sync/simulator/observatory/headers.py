"""The header cards that the pipeline writes.

The names are those of winter-api.md, "Header cards by product". What is in a card that no source
describes is chosen to be plausible.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from winter_sync.core import ImageType, Instrument
from winter_sync.simulator.observatory.conditions import NOISE, UNKNOWN, conditions_of
from winter_sync.simulator.observatory.filters import pipeline_name
from winter_sync.simulator.observatory.holdings import savepath
from winter_sync.simulator.observatory.telescope_headers import (
    board_cards,
    exposure_cards,
    isot,
    julian_date,
    mjd,
    request_of,
    schedule_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.simulator.observatory.holdings import Holding
    from winter_sync.simulator.observatory.observing import Dither
    from winter_sync.simulator.sky.frame import Frame

    Cards = dict[str, tuple[Any, str]]

_EXPOSURE_IDS_FROM_MJD = 59000.0
_STEPS = "load,mask,dark,flat,sky,astrometry"


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
        "UTCTIME": (isot(start), "UTC start of the exposure"),
        "DATE-OBS": (isot(start), "UTC start of the exposure"),
        "MJD-OBS": (mjd(start), "MJD of the start"),
        "EXPMJD": (mjd(start), "MJD of the start"),
        "OBSCLASS": ("science", "Class of observation"),
        "IMGTYPE": ("science", "Type of image"),
        "ITID": (1, "Number of the type"),
        "TARGET": (f"{schedule_of(visit)}_{request_of(visit)}", "What is stacked together"),
        "COADDS": (1, "Number of exposures"),
        "NIGHTDATE": (start.date().isoformat(), "UTC date of the start"),
        "RAWID": (_raw_id(holding, dither), "Number of the raw image"),
        "STACKID": (_raw_id(holding, visit.dithers[0]), "Number of its stack"),
        # What clipping of stars leaves of an image: no need to look at its pixels.
        "MEDCOUNT": (conditions_of(seed, visit).sky, "Median (counts)"),
        "BASENAME": (holding.product.filename, "File name"),
        "RAWPATH": (holding.exposure_path, "Whence it was made"),
        "SAVEPATH": (holding.product.savepath, "Where it was saved"),
        "CALSTEPS": ("", "Steps of the calibration"),
        "DATE": (isot(_made(holding, revision)), "When this was written"),
        **(_winter_cards(dither, board) if _is_winter(holding) else _SPRING_CARDS),
    }


_SPRING_CARDS: Cards = {
    "GAIN": (4, "e-/ADU"),
    # So in every raw image of SPRING that the pipeline loads.
    "PROCFAIL": (1, "Whether a step failed"),
}


def _winter_cards(dither: Dither, board: int) -> Cards:
    """Return what the pipeline adds to raw images of WINTER alone."""
    return {
        "JD": (julian_date(dither.start), "Julian date of the start"),
        "GAIN": (1.0, "e-/ADU"),
        "SATURATE": (40000.0, "ADU"),
        "EXPID": (_exposure_id(dither.start), "Exposure number"),
        "SUBDETID": (board + 1, "Part of the detectors"),
        "SUBCOORD": ("0_0", "Part of the board"),
        "STDDEV": (NOISE, "Scatter (counts)"),
        "PROCFAIL": (False, "Whether a step failed"),
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
    raws = [(dither, _raw_path(holding, dither)) for dither in holding.contributing]
    total = whole_seconds(visit.seconds) * len(raws)
    measured = conditions_of(seed, visit)
    limit = measured.limit(visit, len(raws))
    names = [path.rpartition("/")[2] for _, path in raws]
    return {
        **science_cards(holding, frame, seed, revision),
        "EXPTIME": (total, "Sum of the exposures (sec)"),
        "COADDS": (len(raws), "Number of exposures"),
        "RAWID": (",".join(str(_raw_id(holding, dither)) for dither, _ in raws), ""),
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


def _exposure_id(start: datetime) -> int:
    """Return the pipeline's number of an exposure: seconds since MJD 59000."""
    return int((mjd(start) - _EXPOSURE_IDS_FROM_MJD) * 86400.0)


def _raw_id(holding: Holding, dither: Dither) -> int:
    """Return the pipeline's number of a raw image; SPRING's is that of its exposure."""
    number = _exposure_id(dither.start)
    return number * 100 + (holding.board or 0) + 1 if _is_winter(holding) else number


def _is_winter(holding: Holding) -> bool:
    return holding.product.instrument is Instrument.WINTER


def whole_seconds(seconds: float) -> float:
    """Return an exposure time as the pipeline rounds it."""
    return float(round(seconds)) if seconds >= 1.0 else round(seconds, 2)
