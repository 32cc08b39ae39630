"""Facts of an image: what the header of its file says, in the units astronomers expect.

The cards are those of winter-api.md, "Header cards by product". What a header does not say, or
says by a number that means "unknown" (-999), is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.core.sphere import Footprint


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of one image file.

    Parameters
    ----------
    started_at
        The UTC start of the exposure; of a stack or a difference image, of its first exposure.
        From UTCISO or an ISO DATE-OBS, otherwise from the file name; never from the listing.
    mjd
        The same as a modified Julian date, UTC, days.
    filter
        Its short name: "Y", "J", "Hs", "dark", ...
    exposure_time
        Seconds; of a stack, the sum.
    coadds
        How many exposures were added up.
    dither, dithers
        Which exposure of a dither set this is, counted from 1, and how many the set has.
    board
        The detector board.
    target
        The name of what was observed.
    target_ra, target_dec
        Its position, degrees.
    ra, dec
        The centre of the image, degrees: of its footprints, otherwise the pointing.
    airmass
        No unit; at least 1.
    zero_point, zero_point_error
        AB magnitudes.
    limiting_magnitude
        5 sigma, AB magnitudes.
    seeing
        The full width at half maximum of stars, arcseconds.
    astrometric_error
        Arcseconds.
    pixel_scale
        Arcseconds a pixel.
    width, height
        Pixels, of the first image that has any.
    background
        The median of the image, in its own counts.
    footprints
        The parts of the sky that the images of the file show.
    note
        Why something could not be read; None where all was read that is there.
    """

    started_at: datetime | None = None
    mjd: float | None = None
    filter: str | None = None
    exposure_time: float | None = None
    coadds: int | None = None
    dither: int | None = None
    dithers: int | None = None
    board: int | None = None
    target: str | None = None
    target_ra: float | None = None
    target_dec: float | None = None
    ra: float | None = None
    dec: float | None = None
    airmass: float | None = None
    zero_point: float | None = None
    zero_point_error: float | None = None
    limiting_magnitude: float | None = None
    seeing: float | None = None
    astrometric_error: float | None = None
    pixel_scale: float | None = None
    width: int | None = None
    height: int | None = None
    background: float | None = None
    footprints: tuple[Footprint, ...] = ()
    note: str | None = None
