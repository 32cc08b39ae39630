"""The parameters of a query, as "IVOA Simple Image Access 2.0" (23 December 2015) has them.

Names are the same in upper and lower case. A parameter may be given several times: any of its
values may hold. Parameters that are not known are ignored, as DALI asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from winter_sync.core import ErrorCode, UsageError
from winter_sync.vo.intervals import Interval, parse_interval
from winter_sync.vo.places import parse_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winter_sync.core import Area

T = TypeVar("T")

DEFAULT_ROWS = 10_000
MOST_ROWS = 100_000
_MOST_VALUES = 50
"""Of one parameter."""
_CALIBRATION_LEVELS = ("0", "1", "2", "3", "4")
_POLARIZATIONS = (
    "I",
    "Q",
    "U",
    "V",
    "RR",
    "LL",
    "RL",
    "LR",
    "XX",
    "YY",
    "XY",
    "YX",
    "POLI",
    "POLA",
)
_PRODUCT_TYPES = ("image", "cube")
_VOTABLE = ("votable", "application/x-votable+xml", "text/xml")

_INTERVALS = {
    "BAND": "1.1e-6 1.4e-6",
    "TIME": "60310.0 60311.5",
    "FOV": "0.1 1.5",
    "SPATRES": "0.5 1.5",
    "SPECRP": "1 10",
    "EXPTIME": "60 960",
    "TIMERES": "60 960",
}
"""The parameters that are intervals, each with an example."""
_TEXTS = ("POL", "ID", "COLLECTION", "FACILITY", "INSTRUMENT", "DPTYPE", "TARGET", "FORMAT")
_KNOWN = frozenset({*_INTERVALS, *_TEXTS, "POS", "CALIB", "MAXREC", "RESPONSEFORMAT"})


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """A query for images; an empty tuple is no condition, of several values any may hold.

    Parameters
    ----------
    areas
        Parts of the sky that an image touches.
    intervals
        The intervals that were given, by the names of their parameters.
    texts
        The texts of the other parameters that were given, in lower case but for ID.
    levels
        Calibration levels.
    most
        How many rows may be returned.
    """

    areas: tuple[Area, ...]
    intervals: dict[str, tuple[Interval, ...]]
    texts: dict[str, tuple[str, ...]]
    levels: tuple[int, ...]
    most: int


def parse_query(fields: Iterable[tuple[str, str]]) -> ImageQuery:
    """Read the parameters of a query.

    Raises
    ------
    UsageError
        If one cannot be understood; its remedy is a sentence that says what to write.
    """
    given = _given(fields)
    _only_known(
        given, "RESPONSEFORMAT", _is_votable, "Write RESPONSEFORMAT=votable, or leave it out."
    )
    _only_known(
        given,
        "POL",
        lambda value: value.upper() in _POLARIZATIONS,
        f"Write one of {', '.join(_POLARIZATIONS)}; images here have none.",
    )
    _only_known(
        given,
        "DPTYPE",
        lambda value: value.lower() in _PRODUCT_TYPES,
        "Write DPTYPE=image or DPTYPE=cube; all that is here are images.",
    )
    _only_known(
        given, "CALIB", lambda value: value in _CALIBRATION_LEVELS, "Write CALIB=0, 1, 2, 3 or 4."
    )
    return ImageQuery(
        areas=_each(given, "POS", parse_place),
        intervals={
            name: _intervals(given, name, example)
            for name, example in _INTERVALS.items()
            if name in given
        },
        texts={
            name: tuple(value if name == "ID" else value.lower() for value in given[name])
            for name in _TEXTS
            if name in given
        },
        levels=_each(given, "CALIB", int),
        most=_most(given),
    )


def _given(fields: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the values of the parameters that are known; empty ones are as good as absent."""
    given: dict[str, list[str]] = {}
    for name, value in fields:
        upper = name.upper()
        if upper in _KNOWN and value.strip():
            given.setdefault(upper, []).append(value.strip())
    for name, values in given.items():
        if len(values) > _MOST_VALUES:
            raise UsageError(
                f"{name} is given {len(values)} times",
                remedy=f"Ask for {_MOST_VALUES} of them at a time.",
                code=ErrorCode.USE_OPTION,
            )
    return given


def _only_known(
    given: dict[str, list[str]], name: str, is_known: Callable[[str], bool], remedy: str
) -> None:
    for value in given.get(name, ()):
        if not is_known(value):
            raise UsageError(
                f"{name}={value} is not known here", remedy=remedy, code=ErrorCode.USE_OPTION
            )


def _is_votable(value: str) -> bool:
    return value.lower().partition(";")[0].strip() in _VOTABLE


def _each(given: dict[str, list[str]], name: str, parse: Callable[[str], T]) -> tuple[T, ...]:
    return tuple(map(parse, given.get(name, ())))


def _intervals(given: dict[str, list[str]], name: str, example: str) -> tuple[Interval, ...]:
    return tuple(parse_interval(name, value, example) for value in given[name])


def _most(given: dict[str, list[str]]) -> int:
    values: Sequence[str] = given.get("MAXREC", ())
    if not values:
        return DEFAULT_ROWS
    text = values[-1]
    if not (text.isascii() and text.isdecimal()):
        raise UsageError(
            f"MAXREC={text} is not a number of rows",
            remedy=f"Write MAXREC=0 to {MOST_ROWS}.",
            code=ErrorCode.USE_OPTION,
        )
    return min(int(text[:9]), MOST_ROWS)
