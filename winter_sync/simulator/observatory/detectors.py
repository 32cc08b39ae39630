"""The cameras' detectors: their pixels, and how they lie around the pointing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import ImageType, Instrument
from winter_sync.simulator.sky.frame import Frame
from winter_sync.simulator.sky.tangent import on_sky

if TYPE_CHECKING:
    from winter_sync.simulator.observatory.holdings import Holding
    from winter_sync.simulator.observatory.observing import Dither, Visit

POINTED = (ImageType.EXPOSURE, ImageType.RAW, ImageType.SCIENCE)
"""The types whose rows carry the pointing of their exposure (winter-api.md, "Boards, filters and
positions")."""
STACK_MARGIN = 1.06
"""The edges of a stack over those of a detector: it holds every dither."""
PIXEL_ARCSECONDS = {Instrument.WINTER: 1.13, Instrument.SPRING: 0.411}

_SHAPES = {Instrument.WINTER: (1096, 1984), Instrument.SPRING: (1024, 1280)}
_SMALLEST_EDGE = 12
_BOARD_PLACES = {
    1: (-0.3512, 0.3181),
    2: (0.3350, -0.2994),
    3: (-0.0294, 0.3011),
    4: (0.3561, 0.2950),
    5: (-0.3104, -0.3049),
    6: (0.0120, -0.3050),
}
"""The middles of WINTER's boards, in degrees east and north of the pointing.

Three across and two down, each with its long side along declination: so the stacks of five boards
lie that the real client's second notebook shows. Board 6 has the place that is left.
"""


def exposed_frame(visit: Visit, dither: Dither, board: int | None, scale: float) -> Frame:
    """Return how a detector lies on the sky in one exposure."""
    shape, pixel = _grid(visit.instrument, scale)
    pointing, offset = (dither.ra, dither.dec), board_offset(visit, board)
    turned = visit.instrument is Instrument.WINTER
    return Frame.beside(pointing, shape, pixel, offset, turned=turned)


def stacked_frame(visit: Visit, board: int | None, scale: float) -> Frame:
    """Return how a stack of a visit lies on the sky: north up, about its own centre."""
    shape, pixel = _grid(visit.instrument, scale, STACK_MARGIN)
    if visit.instrument is Instrument.WINTER:
        shape = shape[::-1]
    return Frame.beside(stack_centre(visit, board), shape, pixel)


def frame_of(holding: Holding, scale: float) -> Frame:
    """Return how the image of a product lies on the sky; of an exposure's, its first board's."""
    if holding.product.image_type in POINTED:
        return exposed_frame(holding.visit, holding.dither, holding.board, scale)
    return stacked_frame(holding.visit, holding.board, scale)


def place_of(holding: Holding) -> tuple[float, float]:
    """Return the position that the row of a product carries, degrees."""
    if holding.product.image_type in POINTED:
        return holding.dither.ra, holding.dither.dec
    return stack_centre(holding.visit, holding.board)


def stack_centre(visit: Visit, board: int | None) -> tuple[float, float]:
    """Return the centre of what is stacked of one board, degrees."""
    ra, dec = on_sky(visit.ra, visit.dec, *board_offset(visit, board))
    return round(ra, 6) % 360.0, round(dec, 6)


def board_offset(visit: Visit, board: int | None) -> tuple[float, float]:
    """Return how far a board's middle is from the pointing: degrees east and north."""
    east, north = nominal_place(visit.instrument, board)
    return east + visit.shift[0], north + visit.shift[1]


def nominal_place(instrument: Instrument, board: int | None) -> tuple[float, float]:
    """Return where a board should be from the pointing; SPRING's only detector is on it."""
    if instrument is Instrument.SPRING or board is None:
        return 0.0, 0.0
    return _BOARD_PLACES[board]


def _grid(
    instrument: Instrument, scale: float, margin: float = 1.0
) -> tuple[tuple[int, int], float]:
    """Return the shape of an image, and the degrees a pixel of it covers.

    A smaller scale has fewer and larger pixels: the same sky is covered, so footprints are
    those of the real detectors.
    """
    rows, columns = (
        max(_SMALLEST_EDGE, round(edge * scale * margin)) for edge in _SHAPES[instrument]
    )
    pixel = PIXEL_ARCSECONDS[instrument] / 3600.0 * _SHAPES[instrument][1] * margin / columns
    return (rows, columns), pixel
