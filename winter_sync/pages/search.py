"""The search: what a few letters may mean, a night, a file or targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, Night, UsageError, exposure_time
from winter_sync.pages.links import night_link, product_link
from winter_sync.pages.paging import part_asked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winter_sync.catalog import Catalog
    from winter_sync.core import Product
    from winter_sync.pages.paging import Part

_TARGETS = 200
_NIGHT_DIGITS = 8


@dataclass(frozen=True, slots=True)
class SearchPage:
    """What the search found.

    Parameters
    ----------
    sought
        What was sought; empty for all targets.
    targets, part
        The targets whose names have it, in parts.
    """

    sought: str
    targets: Sequence[str]
    part: Part


def read_search(catalog: Catalog, query: Mapping[str, str]) -> SearchPage | str:
    """Find what a query means; return the address of a page if that is one thing.

    Raises
    ------
    UsageError
        If it is a date on which there is no night.
    StorageError
        If the catalog cannot be read.
    """
    sought = query.get("q", "").strip()
    with catalog.snapshot():
        if (address := _one_thing(catalog, sought)) is not None:
            return address
        letters = sought.casefold()
        targets = [name for name in catalog.searches.targets() if letters in name.casefold()]
        part = part_asked(query, len(targets), _TARGETS)
        return SearchPage(sought, targets[part.begin : part.end], part)


def _one_thing(catalog: Catalog, sought: str) -> str | None:
    digits = sought.replace("-", "")
    if len(digits) == _NIGHT_DIGITS and digits.isascii() and digits.isdecimal():
        try:
            return night_link(Night(digits))
        except ValueError as wrong:
            raise UsageError(str(wrong), code=ErrorCode.PAGE_NOT_FOUND) from None
    products = _files(catalog, sought)
    return product_link(catalog.history.of(products[0]).path) if len(products) == 1 else None


def _files(catalog: Catalog, sought: str) -> list[Product]:
    """Return the products of a path, or of a file name that says its time.

    Other names would have to be compared with those of all products.
    """
    if "/" in sought:
        return catalog.history.find(sought)
    at = exposure_time(sought)
    if at is None:
        return []
    night = Night.at(at)
    return catalog.history.find_in_nights(sought, [night.plus(-1), night, night.plus(1)])
