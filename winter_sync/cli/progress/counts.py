"""Products counted by night, camera and type, and their sums."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from operator import add, attrgetter, sub
from typing import TYPE_CHECKING

from winter_sync.core import ImageType, Instrument, Night, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from winter_sync.core import Candidate, Product, Share

Kind = tuple[Instrument, ImageType]
"""Products of one kind are about equally large."""


def kind_of(products: Product | Share) -> Kind:
    """Return the camera and type of a product, or of a share of them."""
    return products.instrument, products.image_type


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a part of the work is, counted in products and bytes of this run."""

    total: int = 0
    """Products that are or were wanted."""
    published: int = 0
    """Products in the tree, new or found unchanged."""
    missing: int = 0
    """Products that the server has no file of."""
    failed: int = 0
    """Products that failed at their last attempt and are still wanted."""
    size: int = 0
    """Bytes put into the tree."""

    @property
    def done(self) -> int:
        """Products that are no longer wanted."""
        return self.published + self.missing

    @property
    def left(self) -> int:
        """Products that are still wanted."""
        return self.total - self.done

    def __add__(self, other: Counts) -> Counts:
        """Return the sum of the two."""
        return Counts(*map(add, _NUMBERS(self), _NUMBERS(other)))

    def __sub__(self, other: Counts) -> Counts:
        """Return what was added since the other."""
        return Counts(*map(sub, _NUMBERS(self), _NUMBERS(other)))


_NUMBERS = attrgetter(*(field.name for field in fields(Counts)))
"""All of them in order; `astuple` copies each, at every product."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A night of which nothing is wanted any more, and what it had."""

    night: Night
    counts: Counts


@dataclass(slots=True)
class _Cell:
    """The products of one kind of one night."""

    wanted: int = 0
    """As many as were reported to be wanted."""
    published: int = 0
    missing: int = 0
    failed: int = 0
    size: int = 0

    @property
    def counts(self) -> Counts:
        """The counts; products that ended before they were reported to be wanted count, too."""
        ended = self.published + self.missing + self.failed
        total = max(self.wanted, ended)
        return Counts(total, self.published, self.missing, self.failed, self.size)


class NightCounts:
    """The counts of all nights that have something left; of the others only the sum is kept."""

    def __init__(self) -> None:
        self.overall = Counts()
        """The sum over all nights, those that were forgotten included."""
        self.left: Counter[Kind] = Counter()
        """Products left, by kind."""
        self._nights: dict[Night, dict[Kind, _Cell]] = {}
        self._missing_before = 0
        """Products missing of the nights that were forgotten."""

    def __iter__(self) -> Iterator[Night]:
        """Iterate over the nights that are known."""
        return iter(self._nights)

    @property
    def nights_left(self) -> int:
        """The number of nights that have something left."""
        return sum(
            any(cell.counts.left for cell in cells.values()) for cells in self._nights.values()
        )

    def of(self, night: Night, kind: Kind) -> Counts:
        """Return the counts of a kind of a night; zeros once the night is forgotten."""
        cell = self._nights.get(night, {}).get(kind)
        return cell.counts if cell else Counts()

    def places(self) -> list[tuple[Night, Kind]]:
        """Return the nights and kinds that are known."""
        return [(night, kind) for night, cells in self._nights.items() for kind in cells]

    def add(self, night: Night, kind: Kind, **numbers: int) -> None:
        """Add to numbers of a cell (`wanted`, `published`, ...), and to all sums with them."""
        cell = self._cell(night, kind)
        before = cell.counts
        for name, number in numbers.items():
            setattr(cell, name, getattr(cell, name) + number)
        after = cell.counts
        self.overall += after - before
        self.left[kind] += after.left - before.left

    def set_left(self, night: Night, kind: Kind, *, fresh: int, failed: int) -> None:
        """Set what is left, never tried and failed before; what is done stays."""
        cell = self._cell(night, kind)
        wanted = cell.published + cell.missing + failed + fresh
        self.add(night, kind, failed=failed - cell.failed, wanted=wanted - cell.wanted)

    def uncount(self, candidate: Candidate) -> None:
        """Take a product that has just ended from where an earlier end of it was counted."""
        night, kind = candidate.product.night, kind_of(candidate.product)
        cell = self._cell(night, kind)
        if candidate.state is State.MISSING and cell.missing:
            self.add(night, kind, missing=-1)
        elif candidate.state is State.MISSING:
            again = min(self._missing_before, 1)
            self._missing_before -= again
            self.overall -= Counts(total=again, missing=again)
            self.add(night, kind, wanted=1)
        elif candidate.attempts and cell.failed:
            self.add(night, kind, failed=-1)

    def forget_complete(self, nights: Iterable[Night]) -> list[Ended]:
        """Forget those of the nights that have nothing left, and return them."""
        sums = [Ended(night, self._sum(night)) for night in nights]
        complete = [ended for ended in sums if not ended.counts.left]
        for ended in complete:
            del self._nights[ended.night]
            self._missing_before += ended.counts.missing
        return complete

    def _sum(self, night: Night) -> Counts:
        return sum((cell.counts for cell in self._nights[night].values()), Counts())

    def _cell(self, night: Night, kind: Kind) -> _Cell:
        return self._nights.setdefault(night, {}).setdefault(kind, _Cell())
