"""A part of the sky: the footprints of the images that show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import IMAGE_TYPES, Cone, ErrorCode, UsageError, area_of
from winter_sync.pages.links import FIELD_RADIUS, product_link
from winter_sync.pages.night import type_asked
from winter_sync.pages.projection import PartOfSky
from winter_sync.science import parse_angle, parse_position

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winter_sync.catalog import Catalog, FoundProduct
    from winter_sync.core import Footprint, ImageType, Position
    from winter_sync.pages.projection import Grid

_IMAGES = 200
_LARGEST = 20.0
_SMALLEST = 0.01
_STYLES = {"Y": 1, "J": 2, "Hs": 3, "H": 3}
"""As on the map of the whole sky."""
_OTHER_STYLE = 4
_NAMES = {1: "Y", 2: "J", 3: "Hs", 4: "other filters"}


@dataclass(frozen=True, slots=True)
class Outline:
    """The footprint of an image, drawn.

    Parameters
    ----------
    points
        Its corners.
    style
        The colour and the dashes of its filter.
    link
        The page of the image.
    title
        What it is.
    """

    points: str
    style: int
    link: str
    title: str


@dataclass(frozen=True, slots=True)
class RegionPage:
    """What the page of a part of the sky shows.

    Parameters
    ----------
    position, radius
        The part, degrees.
    image_type, filter
        The only ones that are shown; None for all.
    filters
        All filters that there are.
    outlines
        The footprints, the newest last.
    images
        The products that they belong to, the newest first.
    is_all
        Whether there are no others.
    sky
        How positions are drawn.
    """

    position: Position
    radius: float
    image_type: ImageType | None
    filter: str | None
    filters: Sequence[str]
    outlines: tuple[Outline, ...]
    images: Sequence[FoundProduct]
    is_all: bool
    sky: PartOfSky

    @property
    def grid(self) -> Grid:
        """The lines of right ascension and declination."""
        return self.sky.grid

    @property
    def styles(self) -> list[tuple[int, str]]:
        """The lines of the legend."""
        return [(style, _NAMES[style]) for style in sorted({o.style for o in self.outlines})]

    @property
    def image_types(self) -> tuple[ImageType, ...]:
        """The types of images that can be chosen."""
        return IMAGE_TYPES

    @property
    def wider(self) -> float:
        """Twice the radius, if there is a map of it."""
        return min(self.radius * 2, _LARGEST)


def read_region(catalog: Catalog, query: Mapping[str, str]) -> RegionPage:
    """Read what the page of a part of the sky shows, at one moment.

    Raises
    ------
    UsageError
        If the query names no part of the sky, or no type of images.
    StorageError
        If the catalog cannot be read.
    """
    position, radius = _asked(query)
    image_type = type_asked(query)
    name = query.get("filter", "").strip() or None
    with catalog.snapshot():
        filters = catalog.sky.filters()
        found = catalog.sky.images_in(
            area_of(Cone(*position, radius)),
            limit=_IMAGES,
            filter_name=name,
            image_type=image_type,
        )
    sky = PartOfSky(position, radius)
    outlines = (_outline(sky, image, footprint) for image, footprint in found.images)
    products = {image.path: image for image, _ in reversed(found.images)}
    return RegionPage(
        position=position,
        radius=radius,
        image_type=image_type,
        filter=name,
        filters=filters,
        outlines=tuple(filter(None, outlines)),
        images=list(products.values()),
        is_all=found.is_all,
        sky=sky,
    )


def _asked(query: Mapping[str, str]) -> tuple[Position, float]:
    """Return the position and the radius that are asked for."""
    ra, dec = query.get("ra", "").strip(), query.get("dec", "").strip()
    position = parse_position(f"{ra} {dec}")
    text = query.get("radius", "").strip()
    radius = parse_angle(text) if text else FIELD_RADIUS
    if not _SMALLEST <= radius <= _LARGEST:
        raise UsageError(
            f"a map of radius {text} cannot be drawn",
            remedy=f"Write a radius between {_SMALLEST:g} and {_LARGEST:g} degrees.",
            code=ErrorCode.PAGE_NOT_FOUND,
        )
    return position, radius


def _outline(sky: PartOfSky, image: FoundProduct, footprint: Footprint) -> Outline | None:
    points = sky.outline(footprint.corners)
    if points is None:
        return None
    style = _STYLES.get(image.filter or "", _OTHER_STYLE)
    return Outline(points, style, product_link(image.path), _title(image))


def _title(image: FoundProduct) -> str:
    depth = image.limiting_magnitude
    said = (
        f"{image.started_at:%Y-%m-%d %H:%M} UTC" if image.started_at else image.product.night.name,
        image.product.image_type.value,
        image.filter or "no filter",
        image.target or "no target",
        "depth not known" if depth is None else f"limiting magnitude {depth:.2f}",
    )
    return ", ".join(said)
