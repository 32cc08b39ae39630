"""The filters of the cameras: their names and their numbers."""

from __future__ import annotations

from winter_sync.core import Instrument

_WHEELS = {
    Instrument.WINTER: ("Y", "J", "Hs"),
    Instrument.SPRING: ("u", "g", "r", "i", "Y", "J"),
}
_NUMBERS = {"Y": 1, "J": 2, "Hs": 3, "dark": 4}
_OTHER_NUMBERS = {Instrument.WINTER: {}, Instrument.SPRING: {"u": 5}}
_UNKNOWN = {Instrument.WINTER: -99, Instrument.SPRING: 99}
_PIPELINE_NAMES = {"Hs": "H"}


def filters_of(instrument: Instrument) -> tuple[str, ...]:
    """Return the names of the filters in a camera's wheel.

    The source is winter-api.md, "Boards, filters and positions".
    """
    return _WHEELS[instrument]


def number_of(instrument: Instrument, name: str) -> int:
    """Return the `fid` of a filter: -99 (WINTER) or 99 (SPRING) where the pipeline has none."""
    known = {**_NUMBERS, **_OTHER_NUMBERS[instrument]}
    return known.get(name, _UNKNOWN[instrument])


def pipeline_name(name: str) -> str:
    """Return what the pipeline calls a filter in the FILTER card of what it writes."""
    return _PIPELINE_NAMES.get(name, name)
