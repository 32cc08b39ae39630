"""One target: all its images in time, how deep they are, and the light curve of what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog import AlertQuery, Search
from winter_sync.core import Cone, ErrorCode, UsageError, filter_name, instant_of_jd
from winter_sync.pages.links import product_link
from winter_sync.pages.night import measured_of, plots_of
from winter_sync.pages.paging import part_asked
from winter_sync.pages.plots import Point, make_plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winter_sync.catalog import Catalog, FoundAlert, FoundProduct
    from winter_sync.core import Position
    from winter_sync.pages.paging import Part
    from winter_sync.pages.plots import Plot

_PRODUCTS = 100
_POINTS = 1500
_ALERTS = 1000
LIGHT_CURVE_RADIUS = 3.0
"""Arcseconds: detections within them of the target's position belong to its light curve."""


@dataclass(frozen=True, slots=True)
class TargetPage:
    """What the page of a target shows.

    Parameters
    ----------
    name
        As the archive lists it.
    position
        Where it is by the newest header, degrees; None where no header says it.
    products, part
        Its products, the newest first, in parts.
    plots
        Depth and seeing in time.
    measured
        The images that they show.
    light_curve
        The magnitudes of the detections at its position; None without any.
    alerts
        These detections, the oldest first.
    """

    name: str
    position: Position | None
    products: Sequence[FoundProduct]
    part: Part
    plots: tuple[Plot, ...]
    measured: Sequence[FoundProduct]
    light_curve: Plot | None
    alerts: Sequence[FoundAlert]


def read_target(catalog: Catalog, query: Mapping[str, str]) -> TargetPage:
    """Read what the page of a target shows, at one moment.

    Raises
    ------
    UsageError
        If there is no such target.
    StorageError
        If the catalog cannot be read.
    """
    name = query.get("name", "")
    if not name or "*" in name:
        raise UsageError(
            "no target is named", remedy="Search for one above.", code=ErrorCode.PAGE_NOT_FOUND
        )
    with catalog.snapshot():
        numbers = catalog.searches.numbers(Search(targets=(name,), newest_first=True))
        if not numbers:
            raise UsageError(
                f"no product is listed for a target {name}", code=ErrorCode.PAGE_NOT_FOUND
            )
        part = part_asked(query, len(numbers), _PRODUCTS)
        products = catalog.searches.found(numbers[part.begin : part.end])
        measured = _measured(catalog, numbers)
        headers, _ = catalog.searches.target_positions(name)
        position = headers[0] if headers else None
        alerts = _alerts(catalog, position)
        return TargetPage(
            name=_as_listed(name, products),
            position=position,
            products=products,
            part=part,
            plots=plots_of(measured),
            measured=measured,
            light_curve=_light_curve(alerts),
            alerts=alerts,
        )


def _as_listed(name: str, products: Sequence[FoundProduct]) -> str:
    names = (found.target for found in products)
    return next((each for each in names if each and each.lower() == name.lower()), name)


def _measured(catalog: Catalog, numbers: Sequence[int]) -> list[FoundProduct]:
    """Return the newest images whose depth or seeing is known, the most processed type of them."""
    found = measured_of(catalog.searches.found(numbers[:_POINTS]))
    stacks = [each for each in found if each.product.image_type == "stack"]
    return stacks or found


def _alerts(catalog: Catalog, position: Position | None) -> list[FoundAlert]:
    if position is None:
        return []
    cone = Cone(*position, LIGHT_CURVE_RADIUS / 3600)
    return list(catalog.alerts.find(AlertQuery(cone=cone, limit=_ALERTS)))


def _light_curve(alerts: Sequence[FoundAlert]) -> Plot | None:
    return make_plot(
        "light-curve",
        "Light curve: magnitude of the difference",
        "mag AB",
        [
            Point(
                instant_of_jd(found.alert.jd),
                found.alert.magpsf,
                filter_of(found),
                found.alert.sigmapsf,
                product_link(found.path),
            )
            for found in alerts
            if found.alert.jd is not None and found.alert.magpsf is not None
        ],
        upside_down=True,
    )


def filter_of(found: FoundAlert) -> str:
    """Return the name of the filter of a detection."""
    return filter_name(found.product.instrument, found.alert.fid) or "?"
