"""A run added up as it goes: products by night and type, bytes, how fast, how much longer.

Nothing here does I/O or knows the time: events and the moments they happened are handed in. What is
kept grows with the nights that are under way, never with their products.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from dataclasses import astuple, dataclass
from operator import add, sub
from typing import TYPE_CHECKING

from winter_sync.cli.forecast import Kind, Rate, Sizes
from winter_sync.core import (
    Backlog,
    BatchBegun,
    BatchEnded,
    Candidate,
    Event,
    Failed,
    ImageType,
    Instrument,
    Missing,
    Night,
    Outcome,
    Polled,
    PollFailed,
    PollsEnded,
    Published,
    Received,
    Retrying,
    ServerUnwell,
    ServerWell,
    Settled,
    Share,
    State,
    Unchanged,
)

if TYPE_CHECKING:
    from winter_sync.core import Product


_REASONS_KEPT = 20
_LONG_NUMBER = re.compile(r"[0-9a-f]{5,}|\d{4,}")
"""A size, a checksum or a part of a name; a status of HTTP is shorter."""
_CAMERAS = list(Instrument)
_TYPES = list(ImageType)


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a part of the work is, counted in products and bytes of this run."""

    total: int = 0
    """What is wanted or was."""
    published: int = 0
    """What the tree has, be it new or found unchanged."""
    missing: int = 0
    """What the server says it has no file of."""
    failed: int = 0
    """What failed at its last attempt and is still wanted."""
    size: int = 0
    """Bytes put into the tree."""

    @property
    def done(self) -> int:
        """What is not wanted any more."""
        return self.published + self.missing

    @property
    def left(self) -> int:
        """What is still wanted."""
        return self.total - self.done

    def __add__(self, other: Counts) -> Counts:
        """Give the two together."""
        return Counts(*map(add, astuple(self), astuple(other)))

    def __sub__(self, other: Counts) -> Counts:
        """Give what was added since the other."""
        return Counts(*map(sub, astuple(self), astuple(other)))


@dataclass(frozen=True, slots=True)
class Ended:
    """A night of which nothing is wanted any more, and what it had."""

    night: Night
    counts: Counts


class Tally:
    """Adds events up.

    A product that settles more than once counts once, without being remembered: the number of its
    attempts tells whether it failed before, and so among which it was counted. What settles though
    nobody said that it was wanted widens the whole, so that never more is done than there is.
    """

    def __init__(self) -> None:
        self.received = 0
        """Bytes of downloads, as they are on the wire."""
        self.unwell: str | None = None
        """Why nothing is asked for, while nothing is."""
        self.polling = True
        """Whether polls may yet bring more."""
        self.nights_complete = 0
        """How many nights have nothing left; known only when no poll can bring more."""
        self.overall = Counts()
        """How far the whole is."""
        self._nights: dict[Night, dict[Kind, _Cell]] = {}
        self._left: Counter[Kind] = Counter()
        self._missing_before = 0
        """Of the nights that were forgotten."""
        self._under_way: dict[str, dict[tuple[Instrument, str], Candidate]] = {}
        self._reasons: OrderedDict[str, tuple[str, int]] = OrderedDict()
        """By what they have in common: the latest reason, and how often there was one such."""
        self._rate = Rate()
        self._sizes = Sizes()

    def hear(self, event: Event, now: float) -> tuple[Ended, ...]:
        """Take note of what happened; gives the nights that are complete by it.

        Parameters
        ----------
        event
            What happened.
        now
            When, in seconds of a clock that does not go back.
        """
        match event:
            case Backlog():
                self._begin(event)
                return self._fold()
            case PollsEnded():
                self.polling = False
                return self._fold()
            case Settled(outcome):
                self._settle(outcome)
                return self._fold(outcome.candidate)
            case Polled():
                self._expect(event)
            case BatchBegun(batch):
                wanted = {one.product.identity: one for one in batch.candidates}
                self._under_way[batch.identifier] = wanted
            case BatchEnded(batch):
                self._under_way.pop(batch.identifier, None)
            case Received(_, size):
                self._receive(size, now)
            case _:
                self._worry(event)
        return ()

    # --- what is known -------------------------------------------------------------------------

    @property
    def nights_left(self) -> int:
        """How many nights have something left."""
        return sum(
            any(cell.counts.left for cell in cells.values()) for cells in self._nights.values()
        )

    def counts(self, night: Night, kind: Kind) -> Counts:
        """Tell how far one type of a night is; nothing is kept of a night that is complete."""
        cell = self._nights.get(night, {}).get(kind)
        return cell.counts if cell else Counts()

    def under_way(self, most: int) -> tuple[tuple[Night, Kind, Counts], ...]:
        """Give the nights and types of which something is being fetched, the newest first."""
        products = [one.product for some in self._under_way.values() for one in some.values()]
        places = {(one.night, (one.instrument, one.image_type)) for one in products}
        newest = sorted(places, key=_newest_first)[:most]
        return tuple((night, kind, self.counts(night, kind)) for night, kind in newest)

    @property
    def failures(self) -> tuple[tuple[str, int], ...]:
        """The reasons of what failed and how often each did, the latest first; 20 at most.

        Those that differ only in sizes, checksums or names of files count together.
        """
        return tuple(reversed(self._reasons.values()))

    def rate(self, now: float) -> float | None:
        """Give the recent rate, in bytes a second; None until it can be known."""
        return self._rate.at(now)

    def time_left(self, now: float) -> float | None:
        """Give about how many seconds what is left will take; None until it can be known.

        What is left is taken to be as large as what came of its type, or as it is said to be
        (`Traits.typical_size`). While polls go on it is the time for what they found so far.
        """
        rate, left = self.rate(now), self.overall.left
        if not left:
            return None if self.polling else 0.0
        if not rate:
            return None
        size = sum(number * self._sizes.of(kind) for kind, number in self._left.items())
        return size * self._on_the_wire / rate

    @property
    def _on_the_wire(self) -> float:
        """How many bytes travel for one that is put into the tree: fewer, when compressed."""
        return min(1.0, self.received / self._sizes.seen) if self._sizes.seen else 1.0

    # --- what happens --------------------------------------------------------------------------

    def _begin(self, backlog: Backlog) -> None:
        """Set what is wanted to what is said, and what is being fetched; what is done stays."""
        told = {(one.night, _kind(one)): one for one in backlog.shares}
        fetched = Counter(
            (one.product.night, _kind(one.product), one.attempts > 0)
            for some in self._under_way.values()
            for one in some.values()
        )
        known = [(night, kind) for night, cells in self._nights.items() for kind in cells]
        for night, kind in dict.fromkeys([*told, *known]):
            share = told.get((night, kind)) or Share(night, *kind, products=0)
            cell = self._cell(night, kind)
            failed = share.failed + fetched[night, kind, True]
            fresh = share.products - share.failed + fetched[night, kind, False]
            done = cell.published + cell.missing
            self._change(
                night, kind, failed=failed - cell.failed, wanted=done + failed + fresh - cell.wanted
            )

    def _expect(self, polled: Polled) -> None:
        self.unwell = None
        for share in polled.shares:
            self._change(share.night, _kind(share), wanted=share.products)

    def _receive(self, size: int, now: float) -> None:
        self.unwell = None
        self.received += size
        self._rate.came(size, now)

    def _settle(self, outcome: Outcome) -> None:
        candidate = outcome.candidate
        night, kind = candidate.product.night, _kind(candidate.product)
        for some in self._under_way.values():
            some.pop(candidate.product.identity, None)
        self._leave(candidate, night, kind)
        match outcome:
            case Published(_, evidence):
                self._sizes.note(kind, evidence.size)
                self._change(night, kind, published=1, size=evidence.size)
            case Unchanged(_, evidence):
                self._sizes.note(kind, evidence.size)
                self._change(night, kind, published=1)
            case Missing():
                self._change(night, kind, missing=1)
            case Failed(_, reason):
                self._blame(reason)
                self._change(night, kind, failed=1)

    def _leave(self, candidate: Candidate, night: Night, kind: Kind) -> None:
        """Take a product that settles from where it was counted, if it was."""
        cell = self._cell(night, kind)
        if candidate.state is State.MISSING and cell.missing:
            self._change(night, kind, missing=-1)
        elif candidate.state is State.MISSING:
            again = min(self._missing_before, 1)
            self._missing_before -= again
            self.overall -= Counts(total=again, missing=again)
            self._change(night, kind, wanted=1)
        elif candidate.attempts and cell.failed:
            self._change(night, kind, failed=-1)

    def _worry(self, event: Event) -> None:
        match event:
            case PollFailed():
                self._blame(event.reason)
            case Retrying() | ServerUnwell():
                self.unwell = event.reason
            case ServerWell():
                self.unwell = None
            case _:
                pass

    def _blame(self, reason: str) -> None:
        alike = _LONG_NUMBER.sub("", reason)
        _, times = self._reasons.pop(alike, ("", 0))
        self._reasons[alike] = reason, times + 1
        if len(self._reasons) > _REASONS_KEPT:
            self._reasons.popitem(last=False)

    def _fold(self, settled: Candidate | None = None) -> tuple[Ended, ...]:
        """Forget the nights that are complete; only their sum is kept.

        Parameters
        ----------
        settled
            What alone can have made its night complete. One that was missing cannot: its night was
            complete without it.

        Returns
        -------
        tuple of Ended
            Those of which this run had something to fetch: the others are not its own.
        """
        if self.polling:
            return ()
        nights = (settled.product.night,) if settled else tuple(self._nights)
        ended = [Ended(night, self._sum(night)) for night in nights]
        ended = [one for one in ended if not one.counts.left]
        for one in ended:
            del self._nights[one.night]
            self._missing_before += one.counts.missing
        if settled and settled.state is State.MISSING:
            return ()
        ours = tuple(one for one in ended if one.counts.total)
        self.nights_complete += len(ours)
        return ours

    def _sum(self, night: Night) -> Counts:
        return sum((cell.counts for cell in self._nights[night].values()), Counts())

    def _cell(self, night: Night, kind: Kind) -> _Cell:
        return self._nights.setdefault(night, {}).setdefault(kind, _Cell())

    def _change(self, night: Night, kind: Kind, **by: int) -> None:
        """Change the counts of one cell, and all sums with them."""
        cell = self._cell(night, kind)
        before = cell.counts
        for name, number in by.items():
            setattr(cell, name, getattr(cell, name) + number)
        after = cell.counts
        self.overall += after - before
        self._left[kind] += after.left - before.left


@dataclass(slots=True)
class _Cell:
    """What is known of one type of one night."""

    wanted: int = 0
    """How many were said to be wanted."""
    published: int = 0
    missing: int = 0
    failed: int = 0
    size: int = 0

    @property
    def counts(self) -> Counts:
        """How far it is; what settled though nobody said, or not yet, that it is wanted counts."""
        settled = self.published + self.missing + self.failed
        total = max(self.wanted, settled)
        return Counts(total, self.published, self.missing, self.failed, self.size)


def _kind(of: Product | Share) -> Kind:
    return of.instrument, of.image_type


def _newest_first(place: tuple[Night, Kind]) -> tuple[int, int, int]:
    night, (instrument, image_type) = place
    return -night.day.toordinal(), _CAMERAS.index(instrument), _TYPES.index(image_type)
