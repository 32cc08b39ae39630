"""One product: where it stands, what its header says, its revisions, and its file."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import Damage, ErrorCode, StorageError, TreeFiles, UsageError
from winter_sync.web import FileContent

if TYPE_CHECKING:
    from winter_sync.catalog import Catalog, FoundProduct, Held, ProductHistory
    from winter_sync.core import Dataset, Facts
    from winter_sync.pages.context import PageContext

FACTS = {
    "started_at": ("Start of the exposure", "UTC", 0),
    "filter": ("Filter", "", 0),
    "exposure_time": ("Exposure time", "s", 1),
    "coadds": ("Exposures added up", "", 0),
    "dither": ("Dither", "", 0),
    "dithers": ("Dithers of the set", "", 0),
    "board": ("Detector board", "", 0),
    "target": ("Target", "", 0),
    "target_ra": ("Right ascension of the target", "deg", 6),
    "target_dec": ("Declination of the target", "deg", 6),
    "ra": ("Right ascension of the centre", "deg", 6),
    "dec": ("Declination of the centre", "deg", 6),
    "airmass": ("Airmass", "", 3),
    "zero_point": ("Zero point", "mag AB", 3),
    "zero_point_error": ("Its uncertainty", "mag", 3),
    "limiting_magnitude": ("Limiting magnitude (5 sigma)", "mag AB", 2),
    "seeing": ("Seeing", "arcsec", 2),
    "astrometric_error": ("Astrometric error", "arcsec", 3),
    "pixel_scale": ("Pixel scale", "arcsec/pixel", 4),
    "width": ("Width", "pixels", 0),
    "height": ("Height", "pixels", 0),
    "background": ("Median of the image", "counts", 1),
    "mjd": ("Modified Julian date", "d", 6),
    "note": ("Not read", "", 0),
}
"""The name and the unit of each fact, and its digits after the point, by its field."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the header says: its name, its value and its unit."""

    name: str
    value: object
    unit: str


@dataclass(frozen=True, slots=True)
class ProductPage:
    """What the page of a product shows.

    Parameters
    ----------
    found
        The product as listed.
    dataset
        All that is known of it.
    history
        Its revisions, and what else happened to it.
    facts
        What its header says.
    can_be_downloaded
        Whether its file is here and as it was downloaded, as far as the catalog knows.
    """

    found: FoundProduct
    dataset: Dataset
    history: ProductHistory
    facts: tuple[Fact, ...]
    can_be_downloaded: bool


def read_product(catalog: Catalog, path: str) -> ProductPage:
    """Read what the page of a product shows, at one moment.

    Parameters
    ----------
    catalog
        The catalog.
    path
        Where its file is or will be, relative to the root.

    Raises
    ------
    UsageError
        If the path is that of no product.
    StorageError
        If the catalog cannot be read.
    """
    with catalog.snapshot():
        found, history = _find(catalog, path)
        numbers = catalog.searches.numbers_of([found.product.identity])
        (dataset,) = catalog.exports.datasets(numbers)
        return ProductPage(
            found, dataset, history, _facts(dataset.facts), _is_whole(found, history)
        )


def open_product(catalog: Catalog, context: PageContext, path: str) -> FileContent:
    """Open the file of a product that is here, and whole as far as the catalog knows.

    The path is looked up in the catalog first, and what is opened is the path that stands there:
    directory by directory below the root, through no link, and only a regular file of the size that
    was downloaded.

    Raises
    ------
    UsageError
        If there is no such product, or no file of it here.
    StorageError
        If the file is not what was downloaded, or cannot be read.
    """
    with catalog.snapshot():
        found, history = _find(catalog, path)
    if not _is_whole(found, history) or found.size is None:
        raise UsageError(
            f"the file of {found.product.filename} is not here: {found.state.value}",
            code=ErrorCode.PAGE_NOT_FOUND,
        )
    try:
        with TreeFiles(context.root, follow_links=context.follow_links) as files:
            file = os.fdopen(files.open(history.path), "rb")
    except (OSError, ValueError) as failed:
        raise _not_as_downloaded(history.path) from failed
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size != found.size:
        file.close()
        raise _not_as_downloaded(history.path)
    return FileContent(file, found.product.filename, found.size)


def find_file(catalog: Catalog, path: str) -> tuple[FoundProduct, Held | None]:
    """Return a product by its path, and its file, if that is here and whole by the catalog.

    Raises
    ------
    UsageError
        If there is no such product.
    StorageError
        If the catalog cannot be read.
    """
    with catalog.snapshot():
        found, history = _find(catalog, path)
        return found, catalog.files.at(history.path) if _is_whole(found, history) else None


def _not_as_downloaded(path: str) -> StorageError:
    return StorageError(
        f"{path} is not there as it was downloaded, or cannot be read",
        remedy="Run `winter-sync verify --repair` to download it again.",
        code=ErrorCode.FILE_CHANGED,
    )


def _find(catalog: Catalog, path: str) -> tuple[FoundProduct, ProductHistory]:
    history = _history(catalog, path)
    (found,) = catalog.searches.products([history.product.identity])
    return found, history


def _history(catalog: Catalog, path: str) -> ProductHistory:
    for product in catalog.history.find(path):
        history = catalog.history.of(product)
        if history.path == path:
            return history
    raise UsageError(
        "no product has this path",
        remedy="Search for its file name above.",
        code=ErrorCode.PAGE_NOT_FOUND,
    )


def _is_whole(found: FoundProduct, history: ProductHistory) -> bool:
    damaged = history.damage in {Damage.MISSING, Damage.CHANGED}
    return found.has_file and not damaged and not history.is_set_aside


def _facts(facts: Facts) -> tuple[Fact, ...]:
    return tuple(
        Fact(name, f"{value:.{digits}f}" if isinstance(value, float) else value, unit)
        for field, (name, unit, digits) in FACTS.items()
        if (value := getattr(facts, field)) is not None
    )
