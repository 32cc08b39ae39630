"""Polls of subjects: which dates to ask for, and what that came to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from winter_sync.catalog import CatalogThread, Polls
from winter_sync.core import (
    Part,
    Query,
    Sink,
    WinterSyncError,
)
from winter_sync.sync.failed_windows import FailedWindows
from winter_sync.sync.listing_recorder import EVERYTHING, WantedRows
from winter_sync.sync.results import PollResult
from winter_sync.sync.window_poll import WindowPoll
from winter_sync.sync.windows import (
    backfill_queries,
    poll_queries,
    span_of,
    why_not_asked,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from winter_sync.archive import ArchiveClient
    from winter_sync.core import (
        PollSchedule,
        Program,
        Selection,
        Subject,
        Time,
    )
    from winter_sync.sync.listing_recorder import ListingRecorder
    from winter_sync.sync.windows import Nights
    from winter_sync.sync.withdrawn_files import FilesOfWithdrawn

_PROGRAM_ASKED_AGAIN = timedelta(days=1)


class Poller:
    """Polls subjects; remembers programs, and windows that were too much for the archive.

    Parameters
    ----------
    api, catalog
        The archive and the database.
    recorder
        Compares answers with the catalog and records them.
    poll_schedule
        How far back to poll a subject, and how often all of it.
    emit
        Receives events.
    time
        Clocks.
    elsewhere
        Returns what other programs are asked for what a subject lists no more.
    always_sweep
        Whether every poll is for the whole span of its subject.
    files
        Sets the files of what is withdrawn aside, and brings back those of what returns.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        api: ArchiveClient,
        catalog: CatalogThread,
        recorder: ListingRecorder,
        poll_schedule: Callable[[Subject], PollSchedule],
        emit: Sink,
        time: Time,
        elsewhere: Callable[[Subject], tuple[Subject, ...]] = lambda _: (),
        always_sweep: bool = False,
        files: FilesOfWithdrawn | None = None,
    ) -> None:
        self._files = files
        self._always_sweep = always_sweep
        self._elsewhere = elsewhere
        self._api = api
        self._catalog = catalog
        self._poll_schedule = poll_schedule
        self._emit = emit
        self._time = time
        self._programs: dict[str, tuple[datetime, Program]] = {}
        self._windows = FailedWindows(time.clock)
        self._recorder = recorder

    async def poll(
        self,
        selection: Selection,
        subject: Subject,
        *,
        by_hand: bool = False,
        sweep: bool = False,
    ) -> PollResult:
        """Poll the last nights of a subject, or its whole span when a sweep is due or asked for.

        A sweep counts as one when all of it is in. A program that ended long ago is polled only in
        a sweep, or `by_hand`; a type that the archive may not serve, and refused, as often as
        there are sweeps.

        Returns
        -------
        PollResult
            What it came to. Its error is a `CredentialsRefusedError` if the program's
            credentials are refused, a `TransientError` if the server fails, and a
            `BadAnswerError` if it does not answer only some of the poll; the rest was polled.
        """
        may_be_unserved = await self._catalog.polls(Polls.may_be_unserved, subject)
        if may_be_unserved and not by_hand and await self._was_refused_lately(subject):
            return PollResult()
        poll = self._new_poll(WantedRows(), may_be_unserved=may_be_unserved)
        with poll.keeping_errors():
            await self._poll(poll, selection, subject, by_hand=by_hand, sweep=sweep)
        await self._settle_files(poll.result)
        return poll.result

    async def _settle_files(self, result: PollResult) -> None:
        if result.moved and self._files is not None:
            await self._files.settle()

    async def _was_refused_lately(self, subject: Subject) -> bool:
        """Return whether the latest poll was refused, and no sweep has become due since then."""
        refused = await self._catalog.polls(Polls.last_refusal, subject)
        every = self._poll_schedule(subject).sweep_every
        return refused is not None and abs(self._time.clock() - refused) < every

    def _new_poll(self, wanted: WantedRows, *, may_be_unserved: bool) -> WindowPoll:
        return WindowPoll(
            api=self._api,
            recorder=self._recorder,
            windows=self._windows,
            emit=self._emit,
            wanted=wanted,
            elsewhere=self._elsewhere,
            may_be_unserved=may_be_unserved,
        )

    async def _poll(
        self,
        poll: WindowPoll,
        selection: Selection,
        subject: Subject,
        *,
        by_hand: bool,
        sweep: bool,
    ) -> None:
        program = await self._program_for(subject)
        span, today = span_of(selection, program), self._api.today
        schedule = self._poll_schedule(subject)
        sweep = sweep or await self._sweep_is_due(subject, schedule)
        lookback = None if sweep else schedule.lookback_nights
        queries = poll_queries(subject, span, today, lookback=lookback)
        if not queries and by_hand and not sweep:
            sweep, queries = True, poll_queries(subject, span, today, lookback=None)
        if not queries:
            poll.skip(why_not_asked(span, today))
        await poll.ask_all(queries, sweep=sweep)

    async def poll_nights(
        self,
        selection: Selection,
        subject: Subject,
        nights: Nights,
        part: Part = EVERYTHING,
    ) -> PollResult:
        """Poll the given nights of a subject, or a part of them; return as `poll` does."""
        may_be_unserved = await self._catalog.polls(Polls.may_be_unserved, subject)
        poll = self._new_poll(WantedRows(nights, part=part), may_be_unserved=may_be_unserved)
        with poll.keeping_errors():
            await self._poll_nights(poll, selection, subject, nights)
        await self._settle_files(poll.result)
        return poll.result

    async def _poll_nights(
        self, poll: WindowPoll, selection: Selection, subject: Subject, nights: Nights
    ) -> None:
        today = self._api.today
        span = span_of(selection, await self.look_up_program(selection.program))
        queries = backfill_queries(subject, span, today, nights.first, nights.last)
        if not queries:
            poll.skip(why_not_asked(span, today, nights.first))
        await poll.ask_all(queries)

    async def look_up_program(self, name: str) -> Program:
        """Return a program's span; ask for it again every day, as programs are prolonged.

        Raises
        ------
        CredentialsRefusedError, TransientError, BadAnswerError
            As the archive answers.
        """
        known = self._programs.get(name)
        # A clock that was wrong may have been ahead.
        if known is None or abs(self._time.clock() - known[0]) >= _PROGRAM_ASKED_AGAIN:
            program = await self._api.program(name)
            self._programs[name] = known = self._time.clock(), program
        return known[1]

    async def _program_for(self, subject: Subject) -> Program:
        try:
            return await self.look_up_program(subject.program)
        except WinterSyncError as error:
            await self._recorder.record_failure(Query(subject, self._api.today), error)
            raise

    async def _sweep_is_due(self, subject: Subject, schedule: PollSchedule) -> bool:
        if self._always_sweep:
            return True
        last = await self._catalog.polls(Polls.last_sweep, subject)
        return last is None or self._time.clock() - last >= schedule.sweep_every

    async def record_unreachable(self, subjects: Iterable[Subject], reason: str) -> None:
        """Record for what was not asked itself that it cannot be listed now.

        A poll that is held says nothing, and after a refusal nothing more is asked. Whoever looks
        at the catalog meanwhile sees since when the archive, or a program, cannot be listed.
        """
        for subject in subjects:
            query = Query(subject, self._api.today)
            await self._recorder.record_unreachable(query, reason)
