"""The log of a night, with the names of the pipeline.

The columns are those of the log that mirar 1.2.4 writes of a night (`CSVLog` in its
`pipelines/winter/blocks.py`), as far as the mirror knows them: OBSCLASS, T_ROIC and FOCPOS it does
not. After FIELDID follow cards of the headers (winter-api.md, "Header cards by product").
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from winter_sync.core import ImageType
from winter_sync.science.columns import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core import Dataset

LOGGED_TYPES = (ImageType.EXPOSURE, ImageType.RAW, ImageType.SCIENCE, ImageType.STACK)
"""What may be the log of a night, best first: the nearest to what was observed."""

NIGHTLOG_COLUMNS = (
    Column("UTCTIME", Kind.TIME, None, "time.start;obs.exposure", "Start of the exposure, UTC"),
    Column("PROGNAME", Kind.TEXT, None, "meta.id;obs.proposal", "Programs that list it"),
    Column("TARGNAME", Kind.TEXT, None, "meta.id;src", "Name of what was observed"),
    Column("DITHNUM", Kind.INTEGER, None, "meta.number", "Which exposure of its set, from 1"),
    Column("NUMDITHS", Kind.INTEGER, None, "meta.number", "Exposures of the set"),
    Column("FILTER", Kind.TEXT, None, "meta.id;instr.filter", "Short name of the filter"),
    Column("EXPTIME", Kind.REAL, "s", "time.duration;obs.exposure", "Exposure time"),
    Column("BOARD_ID", Kind.INTEGER, None, "meta.id;instr.det", "Detector board"),
    Column("BASENAME", Kind.TEXT, None, "meta.id;meta.file", "Name of the file"),
    Column("RADEG", Kind.REAL, "deg", "pos.eq.ra", "Right ascension of the pointing"),
    Column("DECDEG", Kind.REAL, "deg", "pos.eq.dec", "Declination of the pointing"),
    Column("FIELDID", Kind.INTEGER, None, "meta.id;obs.field", "Survey field; 999999999 for none"),
    Column("AIRMASS", Kind.REAL, None, "obs.airMass", "Airmass"),
    Column("COADDS", Kind.INTEGER, None, "meta.number;obs.exposure", "Exposures added up"),
    Column("ZP", Kind.REAL, "mag", "phot.mag;arith.zp", "Zero point, AB magnitudes"),
    Column("MAGLIM", Kind.REAL, "mag", "phot.mag;stat.max", "5 sigma, AB magnitudes"),
    Column("FWHM_MED", Kind.REAL, "arcsec", "instr.obsty.seeing", "Width of stars"),
)


def log_entry(dataset: Dataset) -> dict[str, object]:
    """Return the row of an image, by the names of `NIGHTLOG_COLUMNS`."""
    facts = dataset.facts
    return {
        "UTCTIME": dataset.started_at,
        "PROGNAME": " ".join(dataset.programs),
        "TARGNAME": dataset.target or facts.target,
        "DITHNUM": facts.dither,
        "NUMDITHS": facts.dithers,
        "FILTER": dataset.filter or facts.filter,
        "EXPTIME": facts.exposure_time,
        "BOARD_ID": facts.board,
        "BASENAME": dataset.product.filename,
        "RADEG": facts.ra if dataset.ra is None else dataset.ra,
        "DECDEG": facts.dec if dataset.dec is None else dataset.dec,
        "FIELDID": dataset.field_id,
        "AIRMASS": facts.airmass,
        "COADDS": facts.coadds,
        "ZP": facts.zero_point,
        "MAGLIM": facts.limiting_magnitude,
        "FWHM_MED": facts.seeing,
    }


def logged(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return the images that are the log of a night, in the order of time.

    Of each camera those of one type: the first of `LOGGED_TYPES` that it has.
    """
    by_camera = sorted(datasets, key=lambda dataset: dataset.product.instrument.value)
    chosen = [
        dataset
        for _, of_camera in groupby(by_camera, key=lambda dataset: dataset.product.instrument)
        for dataset in _of_first_type(list(of_camera))
    ]
    return sorted(chosen, key=_order)


def _of_first_type(datasets: list[Dataset]) -> list[Dataset]:
    for image_type in LOGGED_TYPES:
        if found := [each for each in datasets if each.product.image_type is image_type]:
            return found
    return []


def _order(dataset: Dataset) -> tuple[str, str]:
    started = dataset.started_at
    return started.isoformat() if started else "", dataset.product.savepath
