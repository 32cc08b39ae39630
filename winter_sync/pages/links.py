"""The addresses of the pages: what the archive named is quoted in them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winter_sync.core import Night, Position

HOME = "/"
NIGHTS = "/nights"
SKY = "/sky"
SEARCH = "/search"
SIA2 = "/sia2"
TARGET = "/target"
LIVE = "/live"
NIGHT = "/night/"
PRODUCT = "/product/"
FILE = "/file/"
THUMBNAIL = "/thumbnail/"
PREVIEW = "/preview/"
PLACES = "/places/"
STATIC = "/static/"
FIELD_RADIUS = 1.5
"""Degrees around a position, on a map of which no other size is asked for."""


def night_link(night: Night) -> str:
    """Return the address of the page of a night."""
    return f"{NIGHT}{night.name}"


def target_link(name: str) -> str:
    """Return the address of the page of a target.

    The name stands in the query: a browser would take one like ".." in a path for a step upwards.
    """
    return f"{TARGET}?{urlencode({'name': name})}"


def product_link(path: str) -> str:
    """Return the address of the page of a product, by its path below the root."""
    return path_link(PRODUCT, path)


def file_link(path: str) -> str:
    """Return the address of the file of a product, by its path below the root."""
    return path_link(FILE, path)


def path_link(place: str, path: str) -> str:
    """Return an address that ends with the path of a product below the root."""
    return place + quote(path, safe="/")


def with_query(address: str, **fields: str | int | None) -> str:
    """Return an address with a query of the fields that are not None."""
    given = {name: value for name, value in fields.items() if value is not None}
    return f"{address}?{urlencode(given)}" if given else address


def region_link(position: Position, radius: float = FIELD_RADIUS) -> str:
    """Return the address of the map of a part of the sky: a position and a radius in degrees."""
    ra, dec = position
    return with_query(SKY, ra=f"{ra:.4f}", dec=f"{dec:.4f}", radius=f"{radius:g}")


def is_region(query: Mapping[str, str]) -> bool:
    """Return whether a query of `SKY` asks for a part of the sky."""
    return bool(query.get("ra", "").strip() or query.get("dec", "").strip())
