"""What the mirror knows of a product, all in one: listing, file and facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from winter_sync.core.facts import Facts
from winter_sync.core.products import exposure_time
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from datetime import datetime

    from winter_sync.core.products import Product
    from winter_sync.core.sphere import Position


@dataclass(frozen=True, slots=True)
class Dataset:
    """A product with all that a row says of it; None or empty where it is not known.

    Parameters
    ----------
    product
        What it is.
    state
        Where it stands, in the words of the user.
    programs
        Those that list it.
    target, ra, dec, field_id
        As listed. The position, in degrees, is that of the pointing for exposures and raw and
        science images.
    filter
        Its short name, from the header, otherwise from the listing.
    file
        Where its file is, relative to the root; None if it is not here.
    path
        Where its present file is or will be, relative to the root; not where an older content of
        it is kept.
    size
        Bytes.
    sha256
        Of its file, hexadecimal.
    revision
        Which content of the product it is, counted from 1.
    downloaded_at
        When this content arrived: ISO 8601, in UTC.
    pipeline_version, last_modified
        As listed.
    facts
        What its header says.
    """

    product: Product
    state: str
    programs: tuple[str, ...] = ()
    target: str | None = None
    ra: float | None = None
    dec: float | None = None
    field_id: int | None = None
    filter: str | None = None
    file: str | None = None
    path: str | None = None
    size: int | None = None
    sha256: str | None = None
    revision: int | None = None
    downloaded_at: str | None = None
    pipeline_version: str | None = None
    last_modified: str | None = None
    facts: Facts = field(default_factory=Facts)

    @property
    def started_at(self) -> datetime | None:
        """The UTC start of the exposure, of the first one if there are several."""
        return self.facts.started_at or exposure_time(self.product.filename)

    @property
    def position(self) -> Position | None:
        """The centre of the image.

        What is listed for one board of WINTER is the pointing of all of them: half a degree away.
        """
        if self.facts.ra is not None and self.facts.dec is not None:
            return self.facts.ra, self.facts.dec
        is_board = self.product.image_type in {ImageType.RAW, ImageType.SCIENCE}
        if is_board and self.product.instrument is Instrument.WINTER:
            return None
        return None if self.ra is None or self.dec is None else (self.ra, self.dec)
