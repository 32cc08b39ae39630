"""One poll of a subject: its windows of dates asked for, whole or by halves.

A window that fails though the server is well is halved, again and again, until its parts are
answered: what is too much at once, or broken in one night, costs no other night.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.core import (
    BadAnswerError,
    CircuitOpenError,
    CredentialsRefusedError,
    ErrorCode,
    Query,
    RejectedQueryError,
    Sink,
    StorageError,
    TransientError,
    WindowHalved,
    WinterSyncError,
)
from winter_sync.sync.failed_windows import FailedWindows
from winter_sync.sync.listing_recorder import PollTally, WantedRows
from winter_sync.sync.results import PollResult
from winter_sync.sync.windows import (
    split_by_date,
    split_in_half,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from winter_sync.archive import ArchiveClient, Listing
    from winter_sync.core import Subject
    from winter_sync.sync.failed_windows import FailedWindows
    from winter_sync.sync.listing_recorder import ListingRecorder, Recorded

    Elsewhere = Callable[[Subject], tuple[Subject, ...]]
    FollowUp = Callable[[], Awaitable[object]]

_FAILURES = 8
"""After this many windows that cannot be halved and fail, a poll is over.

As windows overlap, one broken night is in up to five of them.
"""

_LEAST_PROGRESS = 4
"""A part of the rows that were read of a window, one in so many, must be known the next time."""
_REST_IS_LACKING = (
    "What was read is downloaded; of the rest nothing is known, and nothing is taken for "
    "withdrawn. It is asked for again at the next poll. If it stays so, ask the observatory "
    "about these rows, or narrow the selection by targets, cones or rectangles."
)
_ALL_ROWS = WantedRows()
_NOTHING_YET = PollResult()


def _nowhere(_: Subject) -> tuple[Subject, ...]:
    return ()


class WindowPoll:
    """One poll: asks for windows, has the answers recorded, and gathers what it came to.

    Parameters
    ----------
    api, recorder
        What asks the archive, and what records its answers.
    windows
        Which windows were too much for the archive lately; kept from poll to poll.
    emit
        Receives events.
    wanted
        Which rows to record.
    result
        What the poll came to before.
    may_be_unserved
        Whether the archive may have nothing of the subject: then one attempt has to do, and a
        server that answers others has not failed.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        api: ArchiveClient,
        recorder: ListingRecorder,
        windows: FailedWindows,
        emit: Sink,
        wanted: WantedRows = _ALL_ROWS,
        result: PollResult = _NOTHING_YET,
        elsewhere: Elsewhere = _nowhere,
        tally: PollTally | None = None,
        may_be_unserved: bool = False,
    ) -> None:
        self._elsewhere = elsewhere
        self._tally = PollTally() if tally is None else tally
        self.result = result
        """What the poll came to so far."""
        self._api = api
        self._recorder = recorder
        self._windows = windows
        self._emit = emit
        self._wanted = wanted
        self._may_be_unserved = may_be_unserved
        self._is_given_up = False
        self._answered = False
        self._failures: list[WinterSyncError] = []
        self._gaps: list[WinterSyncError] = []
        """Windows of which no query listed all rows; those that were listed are used."""
        self._seen: set[str] | None = None
        """The savepaths listed while the parts of a cut answer are asked for."""

    @contextmanager
    def keeping_errors(self) -> Iterator[None]:
        """Keep as the result's error whatever the archive makes the poll fail of."""
        try:
            yield
        except (CredentialsRefusedError, TransientError, BadAnswerError) as error:
            self.result = replace(self.result, error=error)

    def skip(self, reason: str | None) -> None:
        """Record as the result why nothing is asked."""
        self.result = replace(self.result, not_asked=reason)

    @property
    def _is_over(self) -> bool:
        """Whether enough has failed not to ask on: sooner where nothing was answered."""
        return self._is_given_up or len(self._failures) >= (_FAILURES if self._answered else 1)

    async def ask_all(self, queries: Sequence[Query], *, sweep: bool = False) -> None:
        """Ask for all windows; record a sweep that is answered in full.

        Raises
        ------
        CredentialsRefusedError, TransientError, BadAnswerError
            As `Poller.poll` says; only the last leaves the other windows asked for.
        """
        for query in queries:
            await self._ask(query)
        if self._failures:
            raise self._verdict()
        if self._gaps:
            raise self._gaps[0]
        if sweep and queries and not self._is_given_up:
            await self._recorder.record_sweep(queries[-1].subject)

    async def _ask(self, query: Query, read_before: int | None = None) -> None:
        """Ask for a window, by parts if need be; what fails of it is recorded and passed over.

        `read_before` is how many known rows of it were read when it was asked for just now, of a
        window with more new rows than are used at once.
        """
        if self._is_over:
            return
        # What follows an answer may be many more: this one is let go of before.
        follow = await self._ask_once(query, read_before)
        if follow is not None:
            await follow()

    async def _ask_once(self, query: Query, read_before: int | None) -> FollowUp | None:
        """Ask for a window and have the answer recorded; return what is to be asked then, if any.

        That holds nothing of the answer.
        """
        today = self._api.today
        halves = split_in_half(query, today)
        if halves is not None and self._windows.is_too_long(query, today):
            return partial(self._ask_parts, halves)
        try:
            listing = await self._recorder.ask(
                query, self._wanted, once=self._may_be_unserved, has_halves=halves is not None
            )
        except (TransientError, BadAnswerError) as error:
            kept = error.with_traceback(None)  # its frames hold the rows that were known
            if self._may_be_unserved and not isinstance(error, CircuitOpenError):
                return partial(self._give_up, query, kept)
            return partial(self._ask_less, query, halves, kept)
        except StorageError:
            raise  # it is the catalog that fails
        except WinterSyncError as error:
            await self._recorder.record_failure(query, error)
            raise
        if listing is None:
            return partial(self._ask_parts, halves or ())
        self._windows.server_in_doubt, self._answered = False, True
        self._may_be_unserved = False
        return await self._use(query, listing, read_before)

    async def _use(
        self, query: Query, listing: Listing, read_before: int | None
    ) -> FollowUp | None:
        """Have an answer recorded; return what is to be asked then, if any."""
        if listing.is_stopped:
            return await self._use_beginning(query, listing, read_before)
        if listing.is_cut:
            return await self._use_cut(query, listing)
        self._windows.was_answered(query, self._api.today)
        return await self._compare_and_record(query, listing)

    async def _give_up(self, query: Query, error: WinterSyncError) -> None:
        """Take a type for one that the archive does not serve, if the server answers at all.

        Raises
        ------
        TransientError
            If it does not.
        """
        await self._api.probe()
        await self._recorder.record_not_served(query, error)
        self.result = replace(self.result, queries=self.result.queries + 1)
        self._is_given_up = True

    async def _ask_less(
        self,
        query: Query,
        halves: tuple[Query, ...] | None,
        error: WinterSyncError,
    ) -> None:
        """Ask for the halves of a window that failed, where the window may be to blame."""
        if not await self._is_the_window(error):
            await self._recorder.record_failure(query, error)
            raise error
        if halves is None:
            await self._recorder.record_failure(query, error)
            self._failures.append(error)
            return
        self._emit(WindowHalved(query, error.message))
        if await self._ask_parts(halves):
            # Both were answered, so it was their size together: spare the server that next time.
            self._windows.was_too_long(query, self._api.today)

    async def _use_beginning(
        self, query: Query, listing: Listing, before: int | None
    ) -> FollowUp | None:
        """Record what was read of a window with more new rows than are used at once.

        Those rows are known then. The rest is asked for by halves, at last by dates, and then again
        as a whole, until all of it was read: only so a window is compared with what it must list.
        """
        today = self._api.today
        halves = split_in_half(query, today)
        reason = _too_many(listing)
        recorded = await self._record(query, listing, whole=False, error=reason)
        if self._seen is not None:
            self._seen |= await self._recorder.savepaths(listing)
        if halves:
            return partial(self._ask_by_parts, query, halves, reason)
        if _is_stuck(listing, recorded.poll.faults, before):
            error = BadAnswerError(reason, remedy=_REST_IS_LACKING, code=ErrorCode.ARCHIVE_CUT)
            await self._recorder.record_failure(query, error)
            self._failures.append(error)
            return None
        dates = split_by_date(query, today) if before is None else ()
        return partial(self._ask_again, query, dates, reason, listing.seen.count(1))

    async def _ask_again(
        self, query: Query, dates: tuple[Query, ...], reason: str, read: int
    ) -> None:
        """Ask for a window again, of which so many known rows were read; for its dates before."""
        if not dates or await self._ask_by_parts(query, dates, reason):
            await self._ask(query, read)

    async def _ask_by_parts(self, query: Query, parts: tuple[Query, ...], reason: str) -> bool:
        """Ask for the parts of a window, and say why; return whether all answered in full."""
        self._emit(WindowHalved(query, reason))
        return await self._ask_parts(parts)

    async def _use_cut(self, query: Query, listing: Listing) -> FollowUp:
        """Record an answer to a window of which the archive found more than it listed.

        What it did list is used in any case; nothing counts as withdrawn by it.
        """
        paths = await self._recorder.savepaths(listing)
        reason = (
            f"the archive found {listing.found or 0} images and listed {listing.distinct} of them"
        )
        await self._record(query, listing, whole=False, error=reason)
        return partial(self._ask_for_the_rest, query, paths, reason)

    async def _ask_for_the_rest(self, query: Query, paths: set[str], reason: str) -> None:
        """Ask for the parts of a window whose answer was cut.

        When they together do not have more than the products of these paths either, that is a gap.
        """
        outer, listed = self._seen, len(paths)
        self._seen = paths
        today = self._api.today
        halves = split_in_half(query, today)
        in_full = await self._ask_by_parts(query, halves or split_by_date(query, today), reason)
        if in_full and len(self._seen) == listed:
            await self._record_gap(query, reason)
        elif in_full and halves:
            self._windows.was_too_long(query, today)
        if outer is not None:
            outer |= self._seen
        self._seen = outer

    async def _record_gap(self, query: Query, reason: str) -> None:
        """Keep that some of a window was not listed; record each of the first few."""
        error = BadAnswerError(
            reason,
            remedy="What was listed is downloaded. Nothing is taken for withdrawn, and the rest is "
            "asked for again at the next poll. If it stays so, ask the observatory for the limit "
            "of a listing, or narrow the selection by targets, cones or rectangles.",
            code=ErrorCode.ARCHIVE_CUT,
        )
        self._gaps.append(error)
        if len(self._gaps) <= _FAILURES:
            await self._recorder.record_failure(query, error)

    async def _ask_parts(self, parts: tuple[Query, ...]) -> bool:
        """Ask for the parts of a window; return whether all of them were answered in full."""
        trouble = len(self._failures) + len(self._gaps)
        for part in parts:
            await self._ask(part)
        return len(self._failures) + len(self._gaps) == trouble

    async def _is_the_window(self, error: WinterSyncError) -> bool:
        """Return whether less may be answered: the server is well, and answered lately."""
        if self._windows.server_in_doubt or isinstance(
            error, CircuitOpenError | RejectedQueryError
        ):
            return False
        try:
            await self._api.probe()
        except TransientError:
            return False
        return True

    def _verdict(self) -> WinterSyncError:
        """Return what failures of a poll mean: some nights are broken, or the server is."""
        first = self._failures[0]
        self._windows.server_in_doubt = not self._answered
        if self._windows.server_in_doubt or isinstance(first, BadAnswerError):
            return first
        return BadAnswerError(first.message, remedy=first.remedy, code=first.code)

    async def _compare_and_record(self, query: Query, listing: Listing) -> FollowUp | None:
        """Record an answer that is not cut; what a region lists no more is asked for once more."""
        if self._seen is not None:
            self._seen |= await self._recorder.savepaths(listing)
        elsewhere = self._subjects_elsewhere(query.subject)
        recorded = await self._record(query, listing, whole=listing.is_whole, elsewhere=elsewhere)
        if recorded.unlisted and elsewhere:
            return partial(self._ask_elsewhere, query, recorded, elsewhere)
        return None

    def _subjects_elsewhere(self, subject: Subject) -> tuple[Subject, ...]:
        """Return what to ask, one after the other, for what a subject lists no more.

        After a region its program: a target or a position may have been corrected. Then the other
        programs that are mirrored: so may the program.
        """
        program_wide = replace(subject, region=None)
        first = () if subject == program_wide else (program_wide,)
        return (*first, *self._elsewhere(subject))

    async def _ask_elsewhere(
        self, query: Query, recorded: Recorded, elsewhere: tuple[Subject, ...]
    ) -> None:
        """Ask another subject for what vanished, and that one's answer for the rest of them.

        Nothing is withdrawn where one does not answer in full. That another program does not is no
        failure of this one.
        """
        other, *rest = elsewhere
        asked_first = self._wanted.unlisted[0] if self._wanted.unlisted else query.subject
        missed = frozenset(product.identity for product in recorded.unlisted)
        expected = self._wanted.expected or recorded.expected
        second = WindowPoll(
            api=self._api,
            recorder=self._recorder,
            windows=self._windows,
            emit=self._emit,
            wanted=WantedRows(unlisted=(asked_first, missed), expected=expected),
            result=self.result,
            elsewhere=lambda _: tuple(rest),
            tally=self._tally,
        )
        is_own = other.program == asked_first.program
        window = query if is_own else await self._recorder.narrowed(query, asked_first, recorded)
        try:
            await second.ask_all([replace(window, subject=other)])
        except WinterSyncError:
            if is_own:
                raise
        finally:
            self.result = second.result

    async def _record(
        self,
        query: Query,
        listing: Listing,
        *,
        whole: bool,
        error: str | None = None,
        elsewhere: tuple[Subject, ...] = (),
    ) -> Recorded:
        """Have an answer recorded."""
        recorded = await self._recorder.record(
            query,
            listing,
            self._wanted,
            whole=whole,
            error=error,
            elsewhere=bool(elsewhere),
            tally=self._tally,
        )
        self.result = self.result.with_listing(recorded.poll, recorded.matching)
        return recorded


def _too_many(listing: Listing) -> str:
    """Return why an answer was not read to its end."""
    found = f"the archive found {listing.found} images" if listing.found else "there are more"
    return f"{listing.received - listing.seen.count(1)} rows are new or changed, and {found}"


def _is_stuck(listing: Listing, faults: int, before: int | None) -> bool:
    """Return whether asking again for the same window would bring nothing more.

    That is so where rows cannot be used, or are not known though they were read before.
    """
    read = listing.seen.count(1)
    least = (listing.received - read) // _LEAST_PROGRESS
    return listing.received - read - faults < least or (
        before is not None and read < before + least
    )
