"""Target-of-opportunity requests: what is expected, and how far each has come. Pure.

The source is winter-api.md, "The ToO queue".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from winter_sync.core.products import Night
from winter_sync.core.sphere import separation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

FIELD_RADIUS = 1.0
"""Degrees: what was observed for a request is listed within them of its position."""
_SHOWN_AFTER = timedelta(days=7)


class ToOStage(StrEnum):
    """How far a request has come, as far as was seen."""

    REQUESTED = "requested"
    OBSERVED = "observed"
    LISTED = "listed"
    HERE = "here"
    EXPIRED = "not observed"


_LONGEST_WINDOW = timedelta(days=100)


@dataclass(frozen=True, slots=True)
class ToORequest:
    """One entry of a schedule in the observatory's queue.

    Parameters
    ----------
    program, schedule, number
        For whom, the name of the schedule, and which entry of it.
    target
        Its name; None without one.
    ra, dec
        Its position, degrees; None where unknown.
    begins, ends
        When it may be observed; None where unknown.
    is_observed
        Whether the observatory says that it was.
    """

    program: str
    schedule: str
    number: int
    target: str | None = None
    ra: float | None = None
    dec: float | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    is_observed: bool = False

    @property
    def nights(self) -> tuple[Night, Night] | None:
        """The first and the last night in which it may be observed.

        None where unknown, and of a window of more than 100 days: what is listed in a third of a
        year says little about a request, and takes long to read.
        """
        if self.begins is None or self.ends is None:
            return None
        if self.ends - self.begins > _LONGEST_WINDOW:
            return None
        return Night.at(self.begins), Night.at(self.ends)


@dataclass(frozen=True, slots=True)
class ListedForToO:
    """A product that the archive lists: for which target and where, and whether it is here."""

    target: str | None
    ra: float | None
    dec: float | None
    night: Night
    is_here: bool


@dataclass(frozen=True, slots=True)
class ToOProgress:
    """A request, and how many products that can be its own are listed and here."""

    request: ToORequest
    stage: ToOStage
    listed: int = 0
    here: int = 0


def is_of(request: ToORequest, product: ListedForToO) -> bool:
    """Return whether a product of the request's program can be of the request.

    Its night must be in the window, its position near where both are known, and its target name
    the same where both have one. Without a window, or with neither in common, nothing is claimed.
    """
    if request.nights is None or not request.nights[0] <= product.night <= request.nights[1]:
        return False
    names = request.target is not None and product.target is not None
    if names and request.target != product.target:
        return False
    if request.ra is None or request.dec is None or product.ra is None or product.dec is None:
        return names
    place = product.ra, product.dec
    return separation((request.ra, request.dec), place) <= FIELD_RADIUS


def progress_of(
    request: ToORequest, products: Iterable[ListedForToO], now: datetime
) -> ToOProgress:
    """Return how far a request has come: never further than was seen."""
    own = [product for product in products if is_of(request, product)]
    here = sum(product.is_here for product in own)
    if own:
        stage = ToOStage.HERE if here == len(own) else ToOStage.LISTED
    elif request.is_observed:
        stage = ToOStage.OBSERVED
    else:
        is_over = request.ends is not None and request.ends < now
        stage = ToOStage.EXPIRED if is_over else ToOStage.REQUESTED
    return ToOProgress(request, stage, len(own), here)


def is_awaited(progress: ToOProgress, now: datetime) -> bool:
    """Return whether a request still waits; one whose window is over, for a week after it."""
    ends = progress.request.ends
    return progress.stage is not ToOStage.HERE and (ends is None or now - ends < _SHOWN_AFTER)
