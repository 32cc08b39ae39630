"""What differs from the reference: the target, and variable stars of its field."""

from __future__ import annotations

import hashlib
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from winter_sync.core import Instrument
from winter_sync.simulator.observatory.detectors import stacked_frame
from winter_sync.simulator.observatory.observing import BEST_BOARD
from winter_sync.simulator.observatory.scene import field_of, field_stars
from winter_sync.simulator.observatory.targets import magnitude_of
from winter_sync.simulator.sky.starfield import generator, pixels_of

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.simulator.observatory.holdings import Holding

_PREFIX = "WNTR"
_LETTERS = 5
_FEWEST_AT_FULL_SCALE, _MOST_AT_FULL_SCALE, _MOST_AT_NO_SCALE = 14, 20, 6
_SEEN_FRACTION = 0.75
_EDGE = 2.0
_FAINTER = 0.8


@dataclass(frozen=True, slots=True)
class Transient:
    """A source of a difference image.

    Parameters
    ----------
    objectid
        The name under which every night has it.
    name
        Of what its light follows from.
    number
        Its number in the field; the target's is 0.
    ra, dec
        Where it is, degrees.
    """

    objectid: str
    name: str
    number: int
    ra: float
    dec: float

    def magnitude(self, seed: int, instant: datetime) -> float:
        """Return its magnitude (AB) at an instant; field stars are a little fainter."""
        return magnitude_of(seed, self.name, instant) + (_FAINTER if self.number else 0.0)


def transients_of(holding: Holding, seed: int, scale: float) -> list[Transient]:
    """Return 1 to 20 sources of a difference image; the larger its scale, the more.

    They are the same ones in every night, but each star is only found in three of four.
    """
    chance = generator(seed, "found", holding.visit.key, holding.board)
    low = 1 + round((_FEWEST_AT_FULL_SCALE - 1) * scale)
    high = _MOST_AT_NO_SCALE + round((_MOST_AT_FULL_SCALE - _MOST_AT_NO_SCALE) * scale)
    count = int(chance.integers(low, high + 1))
    stars = _stars(holding, seed, scale)
    found = [star for star in stars if chance.random() < _SEEN_FRACTION] or stars[:1]
    return [*_target(holding), *found][:count]


def _target(holding: Holding) -> list[Transient]:
    visit = holding.visit
    source = visit.source
    board = BEST_BOARD if visit.instrument is Instrument.WINTER else 0
    if source is None or visit.target is None or holding.board != board:
        return []
    return [Transient(_objectid(visit.program, visit.target), visit.target, 0, *source)]


def _stars(holding: Holding, seed: int, scale: float) -> list[Transient]:
    """Return the stars that fall on a stack, in an order of their own."""
    visit = holding.visit
    stars = field_stars(seed, visit, scale)
    frame = stacked_frame(visit, holding.board, scale)
    rows, columns = frame.shape
    x, y = pixels_of(stars, frame)
    inside = (x > _EDGE) & (x < columns - _EDGE) & (y > _EDGE) & (y < rows - _EDGE)
    transients = []
    for index in np.flatnonzero(inside)[: 2 * _MOST_AT_FULL_SCALE].tolist():
        name = f"{field_of(visit)}/{index}"
        place = float(stars.ra[index]), float(stars.dec[index])
        transients.append(Transient(_objectid(visit.program, name), name, index + 1, *place))
    return transients


def _objectid(program: str, name: str) -> str:
    """Return a name as the pipeline gives them: the year and five letters."""
    digest = hashlib.sha256(f"{program}/{name}".encode()).digest()
    letters = (string.ascii_lowercase[byte % 26] for byte in digest[:_LETTERS])
    return f"{_PREFIX}{program[2:4]}{''.join(letters)}"
