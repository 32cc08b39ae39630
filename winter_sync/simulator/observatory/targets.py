"""How bright each source is when, and the numbers of programs."""

from __future__ import annotations

import math
import random
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


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
