"""Which images are asked for, those that show a position, and what near it is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.catalog.search_records import FoundProduct
    from winter_sync.core import Footprint, ImageType, Instrument, Night


@dataclass(frozen=True, slots=True)
class Images:
    """The images that a question of the sky is about; an empty tuple, like None, means all.

    Parameters
    ----------
    image_types, instruments
        What they say.
    filters
        Names such as "J", as in `FoundProduct.filter`; upper and lower case are the same.
    since
        Only exposures that started at this instant or later, and those of an unknown time.
    programs
        Those that list an image, or once did.
    nights
        Only of these nights.
    first_night, last_night
        Only of nights between these; None leaves that end open.
    """

    image_types: tuple[ImageType, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    filters: tuple[str, ...] = ()
    since: datetime | None = None
    programs: tuple[str, ...] = ()
    nights: tuple[Night, ...] = ()
    first_night: Night | None = None
    last_night: Night | None = None


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image that shows a position.

    Parameters
    ----------
    found
        The product.
    footprint
        The part of the sky that it shows; of the extension that shows the position.
    sha256
        The digest of its file.
    mtime_ns
        The modification time of its file; None if it is not known.
    """

    found: FoundProduct
    footprint: Footprint
    sha256: str
    mtime_ns: int | None


@dataclass(frozen=True, slots=True)
class Unseen:
    """How many images near a position may show it, and nobody knows.

    Parameters
    ----------
    listed
        All images near it, also those of which it is known.
    pending
        Listed, and not downloaded yet.
    missing
        Listed, but the archive has no file now.
    damaged
        Downloaded, but the file was found missing or changed since.
    unread
        Downloaded, and the header was not read yet.
    without_footprint
        Downloaded, but the header does not say which part of the sky it shows.
    not_kept
        Listed, of a type that the archive lists and as a rule does not keep, and it has no file.
    """

    listed: int = 0
    pending: int = 0
    missing: int = 0
    damaged: int = 0
    unread: int = 0
    without_footprint: int = 0
    not_kept: int = 0
