"""A run added up as it goes: products by night and type, bytes, rate, time left.

Nothing here does I/O or knows the time: events and the moments they happened are passed in. What is
kept grows with the nights under way, never with their products.
"""

from __future__ import annotations

from winter_sync.cli.progress.counts import Counts, Ended, Kind, NightCounts, kind_of
from winter_sync.cli.progress.failures import Failures
from winter_sync.cli.progress.forecast import Rate, Sizes
from winter_sync.cli.progress.under_way import UnderWay
from winter_sync.core import (
    Adopted,
    Backlog,
    BatchEnded,
    BatchStarted,
    Candidate,
    Event,
    EventTable,
    FactsRead,
    Failed,
    Missing,
    Night,
    Outcome,
    Polled,
    PollFailed,
    PollsEnded,
    ProductFinished,
    Published,
    Received,
    Retrying,
    ServerFailing,
    ServerRecovered,
    Share,
    State,
    Unchanged,
)


class Tally:
    """Adds events up.

    A product that ends more than once counts once, without being remembered: the number of its
    attempts says whether it failed before, and so where it was counted. A product that ends though
    it was never reported to be wanted widens the whole, so that never more is done than there is.
    """

    def __init__(self) -> None:
        self.received = 0
        """Bytes of downloads, as they are on the wire."""
        self.server_trouble: str | None = None
        """Why no request is sent, while none is."""
        self.polling = True
        """Whether polls may yet find more."""
        self.nights_done = 0
        """Nights that have nothing left; known only when no poll can find more."""
        self.facts_read = 0
        """Images whose headers were read."""
        self.facts_left = 0
        """Images whose headers are still to be read; 0 until that begins."""
        self._counts = NightCounts()
        self._under_way = UnderWay()
        self._failures = Failures()
        self._rate = Rate()
        self._sizes = Sizes()
        self._now = 0.0
        """When the event that is being added happened."""
        self._handlers = self._handler_table()

    def record(self, event: Event, now: float) -> tuple[Ended, ...]:
        """Add an event; return the nights that it completes.

        Parameters
        ----------
        event
            What happened.
        now
            When, in seconds of a clock that does not go back.
        """
        self._now = now
        return self._handlers.of(event) or ()

    def _handler_table(self) -> EventTable[tuple[Ended, ...] | None]:
        handlers = EventTable[tuple[Ended, ...] | None]()
        handlers.add(Backlog, self._start)
        handlers.add(Polled, self._polled)
        handlers.add(PollFailed, lambda event: self._failures.add(event.reason))
        handlers.add(PollsEnded, self._polls_ended)
        handlers.add(BatchStarted, lambda event: self._under_way.begin(event.batch))
        handlers.add(Received, self._received)
        handlers.add(ProductFinished, self._finished)
        handlers.add(BatchEnded, lambda event: self._under_way.end(event.batch))
        handlers.add(FactsRead, self._facts_read)
        handlers.add(Retrying, self._server_failing)
        handlers.add(ServerFailing, self._server_failing)
        handlers.add(ServerRecovered, self._server_recovered)
        return handlers

    # --- what is known -------------------------------------------------------------------------

    @property
    def overall(self) -> Counts:
        """How far the whole is."""
        return self._counts.overall

    @property
    def nights_left(self) -> int:
        """The number of nights that have something left."""
        return self._counts.nights_left

    def under_way(self, most: int) -> tuple[tuple[Night, Kind, Counts], ...]:
        """Return the nights and types being downloaded, the newest first, at most this many."""
        places = self._under_way.newest(most)
        return tuple((night, kind, self._counts.of(night, kind)) for night, kind in places)

    @property
    def failures(self) -> tuple[tuple[str, int], ...]:
        """The reasons of failures and how often each occurred, the latest first; 20 at most."""
        return self._failures.latest_first

    def rate(self, now: float) -> float | None:
        """Return the recent rate, in bytes a second; None until it can be known."""
        return self._rate.at(now)

    def time_left(self, now: float) -> float | None:
        """Return about how many seconds the rest will take; None until it can be known.

        What is left is taken to be as large as what arrived of its type, or else as is typical
        (`Traits.typical_size`). While polls go on it is the time for what they found so far.
        """
        rate, left = self.rate(now), self.overall.left
        if not left:
            return None if self.polling else 0.0
        if not rate:
            return None
        size = sum(number * self._sizes.of(kind) for kind, number in self._counts.left.items())
        return size * self._on_the_wire / rate

    @property
    def _on_the_wire(self) -> float:
        """Bytes that travel for one that is put into the tree: fewer, when compressed."""
        return min(1.0, self.received / self._sizes.seen) if self._sizes.seen else 1.0

    # --- what happens --------------------------------------------------------------------------

    def _start(self, backlog: Backlog) -> tuple[Ended, ...]:
        """Set what is left to the backlog and what is under way; what is done stays."""
        shares = {(share.night, kind_of(share)): share for share in backlog.shares}
        under_way = self._under_way.counted()
        for night, kind in dict.fromkeys([*shares, *self._counts.places()]):
            share = shares.get((night, kind)) or Share(night, *kind, products=0)
            self._counts.set_left(
                night,
                kind,
                fresh=share.products - share.failed + under_way[night, kind, False],
                failed=share.failed + under_way[night, kind, True],
            )
        return self._forget_complete()

    def _polled(self, event: Polled) -> None:
        self.server_trouble = None
        for share in event.shares:
            self._counts.add(share.night, kind_of(share), wanted=share.products)

    def _polls_ended(self, event: PollsEnded) -> tuple[Ended, ...]:
        del event
        self.polling = False
        return self._forget_complete()

    def _received(self, event: Received) -> None:
        self.server_trouble = None
        self.received += event.size
        self._rate.add(event.size, self._now)

    def _finished(self, event: ProductFinished) -> tuple[Ended, ...]:
        candidate = event.outcome.candidate
        self._under_way.remove(candidate.product)
        self._counts.uncount(candidate)
        self._count(event.outcome)
        return self._forget_complete(candidate)

    def _count(self, outcome: Outcome) -> None:
        product = outcome.candidate.product
        night, kind = product.night, kind_of(product)
        match outcome:
            case Published(_, evidence):
                self._sizes.add(kind, evidence.size)
                self._counts.add(night, kind, published=1, size=evidence.size)
            case Unchanged(_, evidence) | Adopted(_, evidence):
                self._sizes.add(kind, evidence.size)
                self._counts.add(night, kind, published=1)
            case Missing():
                self._counts.add(night, kind, missing=1)
            case Failed(_, reason):
                self._failures.add(reason)
                self._counts.add(night, kind, failed=1)

    def _facts_read(self, event: FactsRead) -> None:
        self.facts_read += event.files
        self.facts_left = event.left

    def _server_failing(self, event: Retrying | ServerFailing) -> None:
        self.server_trouble = event.reason

    def _server_recovered(self, event: ServerRecovered) -> None:
        del event
        self.server_trouble = None

    def _forget_complete(self, ended: Candidate | None = None) -> tuple[Ended, ...]:
        """Forget the nights that are complete.

        Parameters
        ----------
        ended
            The only product that can have completed its night; None if any night may be complete.
            One that was missing cannot have: its night was complete without it.

        Returns
        -------
        tuple of Ended
            Those of which this run had something to download: the others are not its own.
        """
        if self.polling:
            return ()
        complete = self._counts.forget_complete(
            (ended.product.night,) if ended else tuple(self._counts)
        )
        if ended and ended.state is State.MISSING:
            return ()
        own = tuple(night for night in complete if night.counts.total)
        self.nights_done += len(own)
        return own
