"""The sky on a flat map, laid out as SVG draws it: the whole of it, and a part. Pure.

East is left, as seen from inside. The whole sky is in Hammer's equal-area projection with right
ascension 180 degrees in the middle; a part is a gnomonic projection, in which the edges of images
are straight.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from math import atan2, cos, degrees, radians, sin, sqrt
from typing import TYPE_CHECKING

from winter_sync.core import bounds_of_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from winter_sync.core import Position

WIDTH, HEIGHT = 760, 400
_SCALE = 720 / (4 * sqrt(2))
_CENTER_X, _CENTER_Y = WIDTH / 2, HEIGHT / 2
_MIDDLE = 180.0
_PART = 640
ZONE = 15.0
"""Degrees: the map of the whole sky leads to maps of such zones."""
_STEPS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
_LINES = 4
"""Lines of a grid across half a map, at most about so many."""
_MARGIN = 6.0
"""Between a label and the side of a map."""
_LABEL = 64.0
"""Room for a label at the right side of a map, also in the letters for small screens."""
_BEHIND = 0.05
"""Cosine of the distance from the middle of a part beyond which nothing is drawn."""
_AROUND, _POLE = 360.0, 90.0
_TO_GALACTIC = (radians(192.85948), radians(27.12825), radians(122.93192))
"""Right ascension and declination of the north galactic pole, and the galactic longitude of the
north celestial pole, J2000 (ESA, The Hipparcos and Tycho Catalogues, volume 1, section 1.5.3)."""

Place = tuple[float, float]
"""A point of a drawing: x to the right, y downwards."""


@dataclass(frozen=True, slots=True)
class Label:
    """Some words at a place."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True)
class Grid:
    """The lines of right ascension and declination, as the path of each, and their labels."""

    lines: tuple[str, ...]
    labels: tuple[Label, ...]


# --- the whole sky -----------------------------------------------------------------------------


def on_map(position: Position) -> Place:
    """Return where a position is on the map of the whole sky."""
    ra, dec = position
    half = radians(max(-_MIDDLE, min(_MIDDLE, ra - _MIDDLE))) / 2
    high = radians(dec)
    size = sqrt(2 / (1 + cos(high) * cos(half)))
    return (
        _CENTER_X - _SCALE * 2 * size * cos(high) * sin(half),
        _CENTER_Y - _SCALE * size * sin(high),
    )


@lru_cache(maxsize=20_000)
def cell_path(cell: int, part: tuple[float, float, float, float]) -> str:
    """Return the outline of a part of a cell of the sky, as a path.

    Parameters
    ----------
    cell
        Its number (`winter_sync.core.sky_cell`).
    part
        From where to where it goes, from the west and from the south, as fractions of the cell.
    """
    west, east, south, north = bounds_of_cell(cell)
    width, height = east - west, north - south
    left, right = west + part[0] * width, west + part[1] * width
    low, high = south + part[2] * height, south + part[3] * height
    (x, y), *others = map(on_map, ((left, low), (right, low), (right, high), (left, high)))
    text = f"M{x:.1f} {y:.1f}l"
    for to_x, to_y in others:
        text += f"{to_x - x:.1f} {to_y - y:.1f} "
        x, y = to_x, to_y
    return f"{text[:-1]}z"


@cache
def map_outline() -> str:
    """Return the edge of the map, as a path."""
    east = [(_AROUND, dec) for dec in range(-90, 91, 5)]
    west = [(0.0, dec) for dec in range(90, -91, -5)]
    return f"{_line(map(on_map, [*east, *west]))}z"


@cache
def map_grid() -> Grid:
    """Return the grid of the map: every 2 hours, and every 30 degrees."""
    meridians = [[(ra, dec) for dec in range(-90, 91, 5)] for ra in range(30, 360, 30)]
    parallels = [[(ra, dec) for ra in range(0, 361, 5)] for dec in range(-60, 61, 30)]
    lines = tuple(_line(map(on_map, line)) for line in (*meridians, *parallels))
    return Grid(lines, tuple(_map_labels()))


def _map_labels() -> Iterator[Label]:
    for hours in range(2, 24, 2):
        x, y = on_map((hours * 15.0, 0.0))
        yield Label(round(x, 1), round(y + 14, 1), f"{hours} h")
    for dec in (-60, -30, 30, 60):
        x, y = on_map((_AROUND, dec))
        yield Label(round(x - 16, 1), round(y + (14 if dec < 0 else -4), 1), f"{dec:+d}°")


@cache
def galactic_plane() -> str:
    """Return the galactic equator on the map, as a path; it is broken where it leaves the map."""
    parts: list[list[Position]] = [[]]
    for longitude in range(0, 361, 3):
        position = _from_galactic(radians(longitude))
        if parts[-1] and abs(position[0] - parts[-1][-1][0]) > _MIDDLE:
            parts.append([])
        parts[-1].append(position)
    return "".join(_line(map(on_map, part)) for part in parts)


def _from_galactic(longitude: float) -> Position:
    """Return a position of the galactic equator."""
    pole_ra, pole_dec, node = _TO_GALACTIC
    away = node - longitude
    ra = pole_ra + atan2(sin(away), -sin(pole_dec) * cos(away))
    z = cos(pole_dec) * cos(away)
    return degrees(ra) % _AROUND, degrees(atan2(z, sqrt(max(0.0, 1 - z * z))))


# --- a part of it ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartOfSky:
    """A square map of a part of the sky.

    Parameters
    ----------
    center
        The middle, degrees.
    radius
        From the middle to each side, degrees; less than 45.
    """

    center: Position
    radius: float
    size: int = _PART

    def place(self, position: Position) -> Place | None:
        """Return where a position is; None if it is far outside."""
        ra, dec = radians(position[0] - self.center[0]), radians(position[1])
        middle = radians(self.center[1])
        near = sin(middle) * sin(dec) + cos(middle) * cos(dec) * cos(ra)
        if near < _BEHIND:
            return None
        scale = self.size / 2 / sin(radians(self.radius)) * cos(radians(self.radius))
        x = cos(dec) * sin(ra) / near
        y = (cos(middle) * sin(dec) - sin(middle) * cos(dec) * cos(ra)) / near
        return self.size / 2 - scale * x, self.size / 2 - scale * y

    def outline(self, corners: Iterable[Position]) -> str | None:
        """Return a polygon as the points of one; None if a corner is far outside."""
        places = [self.place(corner) for corner in corners]
        inside = [place for place in places if place is not None]
        if len(inside) < len(places):
            return None
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in inside)

    @property
    def grid(self) -> Grid:
        """The grid of the map."""
        meridians, parallels = self._placed(self._meridians), self._placed(self._parallels)
        above = self.size - _LABEL / 2
        labels = [
            *(self._label(places, text, at=1) for places, text in meridians),
            *(
                label
                for places, text in parallels
                if (label := self._label(places, text, at=0)) and label.y < above
            ),
        ]
        drawn = (_line(places) for places, _ in (*parallels, *meridians))
        return Grid(tuple(filter(None, drawn)), tuple(filter(None, labels)))

    def _placed(self, lines: Iterable[tuple[list[Position], str]]) -> list[tuple[list[Place], str]]:
        """Return where lines are, without what is far outside."""
        return [
            ([place for place in map(self.place, line) if place is not None], text)
            for line, text in lines
        ]

    @property
    def _span(self) -> tuple[float, float]:
        """The least and the greatest declination that is drawn, degrees."""
        reach = 1.5 * self.radius
        return max(-_POLE, self.center[1] - reach), min(_POLE, self.center[1] + reach)

    @property
    def _width(self) -> float:
        """How far it is drawn in right ascension to each side, degrees."""
        south, north = self._span
        narrow = cos(radians(max(-south, north)))
        return min(_MIDDLE, 1.5 * self.radius / max(narrow, 1e-9))

    @property
    def _parallels(self) -> list[tuple[list[Position], str]]:
        ra, step, width = self.center[0], _step(self.radius), self._width
        return [
            ([(ra + width * number / 30, dec) for number in range(-30, 31)], _degrees(dec, step))
            for dec in _multiples(*self._span, step)
            if abs(dec) < _POLE
        ]

    @property
    def _meridians(self) -> list[tuple[list[Position], str]]:
        ra, width, (south, north) = self.center[0], self._width, self._span
        step = _step(min(self.radius / max(cos(radians(self.center[1])), 1e-9), width))
        high = (north - south) / 60
        return [
            (
                [(at, south + high * number) for number in range(61)],
                _degrees(at % _AROUND, step).removeprefix("+"),
            )
            for at in _multiples(ra - width, ra + width - 1e-6, step)
        ]

    def _label(self, places: list[Place], text: str, *, at: int) -> Label | None:
        """Return a label where a line is nearest to the left (0) or lower (1) side of the map.

        None if no part of it is on the map.
        """
        aim = self.size - _MARGIN if at else _MARGIN
        inside = [
            place
            for place in places
            if all(_MARGIN / 2 < axis < self.size - _MARGIN / 2 for axis in place)
        ]
        if not inside:
            return None
        x, y = min(inside, key=lambda place: abs(place[at] - aim))
        return Label(round(min(x + 3, self.size - _LABEL), 1), round(max(y - 4, 16.0), 1), text)


def _step(radius: float) -> float:
    return next((step for step in _STEPS if radius / step <= _LINES), _STEPS[-1])


def _degrees(value: float, step: float) -> str:
    """Return a label of a line, with as many digits as a step needs."""
    digits = len(f"{step:g}".partition(".")[2])
    return f"{value:+.{digits}f}°"


def _multiples(low: float, high: float, step: float) -> list[float]:
    first = -int(-low // step)
    return [number * step for number in range(first, int(high // step) + 1)]


def _line(places: Iterable[Place]) -> str:
    """Return a line through places, as a path."""
    text = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return f"M{text}" if text else ""


def zone_of(position: Position) -> Position:
    """Return the south-western corner of the zone of 15 degrees that a position is in."""
    ra, dec = position
    return ra % _AROUND // ZONE * ZONE, min(dec // ZONE * ZONE, _POLE - ZONE)


@cache
def zone_path(corner: Position) -> str:
    """Return the outline of a zone on the map of the whole sky, as a path."""
    west, south = corner
    steps = [number * ZONE / 3 for number in range(4)]
    east_side = [(west + ZONE, south + step) for step in steps]
    west_side = [(west, south + ZONE - step) for step in steps]
    return f"{_line(map(on_map, [(west, south), *east_side, *west_side]))}z"
