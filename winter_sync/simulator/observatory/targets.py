"""What is observed: where each target is, and how bright it is when."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import TYPE_CHECKING

from winter_sync.core import Instrument
from winter_sync.simulator.observatory.detectors import stack_centre
from winter_sync.simulator.observatory.observing import BEST_BOARD
from winter_sync.simulator.sky.tangent import on_sky

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.simulator.observatory.observing import Visit

_OFF_CENTRE = (0.01, -0.02)
"""How far a target is from the middle of its board, degrees east and north."""


def source_of(visit: Visit) -> tuple[float, float] | None:
    """Return where the target of a visit is, degrees; None for a survey field.

    WINTER's targets are put on one board, as the gap between the boards is in the middle of
    the field: so a target is not where the telescope points.
    """
    if visit.target is None:
        return None
    board = BEST_BOARD if visit.instrument is Instrument.WINTER else None
    centre = stack_centre(visit, board)
    ra, dec = on_sky(*centre, *_OFF_CENTRE)
    return round(ra, 6), round(dec, 6)


def magnitude_of(seed: int, target: str, instant: datetime) -> float:
    """Return the magnitude (AB) of a target: variable, and the same for whoever looks."""
    base, amplitude, period, phase = _variation(seed, target)
    turn = instant.timestamp() / 86400.0 / period + phase
    return base + amplitude * math.sin(2.0 * math.pi * turn)


@lru_cache(maxsize=1024)
def _variation(seed: int, target: str) -> tuple[float, float, float, float]:
    chance = random.Random(f"{seed}/variation/{target}")  # noqa: S311 - a simulation
    return (
        chance.uniform(14.5, 16.5),
        chance.uniform(0.2, 0.9),
        chance.uniform(5.0, 40.0),
        chance.random(),
    )


def number_of_program(program: str) -> int:
    """Return the number of a program in the observatory's queue."""
    return int(program[:4] + program[5:])
