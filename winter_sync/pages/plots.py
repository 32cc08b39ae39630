"""Plots in time, laid out here and drawn by a template: no style or script is needed for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 68, 34, 30, 52
_MOST_TICKS = 7
_SHAPES = ("circle", "square", "triangle", "diamond", "point-down", "cross")
_STYLES = 4
"""Colours: with the shapes, twelve series look different, and six do without colours."""
_STEPS = (
    *(timedelta(minutes=minutes) for minutes in (1, 5, 10, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 5, 10)),
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
_LONGEST_MONTH = 31 * 86_400
_YEARS = range(1900, 2200)
"""Of other times, which a file may be named after, nothing was taken, and no axis can be made."""
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Point:
    """Something measured.

    Parameters
    ----------
    at
        When, UTC.
    value
        What was measured.
    series
        What it belongs to, such as a filter.
    error
        Its uncertainty; None where unknown.
    link
        The address of the page about it; None without one.
    """

    at: datetime
    value: float
    series: str
    error: float | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A point in the drawing: where it is, its shape and style, and the ends of its error bar."""

    x: float
    y: float
    shape: str
    style: int
    point: Point
    bar: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis, in units of the drawing."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Series:
    """A line of the legend."""

    name: str
    shape: str
    style: int


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot, laid out.

    Parameters
    ----------
    name
        Distinguishes it from the other plots of a page.
    title, unit
        What it shows, and in which unit.
    summary
        The same in a sentence, for who does not see it.
    marks, series
        What is drawn, and the legend.
    x_ticks, y_ticks
        The axes.
    """

    name: str
    title: str
    unit: str
    summary: str
    marks: tuple[Mark, ...]
    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    bottom: int = HEIGHT - _BOTTOM


def make_plot(
    name: str, title: str, unit: str, points: Sequence[Point], *, upside_down: bool = False
) -> Plot | None:
    """Lay out points in time; None without any.

    Parameters
    ----------
    name, title, unit
        As in `Plot`.
    points
        What is drawn; those that are not finite, or of no time that can be, are left out.
    upside_down
        Whether small values stand at the top, as magnitudes do.
    """
    drawn = [point for point in points if math.isfinite(point.value) and point.at.year in _YEARS]
    if not drawn:
        return None
    times = _Scale.of([_seconds(point.at) for point in drawn], _LEFT, WIDTH - _RIGHT, least=60.0)
    ends = (HEIGHT - _BOTTOM, _TOP) if not upside_down else (_TOP, HEIGHT - _BOTTOM)
    values = _Scale.of(_reaches(drawn), *ends, least=0.2)
    names = sorted({point.series for point in drawn})
    series = tuple(
        Series(each, _SHAPES[number % len(_SHAPES)], number % _STYLES + 1)
        for number, each in enumerate(names)
    )
    styles = {each.name: each for each in series}
    return Plot(
        name=name,
        title=title,
        unit=unit,
        summary=_summary(title, unit, drawn),
        marks=tuple(_mark(point, styles[point.series], times, values) for point in drawn),
        series=series,
        x_ticks=_time_ticks(times),
        y_ticks=_value_ticks(values),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """A range of numbers, and where its ends are in the drawing."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def of(cls, numbers: Sequence[float], start: float, end: float, *, least: float) -> _Scale:
        """Return a scale for numbers, with some room around them; its range is never empty."""
        low, high = min(numbers), max(numbers)
        room = max((high - low) * 0.06, (least - (high - low)) / 2)
        return cls(low - room, high + room, start, end)

    def place(self, number: float) -> float:
        """Return where a number is."""
        part = (number - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)


def _reaches(points: Sequence[Point]) -> list[float]:
    """Return the values, and the ends of error bars that are not absurdly long."""
    reached = [point.value for point in points]
    return reached + [
        point.value + sign * point.error
        for point in points
        if _has_bar(point)
        for sign in (-1, 1)
        if point.error is not None
    ]


def _has_bar(point: Point) -> bool:
    return point.error is not None and 0 < point.error < 1


def _mark(point: Point, series: Series, times: _Scale, values: _Scale) -> Mark:
    bar = None
    if _has_bar(point) and point.error is not None:
        bar = values.place(point.value - point.error), values.place(point.value + point.error)
    x, y = times.place(_seconds(point.at)), values.place(point.value)
    return Mark(x, y, series.shape, series.style, point, bar)


def _summary(title: str, unit: str, points: Sequence[Point]) -> str:
    values = [point.value for point in points]
    first, last = min(point.at for point in points), max(point.at for point in points)
    plural = "" if len(points) == 1 else "s"
    return (
        f"{title}: {len(points)} point{plural} from {first:%Y-%m-%d %H:%M} to "
        f"{last:%Y-%m-%d %H:%M} UTC, between {min(values):.2f} and {max(values):.2f} {unit}"
    )


def _seconds(at: datetime) -> float:
    return (at - _EPOCH).total_seconds()


def _time_ticks(times: _Scale) -> tuple[Tick, ...]:
    span = times.high - times.low
    steps = (step.total_seconds() for step in _STEPS)
    step = next((each for each in steps if span / each <= _MOST_TICKS), None)
    if step is None:
        return _month_ticks(times)
    form = "%H:%M" if step < timedelta(days=1).total_seconds() else "%Y-%m-%d"
    first = math.ceil(times.low / step)
    numbers = [(first + number) * step for number in range(_MOST_TICKS + 1)]
    return tuple(
        Tick(times.place(number), f"{_EPOCH + timedelta(seconds=number):{form}}")
        for number in numbers
        if number <= times.high
    )


def _month_ticks(times: _Scale) -> tuple[Tick, ...]:
    """Return the beginnings of months, or of years."""
    span = times.high - times.low
    counts = (each for each in _MONTHS if span / (each * _LONGEST_MONTH) <= _MOST_TICKS)
    count = next(counts, _MONTHS[-1])
    start = _EPOCH + timedelta(seconds=times.low)
    first = -(-(start.year * 12 + start.month) // count) * count
    begins = [_month(first + number * count) for number in range(_MOST_TICKS + 1)]
    return tuple(
        Tick(times.place(_seconds(begin)), f"{begin:%Y-%m}")
        for begin in begins
        if times.low <= _seconds(begin) <= times.high
    )


def _month(number: int) -> datetime:
    """Return the beginning of a month, counted from the year 0."""
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def _value_ticks(values: _Scale) -> tuple[Tick, ...]:
    rough = (values.high - values.low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(values.low / step)
    numbers = [(first + number) * step for number in range(_MOST_TICKS + 1)]
    return tuple(
        Tick(values.place(number), f"{number:.{digits}f}")
        for number in numbers
        if number <= values.high
    )
