"""The weather and the quality of each visit: one set of numbers for its images and headers."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from winter_sync.core import Instrument
from winter_sync.simulator.observatory.detectors import PIXEL_ARCSECONDS

if TYPE_CHECKING:
    from winter_sync.simulator.observatory.observing import Visit

NOISE = 45.0
"""Counts of noise in a pixel of one exposure."""
UNKNOWN = -999.0
"""What the pipeline writes when it could not measure something."""

_ZERO_POINTS = {"u": 23.4, "g": 25.3, "r": 25.2, "i": 25.0, "Y": 24.6, "J": 25.1, "Hs": 24.9}
_SKY_COUNTS = {"u": 60.0, "g": 120, "r": 240, "i": 480, "Y": 900, "J": 2400, "Hs": 9000}
_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
_DETECTION = 5.0
_NO_ASTROMETRY = 0.06


@dataclass(frozen=True, slots=True)
class Conditions:
    """What was measured during a visit, and of it.

    Parameters
    ----------
    seeing
        The FWHM of stars, arcseconds.
    sky
        Counts of the empty sky in one exposure.
    zero_point, zero_point_error, zero_point_stars
        Magnitudes (AB) of one count, their scatter, and of how many stars.
    astrometry
        The median distance from a catalogue, degrees; `UNKNOWN` where none was found.
    temperature, humidity, pressure, wind
        Degrees Celsius, per cent, millibar, metres a second.
    focus
        Micrometres.
    """

    seeing: float
    sky: float
    zero_point: float
    zero_point_error: float
    zero_point_stars: int
    astrometry: float
    temperature: float
    humidity: float
    pressure: float
    wind: float
    focus: float

    @property
    def dew_point(self) -> float:
        """The dew point, degrees Celsius (the Magnus formula)."""
        ratio = math.log(self.humidity / 100.0)
        ratio += 17.62 * self.temperature / (243.12 + self.temperature)
        return round(243.12 * ratio / (17.62 - ratio), 2)

    def sigma(self, pixel: float) -> float:
        """Return the width of a star, in pixels of so many degrees: at least most of one."""
        return max(0.7, self.seeing / 3600.0 / pixel / _FWHM)

    def limit(self, visit: Visit, exposures: int) -> float:
        """Return the magnitude of a star five times as bright as its noise in a stack."""
        pixel = PIXEL_ARCSECONDS[visit.instrument] / 3600.0
        noise = NOISE / math.sqrt(exposures) * math.sqrt(4.0 * math.pi) * self.sigma(pixel)
        return round(self.zero_point - 2.5 * math.log10(_DETECTION * noise), 4)

    def peak(self, magnitude: float, pixel: float) -> float:
        """Return the counts at the middle of a star of a magnitude."""
        counts = 10.0 ** (0.4 * (self.zero_point - magnitude))
        return float(counts / (2.0 * math.pi * self.sigma(pixel) ** 2))


@lru_cache(maxsize=4096)
def conditions_of(seed: int, visit: Visit) -> Conditions:
    """Return the conditions of a visit: the same for all its products."""
    chance = random.Random(f"{seed}/conditions/{visit.key}")  # noqa: S311 - a simulation
    zero_point = _ZERO_POINTS[visit.filter_name] - abs(chance.gauss(0.0, 0.12))
    astrometry = chance.uniform(0.12, 0.45) / 3600.0
    # The pipeline's table of WINTER's stacks takes none without it.
    no_astrometry = _NO_ASTROMETRY if visit.instrument is Instrument.SPRING else 0.0
    return Conditions(
        seeing=round(chance.uniform(1.6, 3.2), 3),
        sky=round(_SKY_COUNTS[visit.filter_name] * chance.uniform(0.8, 1.3), 1),
        zero_point=round(zero_point, 4),
        zero_point_error=round(chance.uniform(0.02, 0.08), 4),
        zero_point_stars=chance.randrange(40, 400),
        astrometry=UNKNOWN if chance.random() < no_astrometry else astrometry,
        temperature=round(chance.uniform(2.0, 18.0), 2),
        humidity=round(chance.uniform(15.0, 75.0), 1),
        pressure=round(chance.uniform(826.0, 838.0), 1),
        wind=round(chance.uniform(0.0, 9.0), 1),
        focus=round(chance.uniform(9_700.0, 9_900.0), 1),
    )
