"""Pictures on the pages: which products have one, its address, and what it is of. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog import UserState
from winter_sync.core import FileFormat
from winter_sync.pages import links

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winter_sync.catalog import FoundProduct

VERSION = "v"
"""The field of a query that is another one for another file."""
_EXTENSION = "hdu"
_LONGEST_EXTENSION = 4


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """The picture on the page of a product.

    Parameters
    ----------
    address, places
        Where the picture is, and where its pixels are.
    words
        What it is of.
    extension
        The HDU that it shows; None for all.
    extensions
        The HDUs that can be chosen; empty for a file of one image.
    """

    address: str
    places: str
    words: str
    extension: int | None
    extensions: tuple[int, ...]


def has_preview(found: FoundProduct) -> bool:
    """Return whether there may be a picture of a product: its file is here, and of images."""
    is_image = found.product.image_type.traits.file_format is FileFormat.FITS
    return is_image and found.has_file and found.state is not UserState.DAMAGED


def thumbnail_link(found: FoundProduct) -> str:
    """Return the address of the small picture of a product; another one for another file."""
    return links.with_query(
        links.path_link(links.THUMBNAIL, found.path), **{VERSION: version_of(found)}
    )


def show_picture(found: FoundProduct, query: Mapping[str, str]) -> ShownPicture:
    """Return what the page of a product shows of its image."""
    extension = extension_asked(query)
    asked = {VERSION: version_of(found), _EXTENSION: extension}
    traits = found.product.image_type.for_camera(found.product.instrument)
    return ShownPicture(
        links.with_query(links.path_link(links.PREVIEW, found.path), **asked),
        links.with_query(links.path_link(links.PLACES, found.path), **asked),
        _words(found),
        extension,
        tuple(range(1, (traits.extensions or 0) + 1)),
    )


def version_of(found: FoundProduct) -> str | None:
    """Return what changes with the file of a product; None if nothing is known that does."""
    at = found.downloaded_at
    return f"{at:%Y%m%d%H%M%S%f}" if at else None


def extension_asked(query: Mapping[str, str]) -> int | None:
    """Return the HDU that a query asks for alone; None for all."""
    text = query.get(_EXTENSION, "")
    is_number = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_EXTENSION
    return int(text) if is_number else None


def _words(found: FoundProduct) -> str:
    """Say what a picture shows, for who cannot see it."""
    target = f" of {found.target}" if found.target else ""
    colour = f" in {found.filter}" if found.filter else ""
    began = f", exposed from {found.started_at:%Y-%m-%d %H:%M:%S} UTC" if found.started_at else ""
    return f"{found.product.image_type.value.capitalize()}{target}{colour}{began}"
