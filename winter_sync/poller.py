"""Looking: the archive asked what it lists, and the answer compared and recorded."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from winter_sync import plan
from winter_sync.catalog import Catalog, CatalogThread
from winter_sync.errors import (
    BadAnswerError,
    DamagedError,
    LeftAloneError,
    RejectedQueryError,
    TransientError,
    WinterSyncError,
)
from winter_sync.events import (
    LeftOut,
    Polled,
    PollFailed,
    RowsRefused,
    Share,
    Tell,
    WindowHalved,
    shares,
)
from winter_sync.models import Query
from winter_sync.records import Poll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winter_sync.api import Api
    from winter_sync.layout import Layout
    from winter_sync.models import (
        Night,
        Product,
        Program,
        Rhythm,
        Row,
        Selection,
        Subject,
    )

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
        """Tell whether a row's product belongs to one of these nights."""
        return self.first <= row.product.night <= self.last


@dataclass(slots=True)
class _Look:
    """One look at a subject: what it is for, and what failed of it so far."""

    noted: Callable[[Poll], None]
    nights: Nights | None = None
    sweep: bool = False
    answered: bool = False
    failures: list[WinterSyncError] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether enough has failed not to ask on: sooner where nothing was answered."""
        return len(self.failures) >= (_FAILURES if self.answered else 1)


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
    tell
        Hears what happens.
    clock
        Gives the current UTC time.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        api: Api,
        catalog: CatalogThread,
        layout: Layout,
        rhythm: Callable[[Subject], Rhythm],
        tell: Tell,
        clock: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._catalog = catalog
        self._layout = layout
        self._rhythm = rhythm
        self._tell = tell
        self._clock = clock
        self._programs: dict[str, tuple[datetime, Program]] = {}
        self._days: dict[Subject, int] = {}
        self._in_doubt = False

    async def poll(
        self, selection: Selection, subject: Subject, noted: Callable[[Poll], None]
    ) -> None:
        """Look at the last nights of a subject, or at its whole span when a sweep is due.

        A sweep counts as one when all of it is in. `noted` hears of every listing.

        Raises
        ------
        RefusedError
            If the program's credentials are.
        TransientError
            If the server is not well.
        BadAnswerError
            If it is, and yet does not answer some of it; the rest was looked at.
        """
        program = await self._program_for(subject)
        span = plan.span_of(selection, program, self._api.today)
        rhythm = self._rhythm(subject)
        sweep = await self._sweep_is_due(subject, rhythm)
        lookback = None if sweep else rhythm.lookback_nights
        queries = plan.look(subject, span, self._api.today, lookback=lookback)
        await self._ask_all(queries, _Look(noted, sweep=sweep))

    async def poll_nights(
        self,
        selection: Selection,
        subject: Subject,
        nights: Nights,
        noted: Callable[[Poll], None],
    ) -> None:
        """Look at given nights of a subject; raises as `poll` does."""
        today = self._api.today
        span = plan.span_of(selection, await self.program(selection.program), today)
        queries = plan.look_at_nights(subject, span, today, nights.first, nights.last)
        await self._ask_all(queries, _Look(noted, nights))

    async def program(self, name: str) -> Program:
        """Give a program's span; it is asked for again every day, as programs are prolonged.

        Raises
        ------
        RefusedError, TransientError, BadAnswerError
            As the archive answers.
        """
        asked, program = self._programs.get(name, (None, None))
        if program is None or asked is None or self._clock() - asked >= _PROGRAM_ASKED_AGAIN:
            program = await self._api.program(name)
            self._programs[name] = self._clock(), program
        return program

    async def _program_for(self, subject: Subject) -> Program:
        try:
            return await self.program(subject.program)
        except WinterSyncError as error:
            await self._record_failure(Query(subject, self._api.today), error)
            raise

    async def _sweep_is_due(self, subject: Subject, rhythm: Rhythm) -> bool:
        last = await self._catalog(Catalog.last_sweep, subject)
        return last is None or not timedelta(0) <= self._clock() - last < rhythm.sweep_every

    # --- windows -------------------------------------------------------------------------------

    async def _ask_all(self, queries: Sequence[Query], look: _Look) -> None:
        today = self._api.today
        parts = [
            part
            for query in queries
            for part in plan.cut(query, today, days=self._days.get(query.subject))
        ]
        for part in parts:
            await self._ask(part, look, is_last=part is parts[-1])
        if look.failures:
            raise self._verdict(look)

    async def _ask(self, query: Query, look: _Look, *, is_last: bool) -> None:
        """Ask for a window, by halves if it must be; what fails of it is noted and passed over."""
        if look.is_over:
            return
        try:
            await self._compare_and_record(query, look, is_last=is_last)
        except (TransientError, BadAnswerError) as error:
            halves = plan.halves(query, self._api.today)
            if not await self._is_the_window(error):
                await self._record_failure(query, error)
                raise
            if halves is None:
                await self._record_failure(query, error)
                look.failures.append(error)
            else:
                self._tell(WindowHalved(query, error.message))
                await self._ask_halves(halves, look, is_last=is_last)
        except WinterSyncError as error:
            await self._record_failure(query, error)
            raise

    async def _ask_halves(self, halves: tuple[Query, Query], look: _Look, *, is_last: bool) -> None:
        failed = len(look.failures)
        await self._ask(halves[0], look, is_last=False)
        await self._ask(halves[1], look, is_last=is_last)
        if len(look.failures) == failed:
            # Both were answered, so it was their size together: spare the server that next time.
            days = plan.days_of(halves[1], self._api.today)
            subject = halves[1].subject
            self._days[subject] = min(days, self._days.get(subject, days))

    async def _is_the_window(self, error: WinterSyncError) -> bool:
        """Tell whether less may be answered: the server is well, and answered something lately."""
        if self._in_doubt or isinstance(error, LeftAloneError | RejectedQueryError):
            return False
        try:
            await self._api.probe()
        except TransientError:
            return False
        return True

    def _verdict(self, look: _Look) -> WinterSyncError:
        """Say what a look that failed in part means: a fault of some nights, or of the server."""
        first = look.failures[0]
        self._in_doubt = not look.answered
        if self._in_doubt or isinstance(first, BadAnswerError):
            return first
        return BadAnswerError(first.message, remedy=first.remedy)

    async def _record_failure(self, query: Query, error: WinterSyncError) -> None:
        await self._catalog(Catalog.record_poll, Poll(query, sweep=False, error=error.message))
        self._tell(PollFailed(query, error.message, error.cause))

    # --- one answer ----------------------------------------------------------------------------

    async def _compare_and_record(self, query: Query, look: _Look, *, is_last: bool) -> None:
        began = time.monotonic()
        listing = await self._api.query(query)
        self._in_doubt, look.answered = False, True
        rows = [row for row in listing.rows if look.nights is None or look.nights.has(row)]
        comparison = await self._compare(query, rows)
        placed, faults = self._place(comparison.rows, listing.faults)
        poll = Poll(
            query,
            sweep=look.sweep and is_last and not look.failures,
            listed=len(rows),
            new=len(comparison.new),
            changed=len(comparison.changed),
            returned=len(comparison.returned),
            withdrawn=len(comparison.withdrawn),
            faults=len(faults) + listing.untold,
            seconds=time.monotonic() - began,
        )
        left_out = await self._catalog(
            Catalog.record_poll,
            poll,
            listed=placed,
            wanted=comparison.changed,
            withdrawn=comparison.withdrawn,
        )
        self._tell_poll(poll, _to_fetch(comparison, placed, left_out))
        if faults:
            self._tell(RowsRefused(query, faults, listing.untold))
        if left_out:
            self._tell(LeftOut(tuple(left_out)))
        look.noted(poll)

    async def _compare(self, query: Query, rows: Sequence[Row]) -> plan.Comparison:
        identities = [row.product.identity for row in rows]
        known = await self._catalog(Catalog.known, identities)
        expected = await self._catalog(Catalog.expected, query)
        return plan.compare(rows, known, expected)

    def _place(
        self, rows: Iterable[Row], faults: Sequence[str]
    ) -> tuple[list[tuple[Row, str]], tuple[str, ...]]:
        """Give each row its path; a row that can have none is a fault and is left out."""
        placed: list[tuple[Row, str]] = []
        more: list[str] = []
        for row in rows:
            try:
                placed.append((row, str(self._layout.path(row.product))))
            except DamagedError as unsafe:
                more.append(self._api.redacted(unsafe.message))
        return placed, (*faults, *more)

    def _tell_poll(self, poll: Poll, to_fetch: tuple[Share, ...]) -> None:
        self._tell(
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


def _to_fetch(
    comparison: plan.Comparison, placed: Iterable[tuple[Row, str]], left_out: Iterable[Product]
) -> tuple[Share, ...]:
    """Count by night and type what a listing makes wanted: the new with a place, the changed."""
    new = {row.product.identity for row in comparison.new}
    new -= {product.identity for product in left_out}
    found = [row.product for row, _ in placed if row.product.identity in new]
    return shares([*found, *(row.product for row in comparison.changed)])
