"""What is summed up of the sky, and the images of a part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.catalog.search_records import FoundProduct
    from winter_sync.core import Footprint, Night, Position


@dataclass(frozen=True, slots=True)
class SkyCell:
    """The images in one filter whose centres are in a cell of the sky.

    Parameters
    ----------
    cell
        Its number (`winter_sync.core.sky_cell`).
    filter
        The name in their headers; None where these have none.
    images
        How many there are, of all types.
    deepest
        The faintest of their limiting magnitudes, AB; None if no header says any.
    last_night
        The newest of their nights.
    """

    cell: int
    filter: str | None
    images: int
    deepest: float | None
    last_night: Night


@dataclass(frozen=True, slots=True)
class SkyField:
    """The images of one target.

    Parameters
    ----------
    target
        The name in their headers; None where these have none.
    filters
        The names of their filters.
    images, deepest, last_night
        As in `SkyCell`.
    position
        The centre of one of them, degrees.
    """

    target: str | None
    filters: tuple[str, ...]
    images: int
    deepest: float | None
    last_night: Night
    position: Position


@dataclass(frozen=True, slots=True)
class ImagesInArea:
    """The images of a part of the sky whose headers were read last.

    Parameters
    ----------
    images
        The images, each with its footprints that touch the part, the newest last.
    is_all
        Whether there are no others.
    """

    images: tuple[tuple[FoundProduct, Footprint], ...]
    is_all: bool
