"""The whole sky: which parts of it the images here show, how deep, and when they did last."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, Night, UsageError, center_of_cell, separation
from winter_sync.pages.links import region_link
from winter_sync.pages.paging import part_asked
from winter_sync.pages.projection import (
    HEIGHT,
    WIDTH,
    ZONE,
    cell_path,
    galactic_plane,
    map_grid,
    map_outline,
    zone_of,
    zone_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from winter_sync.catalog import Catalog, SkyCell, SkyField
    from winter_sync.core import Position
    from winter_sync.pages.paging import Part
    from winter_sync.pages.projection import Grid

_FIELDS = 50
_QUARTERS = {
    "Y": (0.5, 1.0, 0.5, 1.0),
    "J": (0.0, 0.5, 0.5, 1.0),
    "Hs": (0.5, 1.0, 0.0, 0.5),
}
"""Which part of a cell stands for a filter: north-east is the upper left corner of a map."""
_OTHER_QUARTER = (0.0, 0.5, 0.0, 0.5)
_SAME_FILTERS = {"H": "Hs"}
_OTHER = "other"
_AGES = ((7, "in the last 7 nights"), (30, "8 to 30 nights ago"), (365, "31 to 365 nights ago"))
_OLDER = "more than 365 nights ago"
_DEPTHS = ((20.0, "20 mag or fainter"), (19.0, "19 to 20 mag"), (18.0, "18 to 19 mag"))
_SHALLOW = "brighter than 18 mag"
_NO_DEPTH = "not known"
_SIZES = (1.0, 0.75, 0.55, 0.4)
"""How much of a cell is filled: more for what is newer, or deeper."""


class Colour(StrEnum):
    """What the colours of the map mean."""

    FILTER = "filter"
    AGE = "age"
    DEPTH = "depth"


@dataclass(frozen=True, slots=True)
class Layer:
    """All cells of one line of the legend.

    Parameters
    ----------
    name
        The line of the legend.
    style
        Which colour, from 1.
    path
        Their outlines, as one path.
    cells
        How many there are.
    part
        Which part of a cell is filled: x, y, width and height, in a cell of 12 by 12.
    """

    name: str
    style: int
    path: str
    cells: int
    part: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the map that leads to a larger one of it."""

    path: str
    link: str
    name: str


@dataclass(frozen=True, slots=True)
class SkyPage:
    """What the page of the whole sky shows.

    Parameters
    ----------
    colour, filter
        What the colours mean, and the only filter that is shown; None for all.
    filters
        All filters that there are.
    layers, zones
        The map.
    cells
        How many cells have any image.
    images
        How many images there are.
    fields, part
        The targets, those observed last first, in parts.
    """

    colour: Colour
    filter: str | None
    filters: Sequence[str]
    layers: tuple[Layer, ...]
    zones: tuple[Zone, ...]
    cells: int
    images: int
    fields: Sequence[SkyField]
    part: Part
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def outline(self) -> str:
        """The edge of the map."""
        return map_outline()

    @property
    def grid(self) -> Grid:
        """The lines of right ascension and declination."""
        return map_grid()

    @property
    def galaxy(self) -> str:
        """The galactic equator."""
        return galactic_plane()


def read_sky(catalog: Catalog, query: Mapping[str, str], now: datetime) -> SkyPage:
    """Read what the page of the whole sky shows, at one moment.

    Raises
    ------
    UsageError
        If the query asks for colours that there are not.
    StorageError
        If the catalog cannot be read.
    """
    colour = _colour_asked(query)
    with catalog.snapshot():
        filters = catalog.sky.filters()
        name = query.get("filter", "").strip() or None
        cells = catalog.sky.cells(name)
        part = part_asked(query, catalog.sky.count_fields(name), _FIELDS)
        fields = catalog.sky.fields(name, part.begin, _FIELDS)
    return SkyPage(
        colour=colour,
        filter=name,
        filters=filters,
        layers=layers_of(cells, colour, Night.at(now)),
        zones=_zones(cells),
        cells=len({cell.cell for cell in cells}),
        images=sum(cell.images for cell in cells),
        fields=fields,
        part=part,
    )


def _colour_asked(query: Mapping[str, str]) -> Colour:
    try:
        return Colour(query.get("colour") or Colour.FILTER)
    except ValueError:
        raise UsageError(
            "the map has no such colours",
            remedy="Choose filter, age or depth above the map.",
            code=ErrorCode.PAGE_NOT_FOUND,
        ) from None


# --- the map -----------------------------------------------------------------------------------


def layers_of(cells: Iterable[SkyCell], colour: Colour, now: Night) -> tuple[Layer, ...]:
    """Return what is drawn of cells, a layer for each line of the legend that has any."""
    match colour:
        case Colour.FILTER:
            return _by_filter(cells)
        case Colour.AGE:
            newest = _least((cell.cell, (now.day - cell.last_night.day).days) for cell in cells)
            return _in_classes(newest, [*(name for _, name in _AGES), _OLDER], _age_class)
        case Colour.DEPTH:
            return _by_depth(list(cells))


def _by_filter(cells: Iterable[SkyCell]) -> tuple[Layer, ...]:
    numbers: dict[str, set[int]] = {name: set() for name in (*_QUARTERS, _OTHER)}
    others = set[str]()
    for cell in cells:
        name = _SAME_FILTERS.get(cell.filter or "", cell.filter or "no name")
        if name not in _QUARTERS:
            others.add(name)
        numbers[name if name in _QUARTERS else _OTHER].add(cell.cell)
    names = {_OTHER: f"other filters: {', '.join(sorted(others))}"}
    return tuple(
        _layer(names.get(name, name), style, found, _QUARTERS.get(name, _OTHER_QUARTER))
        for style, (name, found) in enumerate(numbers.items(), 1)
        if found
    )


def _by_depth(cells: list[SkyCell]) -> tuple[Layer, ...]:
    known = [(cell.cell, -cell.deepest) for cell in cells if cell.deepest is not None]
    deepest = _least(known)
    unknown = {cell.cell for cell in cells} - set(deepest)
    layers = _in_classes(deepest, [*(name for _, name in _DEPTHS), _SHALLOW], _depth_class)
    part = _shrunk(_SIZES[-1] / 2)
    return (*layers, _layer(_NO_DEPTH, 5, unknown, part)) if unknown else layers


def _least(values: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Return the least value of each cell: the fewest nights ago, or the deepest as a negative."""
    least: dict[int, float] = {}
    for cell, value in values:
        least[cell] = min(value, least.get(cell, value))
    return least


def _age_class(nights: float) -> int:
    return next((number for number, (most, _) in enumerate(_AGES) if nights <= most), len(_AGES))


def _depth_class(negative: float) -> int:
    return next((n for n, (least, _) in enumerate(_DEPTHS) if -negative >= least), len(_DEPTHS))


def _in_classes(
    values: Mapping[int, float], names: Sequence[str], class_of: Callable[[float], int]
) -> tuple[Layer, ...]:
    numbers: list[set[int]] = [set() for _ in names]
    for cell, value in values.items():
        numbers[class_of(value)].add(cell)
    return tuple(
        _layer(name, style, found, _shrunk(_SIZES[style - 1]))
        for style, (name, found) in enumerate(zip(names, numbers, strict=True), 1)
        if found
    )


def _shrunk(size: float) -> tuple[float, float, float, float]:
    return (1 - size) / 2, (1 + size) / 2, (1 - size) / 2, (1 + size) / 2


def _layer(
    name: str, style: int, cells: set[int], part: tuple[float, float, float, float]
) -> Layer:
    path = "".join(cell_path(cell, part) for cell in sorted(cells))
    west, east, south, north = (round(12 * edge, 1) for edge in part)
    sample = (round(12 - east, 1), round(12 - north, 1), east - west, north - south)
    return Layer(name, style, path, len(cells), sample)


def _zones(cells: Iterable[SkyCell]) -> tuple[Zone, ...]:
    corners = {zone_of(center_of_cell(number)) for number in {cell.cell for cell in cells}}
    return tuple(map(_zone, sorted(corners)))


def _zone(corner: Position) -> Zone:
    west, south = corner
    middle = (west + ZONE / 2, south + ZONE / 2)
    radius = max(separation(middle, (west, dec)) for dec in (south, south + ZONE))
    name = f"RA {west:.0f}° to {west + ZONE:.0f}°, Dec {south:+.0f}° to {south + ZONE:+.0f}°"
    return Zone(zone_path(corner), region_link(middle, round(radius + 0.5, 1)), name)
