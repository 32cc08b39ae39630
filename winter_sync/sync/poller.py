"""Looking: the archive asked what it lists, and the answer compared and recorded."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from winter_sync.archive import MOST_TOLD
from winter_sync.catalog import CatalogThread, Listings, Poll, Polls
from winter_sync.core import (
    SUFFIXES,
    BadAnswerError,
    DamagedError,
    LeftAloneError,
    Polled,
    PollFailed,
    ProductsLeftOut,
    Query,
    RefusedError,
    RejectedQueryError,
    RowsLeftOut,
    Share,
    Sink,
    TransientError,
    WindowHalved,
    WinterSyncError,
    run_in_thread,
    shares,
)
from winter_sync.formats import unknown_suffix
from winter_sync.sync.comparison import Comparison, compare
from winter_sync.sync.failed_windows import FailedWindows
from winter_sync.sync.results import PollResult
from winter_sync.sync.windows import (
    backfill_queries,
    poll_queries,
    span_of,
    split_by_date,
    split_in_half,
    why_not_asked,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from winter_sync.archive import ArchiveClient, Listing
    from winter_sync.core import (
        Instrument,
        KnownProduct,
        Layout,
        Night,
        PollSchedule,
        Product,
        Program,
        Row,
        Selection,
        Subject,
        Time,
    )

_SHOWN = 100
_PROGRAM_ASKED_AGAIN = timedelta(days=1)
_FAILURES = 8
"""After so many windows that cannot be halved and fail, a look is over.

As windows overlap, one broken night is in up to five of them.
"""


@dataclass(frozen=True, slots=True)
class Nights:
    """A span of nights, both ends included."""

    first: Night
    last: Night

    def has(self, row: Row) -> bool:
        """Return whether a row's product belongs to one of these nights."""
        return self.first <= row.product.night <= self.last


@dataclass(slots=True)
class _Look:
    """One look at a subject: what it is for, and what it came to so far."""

    nights: Nights | None = None
    """For a backfill: of other nights nothing new is recorded."""
    unlisted: tuple[Subject, frozenset[tuple[Instrument, str]]] | None = None
    """For a second look: a narrower subject, and what it does not list any more."""
    sweep: bool = False
    answered: bool = False
    failures: list[WinterSyncError] = field(default_factory=list)
    gaps: list[WinterSyncError] = field(default_factory=list)
    """FailedWindows that no question got all rows of; those that came were used."""
    result: PollResult = field(default_factory=PollResult)
    seen: set[str] | None = None
    """The savepaths listed while the parts of a cut answer are asked for."""

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Keep as the result's error what a poll may fail of."""
        try:
            yield
        except (RefusedError, TransientError, BadAnswerError) as error:
            self.result = replace(self.result, error=error)

    @property
    def is_over(self) -> bool:
        """Whether enough has failed not to ask on: sooner where nothing was answered."""
        return len(self.failures) >= (_FAILURES if self.answered else 1)

    def wants(self, row: Row, known: Collection[tuple[Instrument, str]]) -> bool:
        """Return whether a row is to be recorded."""
        if self.unlisted is not None:
            return row.product.identity in self.unlisted[1]
        is_known = row.product.identity in known
        return self.nights is None or is_known or self.nights.has(row)


class Poller:
    """Looks at subjects.

    A window that fails though the server is well is halved, again and again, until its parts are
    answered: what is too much at once, or broken in one night, costs no other night.

    Parameters
    ----------
    api, catalog
        The archive and the database.
    layout
        Where products go.
    rhythm
        How far back to look at a subject, and how often at all of it.
    emit
        Hears what happens.
    threads
        Where listings are compared: tens of thousands of rows would hold the event loop up.
    time
        Clocks.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        api: ArchiveClient,
        catalog: CatalogThread,
        threads: Executor,
        layout: Layout,
        rhythm: Callable[[Subject], PollSchedule],
        emit: Sink,
        time: Time,
    ) -> None:
        self._api = api
        self._catalog = catalog
        self._threads = threads
        self._layout = layout
        self._rhythm = rhythm
        self._emit = emit
        self._time = time
        self._programs: dict[str, tuple[datetime, Program]] = {}
        self._windows = FailedWindows(time.clock)
        self._in_doubt = False

    async def poll(
        self,
        selection: Selection,
        subject: Subject,
        *,
        by_hand: bool = False,
    ) -> PollResult:
        """Poll the last nights of a subject, or its whole span when a sweep is due.

        A sweep counts as one when all of it is in. A program that ended long ago is polled only in
        a sweep, or `by_hand`.

        Returns
        -------
        PollResult
            What it came to. Its error is a `RefusedError` if the program's credentials are
            refused, a `TransientError` if the server is unwell, and a `BadAnswerError` if it is
            well and yet does not answer some of the poll; the rest was polled.
        """
        look = _Look()
        with look.failing():
            await self._poll(selection, subject, look, by_hand=by_hand)
        return look.result

    async def _poll(
        self, selection: Selection, subject: Subject, look: _Look, *, by_hand: bool
    ) -> None:
        program = await self._program_for(subject)
        span, today = span_of(selection, program), self._api.today
        rhythm = self._rhythm(subject)
        look.sweep = await self._sweep_is_due(subject, rhythm)
        lookback = None if look.sweep else rhythm.lookback_nights
        queries = poll_queries(subject, span, today, lookback=lookback)
        if not queries and by_hand and not look.sweep:
            look.sweep, queries = True, poll_queries(subject, span, today, lookback=None)
        if not queries:
            look.result = replace(look.result, not_asked=why_not_asked(span, today))
        await self._ask_all(queries, look)

    async def poll_nights(
        self,
        selection: Selection,
        subject: Subject,
        nights: Nights,
    ) -> PollResult:
        """Poll the given nights of a subject; return as `poll` does."""
        look = _Look(nights)
        with look.failing():
            await self._poll_nights(selection, subject, nights, look)
        return look.result

    async def _poll_nights(
        self, selection: Selection, subject: Subject, nights: Nights, look: _Look
    ) -> None:
        today = self._api.today
        span = span_of(selection, await self.look_up_program(selection.program))
        queries = backfill_queries(subject, span, today, nights.first, nights.last)
        if not queries:
            why = why_not_asked(span, today, nights.first)
            look.result = replace(look.result, not_asked=why)
        await self._ask_all(queries, look)

    async def look_up_program(self, name: str) -> Program:
        """Return a program's span; ask for it again every day, as programs are prolonged.

        Raises
        ------
        RefusedError, TransientError, BadAnswerError
            As the archive answers.
        """
        asked, program = self._programs.get(name, (None, None))
        if program is None or asked is None or self._time.clock() - asked >= _PROGRAM_ASKED_AGAIN:
            program = await self._api.program(name)
            self._programs[name] = self._time.clock(), program
        return program

    async def _program_for(self, subject: Subject) -> Program:
        try:
            return await self.look_up_program(subject.program)
        except WinterSyncError as error:
            await self._record_failure(Query(subject, self._api.today), error)
            raise

    async def _sweep_is_due(self, subject: Subject, rhythm: PollSchedule) -> bool:
        last = await self._catalog.polls(Polls.last_sweep, subject)
        return last is None or not timedelta(0) <= self._time.clock() - last < rhythm.sweep_every

    # --- windows -------------------------------------------------------------------------------

    async def _ask_all(self, queries: Sequence[Query], look: _Look) -> None:
        """Ask all the questions of a look; a sweep that is answered in full is recorded as one."""
        for query in queries:
            await self._ask(query, look)
        if look.failures:
            raise self._verdict(look)
        if look.gaps:
            raise look.gaps[0]
        if look.sweep and queries:
            await self._catalog.polls(Polls.record_sweep, queries[-1].subject)

    async def _ask(self, query: Query, look: _Look) -> None:
        """Ask for a window, by parts if it must be; what fails of it is noted and passed over."""
        today = self._api.today
        halves = split_in_half(query, today)
        if look.is_over:
            return
        if halves is not None and self._windows.is_too_long(query, today):
            await self._ask_parts(halves, look)
            return
        try:
            listing = await self._api.query(query)
        except (TransientError, BadAnswerError) as error:
            await self._ask_less(query, halves, look, error)
            return
        except WinterSyncError as error:
            await self._record_failure(query, error)
            raise
        self._in_doubt, look.answered = False, True
        if listing.is_cut:
            await self._ask_for_the_rest(query, listing, look)
        else:
            self._windows.was_answered(query, today)
            await self._compare_and_record(query, listing, look)

    async def _ask_less(
        self,
        query: Query,
        halves: tuple[Query, ...] | None,
        look: _Look,
        error: WinterSyncError,
    ) -> None:
        """Ask for the halves of a window that failed, where the window may be to blame."""
        if not await self._is_the_window(error):
            await self._record_failure(query, error)
            raise error
        if halves is None:
            await self._record_failure(query, error)
            look.failures.append(error)
            return
        self._emit(WindowHalved(query, error.message))
        if await self._ask_parts(halves, look):
            # Both were answered, so it was their size together: spare the server that next time.
            self._windows.was_too_long(query, self._api.today)

    async def _ask_for_the_rest(self, query: Query, listing: Listing, look: _Look) -> None:
        """Ask for the parts of a window of which the archive found more than it listed.

        What it did list is used in any case; nothing counts as withdrawn by it. When the parts
        together do not have as much as was found either, that is a gap.
        """
        found, outer = listing.found or 0, look.seen
        look.seen = {row.product.savepath for row in listing.rows} | listing.malformed
        reason = f"the archive found {found} images and listed {listing.distinct} of them"
        today = self._api.today
        halves = split_in_half(query, today)
        parts = halves or split_by_date(query, today)
        await self._record(query, listing, look, whole=False, error=reason)
        listed = len(look.seen)
        self._emit(WindowHalved(query, reason))
        in_full = await self._ask_parts(parts, look)
        if in_full and len(look.seen) == listed:
            await self._note_gap(query, look, reason)
        elif in_full and halves:
            self._windows.was_too_long(query, today)
        if outer is not None:
            outer |= look.seen
        look.seen = outer

    async def _note_gap(self, query: Query, look: _Look, reason: str) -> None:
        """Note that some of a window was not listed; the first few are recorded each."""
        error = BadAnswerError(
            reason,
            remedy="What was listed is downloaded. Nothing is taken for withdrawn, and the rest is "
            "asked for again at the next poll. If it stays so, ask the observatory for the limit "
            "of a listing, or narrow the selection by targets, cones or rectangles.",
        )
        look.gaps.append(error)
        if len(look.gaps) <= _FAILURES:
            await self._record_failure(query, error)

    async def _ask_parts(self, parts: tuple[Query, ...], look: _Look) -> bool:
        """Ask for the parts of a window; returns whether all of them were answered in full."""
        trouble = len(look.failures) + len(look.gaps)
        for part in parts:
            await self._ask(part, look)
        return len(look.failures) + len(look.gaps) == trouble

    async def _is_the_window(self, error: WinterSyncError) -> bool:
        """Return whether less may be answered: the server is well, and answered lately."""
        if self._in_doubt or isinstance(error, LeftAloneError | RejectedQueryError):
            return False
        try:
            await self._api.probe()
        except TransientError:
            return False
        return True

    def _verdict(self, look: _Look) -> WinterSyncError:
        """Return what a look that failed in part means: some nights are broken, or the server."""
        first = look.failures[0]
        self._in_doubt = not look.answered
        if self._in_doubt or isinstance(first, BadAnswerError):
            return first
        return BadAnswerError(first.message, remedy=first.remedy)

    async def record_unreachable(self, subjects: Iterable[Subject], reason: str) -> None:
        """Record for what was not asked itself that it cannot be listed now.

        A poll that is held says nothing, and after a refusal nothing more is asked. Whoever looks
        at the catalog meanwhile sees since when the archive, or a program, cannot be listed.
        """
        for subject in subjects:
            query = Query(subject, self._api.today)
            await self._catalog.listings(
                Listings.record_poll, Poll(query, sweep=False, error=reason)
            )

    async def _record_failure(self, query: Query, error: WinterSyncError) -> None:
        await self._catalog.listings(
            Listings.record_poll, Poll(query, sweep=False, error=error.message)
        )
        self._emit(PollFailed(query, error.message, error.cause))

    # --- one answer ----------------------------------------------------------------------------

    async def _compare_and_record(self, query: Query, listing: Listing, look: _Look) -> None:
        """Record an answer that is not cut; what a region lists no more gets a second look."""
        if look.seen is not None:
            look.seen |= {row.product.savepath for row in listing.rows} | listing.malformed
        unlisted = await self._record(query, listing, look, whole=listing.is_whole)
        if unlisted:
            # It may have left the region only: a target or a position was corrected.
            program_wide = replace(query, subject=replace(query.subject, region=None))
            missed = frozenset(product.identity for product in unlisted)
            second = _Look(unlisted=(query.subject, missed), result=look.result)
            try:
                await self._ask_all([program_wide], second)
            finally:
                look.result = second.result

    async def _record(
        self,
        query: Query,
        listing: Listing,
        look: _Look,
        *,
        whole: bool,
        error: str | None = None,
    ) -> list[Product]:
        """Compare an answer with the catalog and record it.

        Returns
        -------
        list of Product
            What this region listed before and does not list now, while the program may.
        """
        began = self._time.monotonic()
        comparison = await self._compare(query, listing, look, whole=whole)
        unlisted: list[Product] = []
        if query.subject.region is not None:
            unlisted = comparison.withdrawn
            comparison = replace(comparison, withdrawn=[])
        placed, faults, untold = await run_in_thread(
            self._threads, self._place, list(comparison.rows), listing
        )
        poll = Poll(
            query,
            sweep=False,
            listed=listing.distinct,
            new=len(_placed_new(comparison, placed)),
            changed=len(comparison.changed),
            returned=len(comparison.returned),
            withdrawn=len(comparison.withdrawn),
            faults=len(faults) + untold,
            seconds=self._time.monotonic() - began,
            error=error,
        )
        left_out = await self._catalog.listings(
            Listings.record_poll,
            poll,
            listed=placed,
            wanted=comparison.changed,
            withdrawn=comparison.withdrawn,
        )
        poll = replace(poll, new=poll.new - len(left_out))
        self._tell_poll(poll, _to_fetch(comparison, placed, left_out))
        if faults:
            self._emit(RowsLeftOut(query, faults, untold))
        if left_out:
            self._emit(ProductsLeftOut(tuple(left_out)))
        look.result = look.result.with_listing(poll)
        return unlisted

    async def _compare(
        self, query: Query, listing: Listing, look: _Look, *, whole: bool
    ) -> Comparison:
        """Hold an answer against exactly what was asked: every row of it, and all it must list."""
        known = await self._catalog.listings(
            Listings.known, [row.product.identity for row in listing.rows]
        )
        expected = await self._expected(query, listing, look) if whole else []
        return await run_in_thread(self._threads, _comparison, listing, known, expected, look)

    async def _expected(self, query: Query, listing: Listing, look: _Look) -> list[Product]:
        """Return what an answer must list; of a second look, only what the first did not."""
        subject, missed = look.unlisted or (query.subject, None)
        asked = replace(query, subject=subject)
        return [
            product
            for product in await self._catalog.listings(Listings.expected, asked, self._api.today)
            if not listing.names(product) and (missed is None or product.identity in missed)
        ]

    def _place(
        self, rows: Iterable[Row], listing: Listing
    ) -> tuple[list[tuple[Row, str]], tuple[str, ...], int]:
        """Give each row its path, and leave out one that can have none or that nothing can check.

        Returns
        -------
        tuple
            The rows that are used with their paths; why others are not, the first of them; and how
            many more are not.
        """
        placed: list[tuple[Row, str]] = []
        faults: list[str] = []
        refused = 0
        for row in rows:
            try:
                _refuse_unknown_format(row.product, self._api.redacted)
                placed.append((row, str(self._layout.path(row.product))))
            except DamagedError as fault:
                refused += 1
                if refused <= MOST_TOLD:
                    faults.append(self._api.redacted(fault.message))
        return placed, (*listing.faults, *faults), listing.untold + refused - len(faults)

    def _tell_poll(self, poll: Poll, to_fetch: tuple[Share, ...]) -> None:
        self._emit(
            Polled(
                poll.query,
                listed=poll.listed,
                new=poll.new,
                changed=poll.changed,
                returned=poll.returned,
                withdrawn=poll.withdrawn,
                seconds=poll.seconds,
                shares=to_fetch,
            )
        )


def _refuse_unknown_format(product: Product, redact: Callable[[str], str]) -> None:
    """Refuse a product that could never be published, before it is downloaded.

    Secrets are taken out of its name before a part of it is told, which could be a part of one.

    Raises
    ------
    DamagedError
        If its name ends as no file does whose format is known.
    """
    if unknown_suffix(product.filename) is None:
        return
    name = redact(product.filename)
    suffix = unknown_suffix(name)
    end = f"ends in {suffix}" if suffix else "has no ending"
    raise DamagedError(
        f"{name[:_SHOWN]!r} is not downloaded: its name {end}, no format that can be checked "
        f"({', '.join(SUFFIXES)})"
    )


def _comparison(
    listing: Listing, known: Sequence[KnownProduct], expected: Sequence[Product], look: _Look
) -> Comparison:
    """Return what an answer means for what is known, less the rows that are not looked for."""
    comparison = compare(listing.rows, known, expected)
    identities = {each.product.identity for each in known}
    return comparison.only(lambda row: look.wants(row, identities))


def _placed_new(comparison: Comparison, placed: Iterable[tuple[Row, str]]) -> list[tuple[Row, str]]:
    """Return the new rows that are used."""
    new = {row.product.identity for row in comparison.new}
    return [(row, path) for row, path in placed if row.product.identity in new]


def _to_fetch(
    comparison: Comparison, placed: Iterable[tuple[Row, str]], left_out: Iterable[Product]
) -> tuple[Share, ...]:
    """Count by night and type what a listing makes wanted: the new with a place, the changed."""
    without = {product.identity for product in left_out}
    new = [row.product for row, _ in _placed_new(comparison, placed)]
    found = [product for product in new if product.identity not in without]
    return shares([*found, *(row.product for row in comparison.changed)])
