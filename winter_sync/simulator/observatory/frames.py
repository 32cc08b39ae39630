"""Writes the FITS files of the simulated cameras and of their pipeline."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits

from winter_sync.core import ImageType, Instrument
from winter_sync.simulator.observatory.observing import FILTERS, WINTER_BOARDS
from winter_sync.simulator.sky.ephemeris import altitude, pacific_offset
from winter_sync.simulator.sky.starfield import (
    Frame,
    bad_pixels,
    generator,
    paint,
    shifted,
    sky,
    stars_of,
)

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from winter_sync.simulator.observatory.holdings import Holding
    from winter_sync.simulator.observatory.observing import Dither, Visit

    Card = tuple[str, Any, str]

_SHAPES = {Instrument.WINTER: (1096, 1984), Instrument.SPRING: (1024, 1280)}
_PIXEL_ARCSECONDS = {Instrument.WINTER: 1.13, Instrument.SPRING: 0.80}
_BOARD_STEP_DEGREES = (0.64, 0.36)
_STACK_MARGIN = 1.06
_SMALLEST_EDGE = 12
_SKY_COUNTS = {"Y": 900.0, "J": 2400.0, "Hs": 9000.0}
_NOISE = 45.0
_UNIX_MJD = 40587.0


def fits_file(holding: Holding, seed: int, scale: float, revision: int) -> bytes:
    """Return the bytes of an image product: a pure function of its arguments.

    `scale` is that of the image edges; 1 is the real detector.
    """
    if holding.product.image_type is not ImageType.EXPOSURE:
        return _image_file(holding, seed, scale, revision)
    if holding.product.instrument is Instrument.SPRING:
        return _spring_exposure(holding, seed, scale)
    return _winter_exposure(holding, seed, scale)


def frame_of(instrument: Instrument, board: int | None, scale: float, margin: float = 1) -> Frame:
    """Return how a detector lies on the sky: WINTER's six boards are two across, three down."""
    rows, columns = (
        max(_SMALLEST_EDGE, round(edge * scale * margin)) for edge in _SHAPES[instrument]
    )
    pixel = _PIXEL_ARCSECONDS[instrument] / 3600.0 * _SHAPES[instrument][1] * margin / columns
    if instrument is Instrument.SPRING or board is None:
        return Frame((rows, columns), pixel)
    step_east, step_north = _BOARD_STEP_DEGREES
    centre = (board % 2 - 0.5) * step_east, (board // 2 - 1) * step_north
    return Frame((rows, columns), pixel, centre)


def _winter_exposure(holding: Holding, seed: int, scale: float) -> bytes:
    """Write a primary header and one extension a board, counts as float32."""
    visit, dither = holding.visit, holding.dither
    hdus: list[Any] = [fits.PrimaryHDU(header=fits.Header(_exposure_cards(visit, dither)))]
    for board in WINTER_BOARDS:
        frame = frame_of(visit.instrument, board, scale)
        image = np.rint(_exposed(holding, board, frame, seed, scale))
        cards = [*_board_cards(board), *_wcs_cards(frame, dither)]
        name = f"BOARD_{board}"
        hdus.append(fits.ImageHDU(_big_endian(image), header=fits.Header(cards), name=name))
    return _written(hdus)


def _spring_exposure(holding: Holding, seed: int, scale: float) -> bytes:
    """Write one image of unsigned 16-bit counts, as such cameras do (BZERO = 32768)."""
    visit, dither = holding.visit, holding.dither
    frame = frame_of(visit.instrument, None, scale)
    image = np.rint(_exposed(holding, 0, frame, seed, scale))
    counts = np.clip(image, 0, 65535).astype(np.uint16)
    cards = [*_exposure_cards(visit, dither), *_wcs_cards(frame, dither)]
    return _written([fits.PrimaryHDU(counts, header=fits.Header(cards))])


def _image_file(holding: Holding, seed: int, scale: float, revision: int) -> bytes:
    visit, dither, image_type = holding.visit, holding.dither, holding.product.image_type
    stacked = image_type in (ImageType.STACK, ImageType.DIFF)
    margin = _STACK_MARGIN if stacked else 1.0
    frame = frame_of(visit.instrument, holding.board, scale, margin)
    image = _PIXELS[image_type](holding, frame, seed, scale, revision)
    cards = [
        *_exposure_cards(visit, dither),
        *_board_cards(holding.board or 0),
        *_wcs_cards(frame, dither),
        *_pipeline_cards(holding, revision),
    ]
    return _written([fits.PrimaryHDU(_big_endian(image), header=fits.Header(cards))])


def _raw(holding: Holding, frame: Frame, seed: int, scale: float, _: int) -> NDArray[Any]:
    """Unpack one board: its counts with the bad pixels masked out, as float64 for WINTER."""
    image = np.rint(_exposed(holding, holding.board or 0, frame, seed, scale))
    return _masked(image, holding, seed)


def _science(
    holding: Holding, frame: Frame, seed: int, scale: float, revision: int
) -> NDArray[Any]:
    """Calibrate one board: no sky any more, the bad pixels still masked out."""
    chance = generator(seed, "science", holding.product.savepath, revision)
    image = sky(chance, frame.shape, 0.0, _NOISE)
    stars = stars_of(seed, holding.visit.key, scale)
    paint(image, frame, shifted(stars, holding.visit, holding.dither), scale)
    return _masked(image, holding, seed)


def _stack(holding: Holding, frame: Frame, seed: int, scale: float, revision: int) -> NDArray[Any]:
    chance = generator(seed, "stack", holding.product.savepath, revision)
    noise = _NOISE / len(holding.visit.dithers) ** 0.5
    image = sky(chance, frame.shape, 0.0, noise)
    paint(image, frame, stars_of(seed, holding.visit.key, scale), scale)
    return image


def _difference(holding: Holding, frame: Frame, seed: int, _: float, revision: int) -> NDArray[Any]:
    chance = generator(seed, "diff", holding.product.savepath, revision)
    return sky(chance, frame.shape, 0.0, _NOISE / 2)


_PIXELS = {
    ImageType.RAW: _raw,
    ImageType.SCIENCE: _science,
    ImageType.STACK: _stack,
    ImageType.DIFF: _difference,
}


def _exposed(
    holding: Holding, board: int, frame: Frame, seed: int, scale: float
) -> NDArray[np.float32]:
    """Return the counts of one board in one exposure: the same for the exposure and its raws."""
    visit, dither = holding.visit, holding.dither
    chance = generator(seed, "exposure", visit.key, dither.number, board)
    image = sky(chance, frame.shape, _SKY_COUNTS[visit.filter_name], _NOISE)
    paint(image, frame, shifted(stars_of(seed, visit.key, scale), visit, dither), scale)
    return image


def _masked(image: NDArray[np.float32], holding: Holding, seed: int) -> NDArray[Any]:
    detector = f"{holding.product.instrument}/{holding.board}"
    image.reshape(-1)[bad_pixels(seed, detector, image.shape)] = np.nan
    # The pipeline works in double precision on WINTER: 17 MB a board (winter-api.md, "Products").
    winter = holding.product.instrument is Instrument.WINTER
    return image.astype(">f8") if winter else image


def _big_endian(image: NDArray[Any]) -> NDArray[Any]:
    # Done here, once: astropy would swap the bytes there and back again.
    return image.astype(image.dtype.newbyteorder(">"), copy=False)


def _written(hdus: list[Any]) -> bytes:
    stream = io.BytesIO()
    fits.HDUList(hdus).writeto(stream, output_verify="exception")
    return stream.getvalue()


def _exposure_cards(visit: Visit, dither: Dither) -> list[Card]:
    start = dither.start
    local = start - pacific_offset(start)
    target = visit.target or f"field_{visit.field_id}"
    return [
        ("OBJECT", target, "what the telescope was pointed at"),
        ("TARGNAME", visit.target or "", "target name, if it has one"),
        ("FIELDID", visit.field_id, "survey field"),
        ("OBSTYPE", "SCIENCE", "type of observation"),
        ("OBSERVAT", "Palomar", "observatory"),
        ("TELESCOP", "WINTER", "telescope"),
        ("INSTRUME", visit.instrument.upper(), "camera"),
        ("EXPTIME", visit.seconds, "[s] exposure time"),
        ("FILTER", visit.filter_name, "filter"),
        ("FILTERID", visit.filter_name, "filter"),
        ("FID", FILTERS[visit.filter_name], "filter number"),
        ("UTCTIME", _isot(start), "UTC start of the exposure"),
        ("UTCISO", _isot(start).replace("T", " "), "UTC start of the exposure"),
        ("DATE-OBS", _isot(start), "UTC start of the exposure"),
        ("MJD-OBS", _mjd(start), "[d] start of the exposure"),
        ("LOCTIME", _isot(local), "civil time at Palomar"),
        ("NIGHTDAT", visit.night.name, "local date of the evening"),
        ("PROGNAME", visit.program, "program"),
        ("PROGPI", "Hubble", "who leads it"),
        ("DITHNUM", dither.number, "which dither of the set"),
        ("NUMDITHS", len(visit.dithers), "dithers in the set"),
        ("RADEG", dither.ra, "[deg] pointing"),
        ("DECDEG", dither.dec, "[deg] pointing"),
        ("ALTITUDE", round(altitude(start, dither.ra, dither.dec), 3), "[deg] of the pointing"),
        ("MIRCOVER", "open", "mirror cover"),
        ("GAIN", 1.0, "[e-/adu]"),
        ("SATURATE", 40000.0, "[adu]"),
    ]


def _board_cards(board: int) -> list[Card]:
    return [("BOARD_ID", board, "detector board"), ("T_ROIC", -40.0, "[deg C] readout chip")]


def _wcs_cards(frame: Frame, dither: Dither) -> list[Card]:
    x, y = frame.reference
    return [
        ("WCSAXES", 2, ""),
        ("CTYPE1", "RA---TAN", ""),
        ("CTYPE2", "DEC--TAN", ""),
        ("CUNIT1", "deg", ""),
        ("CUNIT2", "deg", ""),
        ("CRVAL1", dither.ra, "[deg]"),
        ("CRVAL2", dither.dec, "[deg]"),
        ("CRPIX1", x, ""),
        ("CRPIX2", y, ""),
        ("CD1_1", -frame.pixel, "[deg/pixel]"),
        ("CD1_2", 0.0, "[deg/pixel]"),
        ("CD2_1", 0.0, "[deg/pixel]"),
        ("CD2_2", frame.pixel, "[deg/pixel]"),
        ("RADESYS", "ICRS", ""),
        ("EQUINOX", 2000.0, ""),
    ]


def _pipeline_cards(holding: Holding, revision: int) -> list[Card]:
    cards: list[Card] = [
        ("BASENAME", holding.product.filename, ""),
        ("PROCREV", revision, "how often this was made anew"),
    ]
    if holding.product.image_type in (ImageType.STACK, ImageType.DIFF):
        total = holding.visit.seconds * len(holding.visit.dithers)
        cards += [
            ("COADDS", len(holding.visit.dithers), "exposures in the stack"),
            ("TEXPTIME", total, "[s] exposure time of all"),
            ("ZP_AUTO", 23.4, "[mag] zero point"),
        ]
    return cards


def _isot(instant: datetime) -> str:
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds")


def _mjd(instant: datetime) -> float:
    return round(_UNIX_MJD + instant.timestamp() / timedelta(days=1).total_seconds(), 8)
