"""Writes the FITS files of the simulated cameras and of their pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from winter_sync.core import ImageType, Instrument
from winter_sync.simulator.observatory.cards import fill, header_bytes
from winter_sync.simulator.observatory.conditions import NOISE, conditions_of
from winter_sync.simulator.observatory.detectors import exposed_frame, frame_of
from winter_sync.simulator.observatory.headers import (
    diff_cards,
    raw_cards,
    science_cards,
    stack_cards,
    wcs_cards,
)
from winter_sync.simulator.observatory.observing import WINTER_BOARDS
from winter_sync.simulator.observatory.scene import stars_of
from winter_sync.simulator.observatory.telescope_headers import board_cards, exposure_cards
from winter_sync.simulator.observatory.transients import transients_of
from winter_sync.simulator.sky.starfield import (
    Stars,
    bad_pixels,
    generator,
    paint,
    sky,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from winter_sync.simulator.observatory.holdings import Holding
    from winter_sync.simulator.observatory.observing import Visit
    from winter_sync.simulator.sky.frame import Frame

    Buffer = bytes | memoryview
    Cards = Mapping[str, tuple[Any, str]]

_FIRST_UNSIGNED = 32768


def fits_file(holding: Holding, seed: int, scale: float, revision: int) -> bytes:
    """Return the bytes of an image product: a pure function of its arguments.

    `scale` is that of the image edges; 1 is the real detector. A smaller image has larger
    pixels and shows the same sky.
    """
    if holding.product.image_type is not ImageType.EXPOSURE:
        return _image_file(holding, seed, scale, revision)
    if holding.product.instrument is Instrument.SPRING:
        return _spring_exposure(holding, seed, scale)
    return _winter_exposure(holding, seed, scale)


def _winter_exposure(holding: Holding, seed: int, scale: float) -> bytes:
    """Write a primary header and one extension a board, counts as float32."""
    cards = exposure_cards(holding, seed)
    boards = holding.visit.recorded
    # Of exposures that lack boards, every other says so: both are known.
    if boards != WINTER_BOARDS and holding.dither.number % 2 == 0:
        cards["NEXTEND"] = len(boards), "Number of extensions"
    parts = _primary(None, cards)
    for board in boards:
        frame = exposed_frame(holding.visit, holding.dither, board, scale)
        image = np.rint(_exposed(holding, board, frame, seed, scale))
        parts.extend(_extension(image, {**board_cards(holding, board), **wcs_cards(frame)}))
    return b"".join(parts)


def _spring_exposure(holding: Holding, seed: int, scale: float) -> bytes:
    """Write one image of unsigned 16-bit counts, as such cameras do (BZERO = 32768)."""
    frame = frame_of(holding, scale)
    image = np.rint(_exposed(holding, 0, frame, seed, scale))
    counts = np.clip(image, 0, 65535).astype(np.int32) - _FIRST_UNSIGNED
    cards = {
        "BZERO": (_FIRST_UNSIGNED, "Counts are unsigned"),
        "BSCALE": (1, ""),
        **exposure_cards(holding, seed),
        **wcs_cards(frame),
    }
    return b"".join(_primary(counts.astype(np.int16), cards))


def _image_file(holding: Holding, seed: int, scale: float, revision: int) -> bytes:
    frame = frame_of(holding, scale)
    image = _PIXELS[holding.product.image_type](holding, frame, seed, scale, revision)
    cards = {**_cards(holding, frame, seed, revision), **wcs_cards(frame)}
    return b"".join(_primary(image, cards))


def _cards(holding: Holding, frame: Frame, seed: int, revision: int) -> Cards:
    match holding.product.image_type:
        case ImageType.RAW:
            return raw_cards(holding, seed, revision)
        case ImageType.SCIENCE:
            return science_cards(holding, frame, seed, revision)
        case ImageType.STACK:
            return stack_cards(holding, frame, seed, revision)
        case _:
            return diff_cards(holding, frame, seed, revision)


def _raw(holding: Holding, frame: Frame, seed: int, scale: float, _: int) -> NDArray[Any]:
    """Unpack one board: its counts with the bad pixels masked out, as float64 for WINTER."""
    image = np.rint(_exposed(holding, holding.board or 0, frame, seed, scale))
    return _masked(image, holding, seed)


def _science(
    holding: Holding, frame: Frame, seed: int, scale: float, revision: int
) -> NDArray[Any]:
    """Calibrate one board: no sky any more, the bad pixels still masked out."""
    chance = generator(seed, "science", holding.product.savepath, revision)
    image = sky(chance, frame.shape, 0.0, NOISE)
    _shine(image, holding.visit, frame, seed, scale)
    return _masked(image, holding, seed)


def _stack(holding: Holding, frame: Frame, seed: int, scale: float, revision: int) -> NDArray[Any]:
    chance = generator(seed, "stack", holding.product.savepath, revision)
    image = sky(chance, frame.shape, 0.0, NOISE / len(holding.contributing) ** 0.5)
    _shine(image, holding.visit, frame, seed, scale)
    return image


def _difference(
    holding: Holding, frame: Frame, seed: int, scale: float, revision: int
) -> NDArray[Any]:
    """Leave only what differs from the reference: what there are alerts of."""
    visit = holding.visit
    chance = generator(seed, "diff", holding.product.savepath, revision)
    image = sky(chance, frame.shape, 0.0, NOISE / 2)
    conditions, start = conditions_of(seed, visit), holding.dither.start
    found = transients_of(holding, seed, scale)
    stars = Stars(
        np.array([each.ra for each in found]),
        np.array([each.dec for each in found]),
        np.array([conditions.peak(each.magnitude(seed, start), frame.pixel) for each in found]),
    )
    paint(image, frame, stars, conditions.sigma(frame.pixel))
    return image


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
    image = sky(chance, frame.shape, conditions_of(seed, visit).sky, NOISE)
    _shine(image, visit, frame, seed, scale)
    return image


def _shine(image: NDArray[np.float32], visit: Visit, frame: Frame, seed: int, scale: float) -> None:
    sigma = conditions_of(seed, visit).sigma(frame.pixel)
    paint(image, frame, stars_of(seed, visit, scale, frame.pixel), sigma)


def _masked(image: NDArray[np.float32], holding: Holding, seed: int) -> NDArray[Any]:
    detector = f"{holding.product.instrument}/{holding.board}"
    image.reshape(-1)[bad_pixels(seed, detector, image.shape)] = np.nan
    # The pipeline works in double precision on WINTER: 17 MB a board (winter-api.md, "Products").
    winter = holding.product.instrument is Instrument.WINTER
    return image.astype(">f8") if winter else image


def _primary(image: NDArray[Any] | None, cards: Cards) -> list[Buffer]:
    first = {"SIMPLE": (True, "conforms to FITS standard"), **_axes(image)}
    return _hdu(image, {**first, "EXTEND": (True, ""), **cards})


def _extension(image: NDArray[Any], cards: Cards) -> list[Buffer]:
    first = {"XTENSION": ("IMAGE", "Image extension"), **_axes(image)}
    return _hdu(image, {**first, "PCOUNT": (0, ""), "GCOUNT": (1, ""), **cards})


def _axes(image: NDArray[Any] | None) -> dict[str, tuple[int, str]]:
    if image is None:
        return {"BITPIX": (8, ""), "NAXIS": (0, "")}
    bits = image.dtype.itemsize * (-8 if image.dtype.kind == "f" else 8)
    rows, columns = image.shape
    axes = {"NAXIS": (2, ""), "NAXIS1": (columns, ""), "NAXIS2": (rows, "")}
    return {"BITPIX": (bits, ""), **axes}


def _hdu(image: NDArray[Any] | None, cards: Cards) -> list[Buffer]:
    """Return an HDU in parts, which are joined once: an exposure has 52 MB."""
    header = header_bytes(cards)
    if image is None:
        return [header]
    data = np.ascontiguousarray(image, image.dtype.newbyteorder(">"))
    return [header, data.view(np.uint8).data, fill(data.nbytes)]
