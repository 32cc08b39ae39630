"""One answer of the archive compared with the catalog, and recorded there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from winter_sync.archive import MOST_TOLD, READER
from winter_sync.catalog import CatalogThread, Listings, Poll, Polls, RecordedPoll, Settling
from winter_sync.core import (
    COVERED,
    EXPECTED,
    SUFFIXES,
    DamagedError,
    ErrorCode,
    Expectation,
    KnownRows,
    Part,
    Polled,
    PollFailed,
    ProductsLeftOut,
    Query,
    RowsLeftOut,
    Share,
    Sink,
    TypeNotServed,
    WinterSyncError,
    WithdrawalCleared,
    WithdrawalHeld,
    WithdrawalRule,
    run_in_thread,
    shares,
)
from winter_sync.formats import unknown_suffix
from winter_sync.sync.answers import ask, savepaths_of
from winter_sync.sync.comparison import Comparison, compare
from winter_sync.sync.windows import WIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from concurrent.futures import Executor

    from winter_sync.archive import ArchiveClient, Listing
    from winter_sync.core import (
        Instrument,
        KnownProduct,
        Layout,
        Product,
        Row,
        Subject,
        Time,
    )
    from winter_sync.sync.windows import Nights

_SHOWN = 100
EVERYTHING: Part = Part()
_MOST_KNOWN = 50_000
"""Rows of one window: to know one again takes some 300 bytes while the window is read."""


@dataclass(frozen=True, slots=True)
class WantedRows:
    """Which rows of an answer are recorded: all of them unless narrowed."""

    nights: Nights | None = None
    """For a backfill: of other nights nothing new is recorded."""
    unlisted: tuple[Subject, frozenset[tuple[Instrument, str]]] | None = None
    """For a query that follows another: the subject of that, and what it does not list any more."""
    expected: int = 0
    """How many products the answer to that had to list."""
    part: Part = EVERYTHING
    """For a backfill of less than whole nights: of all else nothing is recorded."""

    @property
    def has_all(self) -> bool:
        """Whether all rows are recorded."""
        return self.nights is None and self.unlisted is None and not self.part

    def includes(self, row: Row, known: Collection[tuple[Instrument, str]]) -> bool:
        """Return whether to record a row."""
        if self.unlisted is not None:
            return row.product.identity in self.unlisted[1]
        if self.part:
            in_nights = self.nights is None or self.nights.has(row)
            return in_nights and self.part.includes(row)
        is_known = row.product.identity in known
        return self.nights is None or is_known or self.nights.has(row)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer as it was recorded."""

    poll: Poll
    unlisted: list[Product]
    """What the subject of the query listed before and does not list now, while another may."""
    expected: int = field(default=0, compare=False)
    """How many products the answer had to list."""
    matching: frozenset[tuple[Instrument, str]] = field(default=frozenset(), compare=False)
    """Of a backfill of a part, the products that it lists of that part."""


@dataclass(slots=True)
class PollTally:
    """What the answers of one poll had to list so far, and what vanished."""

    expected: int = 0
    vanished: int = 0


@dataclass(frozen=True, slots=True)
class _Placed:
    """The rows of an answer that are used, and why others are not."""

    rows: list[tuple[Row, str]]
    """Each with its path in the tree."""
    faults: tuple[str, ...]
    """Why rows are left out, the first of them."""
    unnamed: int
    """How many more are left out."""


@dataclass(frozen=True, slots=True)
class _Absent:
    """What an answer lacks."""

    expected: int
    """How many products it must list."""
    products: list[Product]
    """Those that it must list and does not, unless a malformed row is of one."""
    missed: list[int]
    """The numbers of all products that it lacks though it was asked for their dates."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """What is recorded of an answer."""

    poll: Poll
    comparison: Comparison
    placed: _Placed
    missed: list[int]


class ListingRecorder:
    """Compares answers with the catalog and records what they list, change and withdraw.

    Parameters
    ----------
    api, catalog
        The archive's client, which knows its date and our secrets; the database.
    threads
        Where listings are compared: tens of thousands of rows would hold up the event loop.
    layout
        Where products go.
    emit
        Receives events.
    time
        A monotonic clock.
    withdrawal_rule
        How many products may vanish at once and be believed to be withdrawn.
    most_known
        Of how many known rows a window is asked for at once.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        api: ArchiveClient,
        catalog: CatalogThread,
        threads: Executor,
        layout: Layout,
        emit: Sink,
        time: Time,
        withdrawal_rule: WithdrawalRule | None = None,
        most_known: int = _MOST_KNOWN,
    ) -> None:
        self._most_known = most_known
        self._withdrawal_rule = withdrawal_rule or WithdrawalRule()
        self._api = api
        self._catalog = catalog
        self._threads = threads
        self._layout = layout
        self._emit = emit
        self._time = time

    async def record_sweep(self, subject: Subject) -> None:
        """Record that the whole span of a subject was listed."""
        await self._catalog.polls(Polls.record_sweep, subject)

    async def record_failure(self, query: Query, error: WinterSyncError) -> None:
        """Record that a query failed."""
        await self.record_unreachable(query, error.message)
        self._emit(PollFailed(query, error.message, error.cause, error.code))

    async def record_not_served(self, query: Query, error: WinterSyncError) -> None:
        """Record that the archive does not answer about a type that it may not have."""
        await self.record_unreachable(query, error.message)
        self._emit(TypeNotServed(query, error.message))

    async def record_unreachable(self, query: Query, reason: str) -> None:
        """Record that what a query asks for cannot be listed, without an event."""
        poll = Poll(query, sweep=False, error=reason)
        await self._catalog.listings(Listings.record_poll, poll)

    async def ask(
        self, query: Query, wanted: WantedRows, *, once: bool, has_halves: bool
    ) -> Listing | None:
        """Ask for a listing; what is listed as before of all that is wanted is not understood.

        Return None, without asking, if so much is known that the halves are better asked for.

        Raises
        ------
        WinterSyncError
            Split by remedy, as everywhere.
        """
        most = self._most_known + 1 if has_halves else None
        # What is known is not understood, so nobody could say whether it is of the part.
        is_all_read = wanted.unlisted or wanted.part
        known = KnownRows() if is_all_read else await self._known_rows(query, most)
        if len(known) == most:
            return None
        return await ask(self._api, self._catalog, query, known, once=once)

    async def savepaths(self, listing: Listing) -> set[str]:
        """Return the savepaths of all that an answer lists."""
        return await savepaths_of(self._catalog, listing)

    async def _known_rows(self, query: Query, most: int | None = None) -> KnownRows:
        reader = f"{READER} {self._layout.pattern}"
        return await self._catalog.listings(
            Listings.known_rows, query, self._api.today, reader, most
        )

    async def record(  # noqa: PLR0913 - all by name
        self,
        query: Query,
        listing: Listing,
        wanted: WantedRows,
        *,
        whole: bool,
        error: str | None = None,
        elsewhere: bool = False,
        tally: PollTally | None = None,
    ) -> Recorded:
        """Compare an answer with the catalog and record it.

        Parameters
        ----------
        query, listing
            What was asked, and the answer.
        wanted
            Which of its rows to record.
        whole
            Whether the answer lists all that the archive has: what it lacks has vanished then.
        error
            Why it is not whole, for whoever looks at the catalog.
        elsewhere
            Whether another subject is asked for what has vanished, as after every region: then
            nothing is withdrawn by this answer.
        tally
            What the earlier answers of the poll had to list.
        """
        began = self._time.monotonic()
        known = await self._known(query, [row.product.savepath for row in listing.rows])
        absent = await self._absent(query, listing, wanted, known)
        if listing.faults and wanted.unlisted is None:
            # A row of no use may be of any of them.
            subject = query.subject
            await self._catalog.settling(Settling.postpone, subject.program, absent.products)
        vanished = [product for product in absent.products if not listing.names(product)]
        comparison = await self._compare(listing, known, vanished if whole else [], wanted)
        unlisted: list[Product] = []
        if elsewhere or query.subject.region is not None:
            unlisted = comparison.withdrawn
            comparison = replace(comparison, withdrawn=[])
        placed = await run_in_thread(self._threads, self._place, list(comparison.rows), listing)
        poll = _poll_of(query, listing, comparison, placed)
        poll = replace(poll, seconds=self._time.monotonic() - began, error=error)
        tally = PollTally() if tally is None else tally
        expected = absent.expected if whole else 0
        expectation = self._expectation(wanted, expected, tally)
        recorded = await self._commit(
            _Answered(poll, comparison, placed, absent.missed), wanted, expectation
        )
        tally.vanished += recorded.poll.withdrawn - recorded.renamed + len(recorded.held)
        matching = frozenset(row.product.identity for row, _ in placed.rows if wanted.part)
        return Recorded(recorded.poll, unlisted, expected, matching)

    async def narrowed(self, query: Query, subject: Subject, recorded: Recorded) -> Query:
        """Return a query for no more dates than those of what a subject lists no more."""
        span = await self._catalog.listings(Listings.span, subject, recorded.unlisted)
        if span is None:
            return query
        first, last = span[0] - WIDER, span[1] + WIDER
        is_over = last < self._api.today and (query.end is None or last < query.end)
        return replace(query, start=max(query.start, first), end=last if is_over else query.end)

    def _expectation(self, wanted: WantedRows, expected: int, tally: PollTally) -> Expectation:
        """Return what vanished products are compared with, and add it to the tally."""
        if wanted.unlisted is None:
            tally.expected += expected
        else:
            expected = wanted.expected
        return Expectation(
            self._withdrawal_rule, expected, max(tally.expected - expected, 0), tally.vanished
        )

    async def _commit(
        self, answered: _Answered, wanted: WantedRows, expectation: Expectation
    ) -> RecordedPoll:
        """Record a poll and what follows from it; return it as it was recorded."""
        poll, comparison, placed = answered.poll, answered.comparison, answered.placed
        missed_by = wanted.unlisted[0] if wanted.unlisted else None
        recorded = await self._catalog.listings(
            Listings.record_poll,
            poll,
            listed=placed.rows,
            wanted=comparison.changed,
            withdrawn=comparison.withdrawn,
            missed=answered.missed,
            expectation=expectation,
            missed_by=missed_by,
            by_hand=wanted.part.region_of(poll.query) if wanted.part else None,
        )
        to_fetch = _to_fetch(comparison, placed.rows, recorded.left_out)
        self._emit_poll(recorded.poll, to_fetch, missed_by)
        if placed.faults:
            self._emit(RowsLeftOut(poll.query, placed.faults, placed.unnamed))
        if recorded.left_out:
            self._emit(ProductsLeftOut(tuple(recorded.left_out)))
        if recorded.newly_held:
            lost_by = missed_by or poll.query.subject
            self._emit(WithdrawalHeld(lost_by, recorded.newly_held, expectation.expected))
        if recorded.cleared:
            self._emit(WithdrawalCleared(poll.query, recorded.cleared))
        return recorded

    async def _compare(
        self,
        listing: Listing,
        known: Sequence[KnownProduct],
        vanished: Sequence[Product],
        wanted: WantedRows,
    ) -> Comparison:
        """Hold an answer against exactly what was asked: every row of it, and all it must list."""
        return await run_in_thread(self._threads, _comparison, listing, known, vanished, wanted)

    async def _known(self, query: Query, savepaths: Iterable[str]) -> list[KnownProduct]:
        instrument = query.subject.instrument
        identities = [(instrument, savepath) for savepath in savepaths]
        return await self._catalog.listings(Listings.known, identities)

    async def _absent(
        self, query: Query, listing: Listing, wanted: WantedRows, known: Sequence[KnownProduct]
    ) -> _Absent:
        """Return what an answer must list and does not; what a malformed row is of is in doubt."""
        named = {each.number for each in await self._known(query, sorted(listing.malformed))}
        if wanted.unlisted is not None:
            return await self._absent_of_second(query, wanted.unlisted, named)
        if listing.is_stopped:
            return _Absent(0, [], [])
        before = listing.known or await self._known_rows(query)
        seen = listing.seen or bytes(len(before))
        unseen = dict(before.unseen(seen, {each.number for each in known}))
        in_doubt = named.intersection(before.numbers_of(EXPECTED)) if named else ()
        unlisted = [number for number, kind in unseen.items() if kind & EXPECTED]
        return _Absent(
            before.expected - len(in_doubt),
            await self._catalog.listings(Listings.products, unlisted),
            [number for number, kind in unseen.items() if kind & COVERED],
        )

    async def _absent_of_second(
        self,
        query: Query,
        unlisted: tuple[Subject, frozenset[tuple[Instrument, str]]],
        named: Collection[int],
    ) -> _Absent:
        """Return what a second query must list: only what the first did not."""
        subject, missed = unlisted
        before = await self._known_rows(replace(query, subject=subject))
        expected = set(before.numbers_of(EXPECTED)).difference(named)
        known = await self._catalog.listings(Listings.known, sorted(missed))
        products = [each.product for each in known if each.number in expected]
        return _Absent(len(products), products, [])

    def _place(self, rows: Iterable[Row], listing: Listing) -> _Placed:
        """Find the path of each row; leave out one without a path, or that nothing can check."""
        placed: list[tuple[Row, str]] = []
        faults: list[str] = []
        refused = 0
        for row in rows:
            try:
                _refuse_unknown_format(row.product, self._api.redacted)
                placed.append((row, self._layout.path(row.product)))
            except DamagedError as fault:
                refused += 1
                if refused <= MOST_TOLD:
                    faults.append(self._api.redacted(fault.message))
        unnamed = listing.untold + refused - len(faults)
        return _Placed(placed, (*listing.faults, *faults), unnamed)

    def _emit_poll(
        self, poll: Poll, to_fetch: tuple[Share, ...], missed_by: Subject | None
    ) -> None:
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
                missed_by=missed_by,
            )
        )


def _refuse_unknown_format(product: Product, redact: Callable[[str], str]) -> None:
    """Refuse a product that could never be published, before it is downloaded.

    Secrets are taken out of its name before a part of it is shown, which could be a part of one.

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
        f"({', '.join(SUFFIXES)})",
        code=ErrorCode.FILE_NAME,
    )


def _comparison(
    listing: Listing, known: Sequence[KnownProduct], vanished: Sequence[Product], wanted: WantedRows
) -> Comparison:
    """Return what an answer means for what is known, less the rows that are not wanted."""
    comparison = compare(listing.rows, known, vanished)
    if wanted.has_all:
        return comparison
    identities = {product.product.identity for product in known}
    return comparison.only(lambda row: wanted.includes(row, identities))


def _poll_of(query: Query, listing: Listing, comparison: Comparison, placed: _Placed) -> Poll:
    """Return the record of a query that was answered."""
    return Poll(
        query,
        sweep=False,
        listed=listing.distinct,
        new=len(_placed_new(comparison, placed.rows)),
        changed=len(comparison.changed),
        returned=len(comparison.returned),
        withdrawn=len(comparison.withdrawn),
        faults=len(placed.faults) + placed.unnamed,
    )


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
