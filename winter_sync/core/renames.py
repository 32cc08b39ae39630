"""Renamed products: which one took the place of one that the archive lists no more.

A stack is named after its first contributing dither, and so are its diff and its alerts. When the
pipeline runs again and another dither is the first, the old row vanishes and a new one appears
(winter-api.md, "What changes after it was listed"). No column says that they belong together.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from winter_sync.core.products import Product, exposure_time
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

COMBINED = (ImageType.STACK, ImageType.DIFF, ImageType.AVRO)
"""The types that are named after the first of several exposures."""
USUAL_REACH = timedelta(minutes=15)
"""From the first dither of a set to its last, where the headers are not known: eight of two
minutes."""
_OVERHEAD = timedelta(seconds=15)
"""From the end of a dither to the start of the next, at most in a set that goes on without a stop;
larger, the first dither of the next visit could be taken for one of this set."""
_LONGEST_REACH = timedelta(hours=2)
_TIME = re.compile(r"_\d{8}-\d{6}-\d{3}(?=[_.])")


@dataclass(frozen=True, slots=True)
class NamedAfterDither:
    """A product that is named after the first of its exposures.

    Parameters
    ----------
    product
        What it is.
    first_listed, last_listed
        When the archive was first and last seen to list it: ISO 8601, UTC, all in one form.
    target, fid
        As it was listed last.
    reach
        How far apart the dithers of its set are at most.
    """

    product: Product
    first_listed: str
    last_listed: str
    target: str | None = None
    fid: int | None = None
    reach: timedelta = USUAL_REACH

    @property
    def place(self) -> str:
        """Its savepath without the time: camera, night, kind, board and split indices."""
        directory, _, filename = self.product.savepath.rpartition("/")
        return f"{directory}/{_TIME.sub('_', filename, count=1)}"

    @property
    def time(self) -> datetime | None:
        """The start of the exposure that it is named after; None if its name has none."""
        return exposure_time(self.product.filename)


def reach_of(exposure_seconds: float | None, coadds: int | None, dithers: int | None) -> timedelta:
    """Return how long after its first dither a set has its last, by the header of its stack.

    Parameters
    ----------
    exposure_seconds
        The exposure time of the stack, which is the sum.
    coadds
        How many exposures were combined.
    dithers
        How many the set has.
    """
    if not exposure_seconds or not coadds or exposure_seconds < 0:
        return USUAL_REACH
    most = _LONGEST_REACH.total_seconds()
    each = min(exposure_seconds / coadds, most) + _OVERHEAD.total_seconds()
    return timedelta(seconds=min((max(coadds, dithers or 0) - 1) * each, most))


def successors(
    vanished: Iterable[NamedAfterDither], listed: Iterable[NamedAfterDither]
) -> dict[Product, Product]:
    """Return which listed product each vanished one was renamed to, where there is no doubt.

    One takes the place of another if both are of one camera, night, type, board and filter, and of
    one target; if it was not listed before the other had vanished; if the exposures that they are
    named after can be of one set of dithers; and if no other product of that place lies between
    the two. Where two could be the successor of one, or one that of two, there is none.

    Parameters
    ----------
    vanished
        Products that are listed no more.
    listed
        Products that are listed now, new ones and old ones.
    """
    groups: defaultdict[str, tuple[list[NamedAfterDither], list[NamedAfterDither]]]
    groups = defaultdict(lambda: ([], []))
    for old in vanished:
        groups[old.place][0].append(old)
    for new in listed:
        if new.place in groups:
            groups[new.place][1].append(new)
    found: dict[Product, Product] = {}
    for gone, here in groups.values():
        found |= _unambiguous(list(_pairs(gone, here)))
    return found


def _pairs(
    gone: Sequence[NamedAfterDither], here: Sequence[NamedAfterDither]
) -> Iterator[tuple[Product, Product]]:
    times = [each.time for each in (*gone, *here)]
    for old in gone:
        for new in here:
            if _may_follow(old, new) and not _is_between(times, old.time, new.time):
                yield old.product, new.product


def _may_follow(old: NamedAfterDither, new: NamedAfterDither) -> bool:
    before, after = old.time, new.time
    return (
        before is not None
        and after is not None
        and new.first_listed > old.last_listed
        and (old.target, old.fid) == (new.target, new.fid)
        and timedelta(0) < abs(after - before) <= old.reach
    )


def _is_between(
    times: Iterable[datetime | None], first: datetime | None, second: datetime | None
) -> bool:
    if first is None or second is None:
        return False
    low, high = sorted((first, second))
    return any(time is not None and low < time < high for time in times)


def _unambiguous(pairs: Sequence[tuple[Product, Product]]) -> dict[Product, Product]:
    olds, news = [old for old, _ in pairs], [new for _, new in pairs]
    return {old: new for old, new in pairs if olds.count(old) == news.count(new) == 1}
