"""A question to the catalog, and the products that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.core import Cone, ImageType, Instrument, Night, Product, Rectangle


class UserState(StrEnum):
    """Where a product stands, in the words of its user; the first that applies."""

    WITHDRAWN = "withdrawn"
    """No longer listed by the archive; the file is kept if it was downloaded."""
    DAMAGED = "damaged"
    """Downloaded, but the file was found missing or changed since."""
    DOWNLOADED = "downloaded"
    """In the tree."""
    PENDING = "pending"
    """Listed and not downloaded yet, or to be downloaded again."""
    MISSING = "missing"
    """Listed, but the archive has no file now."""


@dataclass(frozen=True, slots=True)
class Search:
    """A question to the catalog: the products for which all conditions hold.

    An empty tuple, like None, is no condition; of several values any may hold.

    Parameters
    ----------
    programs
        Those that list a product or did.
    targets
        Names, as listed or as in the header; upper and lower case are the same, and "*" stands for
        any text.
    cones, rectangles
        Products whose listed position is inside, or one of whose images touches it. A rectangle
        goes eastwards from `ra_min` to `ra_max`, across right ascension 0 if the first is larger.
    image_types, instruments, nights, first_night, last_night
        What they say; the last night belongs to the span.
    filters
        Names such as "J", as in `FoundProduct.filter`; upper and lower case are the same.
    states
        In the words of the user.
    downloaded_since
        Only what was downloaded at this instant or later.
    limit
        At most this many, the first in order.
    newest_first
        From the newest to the oldest exposure; otherwise from the oldest.
    """

    programs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    cones: tuple[Cone, ...] = ()
    rectangles: tuple[Rectangle, ...] = ()
    image_types: tuple[ImageType, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    nights: tuple[Night, ...] = ()
    first_night: Night | None = None
    last_night: Night | None = None
    filters: tuple[str, ...] = ()
    states: tuple[UserState, ...] = ()
    downloaded_since: datetime | None = None
    limit: int | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class FoundProduct:
    """A product that answers a question, as listed, and the most important of its facts.

    Parameters
    ----------
    product
        What it is.
    state
        Where it stands.
    path
        Where its file is or will be, relative to the root.
    has_file
        Whether a file of it is in the tree, as far as the catalog knows: also of a product that is
        pending because it was reprocessed, or that was withdrawn.
    size
        Bytes; None before the first download.
    programs
        Those that list it, or the last that did.
    started_at
        The UTC start of the exposure, from the header, otherwise from the file name.
    target
        As listed, otherwise as in the header.
    ra, dec
        The listed position, otherwise the centre of the image; degrees.
    filter
        From the header, otherwise by the number that the archive lists (`fid`); a number that
        stands for no known filter is shown as it is.
    exposure_time
        Seconds.
    seeing
        Arcseconds.
    limiting_magnitude
        AB magnitudes, 5 sigma.
    downloaded_at
        When its present file arrived.
    successor
        Of a withdrawn product that was renamed: the path of the product that took its place.
    """

    product: Product
    state: UserState
    path: str
    has_file: bool
    size: int | None
    programs: tuple[str, ...]
    started_at: datetime | None
    target: str | None
    ra: float | None
    dec: float | None
    filter: str | None
    exposure_time: float | None
    seeing: float | None
    limiting_magnitude: float | None
    downloaded_at: datetime | None
    successor: str | None = None
