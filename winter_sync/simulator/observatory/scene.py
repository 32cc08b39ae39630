"""What is around a visit's pointing: field stars, and the target as bright as it was then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import Instrument
from winter_sync.simulator.observatory.conditions import conditions_of
from winter_sync.simulator.observatory.targets import magnitude_of
from winter_sync.simulator.sky.starfield import Stars, stars_around

if TYPE_CHECKING:
    from winter_sync.simulator.observatory.observing import Visit

_FIELD_DEGREES = {Instrument.WINTER: 1.6, Instrument.SPRING: 0.25}


def stars_of(seed: int, visit: Visit, scale: float, pixel: float) -> Stars:
    """Return the stars around a visit's pointing, and its target on pixels of so many degrees."""
    stars = field_stars(seed, visit, scale)
    source = visit.source
    if visit.target is None or source is None:
        return stars
    magnitude = magnitude_of(seed, visit.target, visit.dithers[0].start)
    return stars.with_star(*source, conditions_of(seed, visit).peak(magnitude, pixel))


def field_stars(seed: int, visit: Visit, scale: float) -> Stars:
    """Return the stars without the target: the same in every night that it is observed."""
    width = _FIELD_DEGREES[visit.instrument]
    return stars_around(seed, field_of(visit), (visit.ra, visit.dec), width, scale)


def field_of(visit: Visit) -> str:
    """Return the name of the patch of sky: of a target with a camera, or of this visit alone."""
    return f"{visit.program}/{visit.instrument}/{visit.target or visit.key}"
