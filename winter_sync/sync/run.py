"""A run that ends: everything polled once and downloaded, both at the same time, and reported."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from winter_sync.catalog import Queue, Refetches, Scope, Views
from winter_sync.core import (
    Backlog,
    BadAnswerError,
    CredentialsRefusedError,
    PollsEnded,
    Refetch,
    StorageError,
    TransientError,
    WinterSyncError,
)
from winter_sync.sync.coordination import Coordination
from winter_sync.sync.download_breaker import DownloadBreaker
from winter_sync.sync.download_loop import DownloadLoop
from winter_sync.sync.listing_recorder import EVERYTHING
from winter_sync.sync.refused_programs import RefusedPrograms
from winter_sync.sync.report import Report

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from datetime import timedelta

    from winter_sync.core import Part, Selection, Subject
    from winter_sync.sync.engine import Mirror
    from winter_sync.sync.results import BatchResult, PollResult
    from winter_sync.sync.windows import Nights


class Run:
    """One run of a mirror over a scope.

    Parameters
    ----------
    mirror, scope
        The mirror, and the products to download.
    nights
        For a backfill: which nights are polled.
    by_hand
        Whether a person asked for this scope: then nothing that is fetched again waits.
    sweep
        Whether the whole span of each program is polled, whether or not that is due.
    recheck
        Fetch again what is here and the archive did not send within this time, to compare it.
    part
        For a backfill of less than whole nights: polls come first then, and the work is on what
        they list of it.
    """

    def __init__(  # noqa: PLR0913 - what differs between runs, by name
        self,
        mirror: Mirror,
        scope: Scope,
        nights: Nights | None = None,
        *,
        by_hand: bool = False,
        sweep: bool = False,
        recheck: timedelta | None = None,
        part: Part = EVERYTHING,
    ) -> None:
        self._mirror = mirror
        self._scope = scope
        self._nights = nights
        self._by_hand = by_hand
        self._sweep = sweep
        self._recheck = recheck
        self._part = part
        self._report = Report(matching=frozenset() if part else None)
        self._coordination = Coordination()
        self._refused = RefusedPrograms(lambda _, refused: self._add_error(refused))

    async def sync(self) -> Report:
        """Poll and download."""
        mirror = self._mirror
        await mirror.recover()
        if self._part and not await self._find_part():
            return self._report
        if self._nights is not None:
            # Whoever asks by hand wants to know now.
            await mirror.catalog.queue(Queue.retry_now, self._scope)
        await self._check_files()
        if self._recheck is not None:
            await self._ask_for_comparison(self._recheck)
        await self._count_wanted()
        await self._work(*([] if self._part else [self._poll_all()]), self._download())
        await mirror.retention.remove_exceeding()
        await self._count_not_compared()
        await self._count_here()
        left = await self._count_wanted()
        waiting = await mirror.catalog.queue(Queue.waiting, self._scope)
        again = await self._count_waiting_again()
        return replace(self._report, left=left, waiting=waiting, again=again)

    async def _find_part(self) -> bool:
        """Poll, and narrow the scope to what is listed of the part; return whether anything is."""
        await self._work(self._poll_all())
        found = tuple(sorted(self._report.matching or ()))
        self._scope = Scope(self._scope.programs, identities=found)
        return bool(found)

    async def _ask_for_comparison(self, confirmed_for: timedelta) -> None:
        ask = self._mirror.catalog.refetches(
            Refetches.ask, self._scope, confirmed_for=confirmed_for
        )
        self._report = replace(self._report, not_compared=await ask)

    async def _count_here(self) -> None:
        """Count what is here of the programs, where nothing was listed: it stays."""
        if not self._report.listed:
            summary = await self._mirror.catalog.views(Views.summary, self._scope.programs)
            self._report = replace(self._report, here=summary.published)

    async def _count_not_compared(self) -> None:
        if self._report.not_compared is not None:
            failed = await self._mirror.catalog.refetches(Refetches.count_asked, self._scope)
            not_compared = replace(self._report.not_compared, failed=failed)
            self._report = replace(self._report, not_compared=not_compared)

    async def poll(self) -> Report:
        """Poll, and download nothing."""
        await self._mirror.recover()
        await self._work(self._poll_all())
        return self._report

    async def download(self) -> Report:
        """Download what is wanted, without asking what the archive lists."""
        await self._mirror.recover()
        await self._count_wanted()
        self._end_polls()
        await self._work(self._download())
        return replace(self._report, left=await self._count_wanted())

    async def _work(self, *parts: Coroutine[Any, Any, None]) -> None:
        """Do parts of the work side by side; of several errors that end it, report the worst."""
        try:
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(part)
        except* WinterSyncError as errors:
            self._add_error(_worst(_leaves(errors)))

    async def _check_files(self) -> None:
        """Want what was deleted of the nights that this run covers."""
        quick_check = self._mirror.quick_check
        if self._nights is None:
            checked = await quick_check.check_before_polls(self._mirror.selections)
        else:
            checked = await quick_check.check(self._scope)
        self._report = self._report.with_files(checked)

    async def _count_wanted(self) -> int:
        """Return how many products are wanted that nobody is downloading, and emit it.

        What waits for the budget of re-fetches is not for this run.
        """
        allowed = await self._mirror.downloader.pacing.allowed(by_hand=self._by_hand)
        shares = await self._mirror.catalog.queue(Queue.wanted, self._scope, allowed)
        wanted = sum(share.products for share in shares)
        self._mirror.emit(Backlog(wanted, shares))
        return wanted

    async def _count_waiting_again(self) -> int:
        """Return how many products wait for the budget of re-fetches."""
        pacing = self._mirror.downloader.pacing
        if Refetch.MARKS in await pacing.allowed(by_hand=self._by_hand):
            return 0
        products, _ = await self._mirror.catalog.refetches(Refetches.waiting, self._scope)
        return products

    def _add_error(self, error: WinterSyncError) -> None:
        self._report = self._report.with_error(error)

    # --- polls ---------------------------------------------------------------------------------

    async def _poll_all(self) -> None:
        """Poll every selection; one that fails for its own reason does not stop the others.

        When the server is unwell the rest is left to the next run: asking on would not help it.
        """
        selections = list(self._mirror.selections)
        try:
            while selections:
                await self._poll_selection(selections.pop(0))
        except TransientError as unwell:
            self._add_error(unwell)
            subjects = [subject for selection in selections for subject in selection.subjects]
            await self._mirror.poller.record_unreachable(subjects, unwell.message)
        finally:
            self._end_polls()

    def _end_polls(self) -> None:
        self._coordination.end()
        self._mirror.emit(PollsEnded())

    async def _poll_selection(self, selection: Selection) -> None:
        """Poll a program; what is not asked because of how it fails is recorded as failed, too.

        Raises
        ------
        TransientError
            If the server is unwell.
        """
        poller, subjects = self._mirror.poller, list(selection.subjects)
        try:
            await poller.look_up_program(selection.program)
            while subjects:
                await self._poll_subject(selection, subjects.pop(0))
                self._coordination.wake()
        except BadAnswerError as bad:
            self._add_error(bad)
            await poller.record_unreachable(subjects, bad.message)
        except CredentialsRefusedError as refused:
            await poller.record_unreachable(subjects, refused.message)
            self._refused.add(selection.program, refused)
        except TransientError as unwell:
            await poller.record_unreachable(subjects, unwell.message)
            raise

    async def _poll_subject(self, selection: Selection, subject: Subject) -> None:
        """Poll a subject; raise what keeps the others of its program from being polled."""
        result = await self._poll(selection, subject)
        self._report = self._report.with_poll(selection.program, result)
        if isinstance(result.error, BadAnswerError):
            self._add_error(result.error)
        elif result.error is not None:
            raise result.error

    async def _poll(self, selection: Selection, subject: Subject) -> PollResult:
        poller = self._mirror.poller
        if self._nights is None:
            return await poller.poll(selection, subject, by_hand=True, sweep=self._sweep)
        return await poller.poll_nights(selection, subject, self._nights, self._part)

    # --- downloads -----------------------------------------------------------------------------

    async def _download(self) -> None:
        """Download until nothing may be downloaded and no poll can bring more."""
        loop = DownloadLoop(
            downloader=self._mirror.downloader,
            scope=self._scope,
            coordination=self._coordination,
            breaker=DownloadBreaker(),
            refused=self._refused,
            when_idle=self._coordination.wait_for_change,
            when_open=_give_up,
            on_result=self._add_result,
            by_hand=self._by_hand,
        )
        async with asyncio.TaskGroup() as group:
            for _ in range(self._mirror.connections):
                group.create_task(loop.run())
        # A file of a product that was withdrawn while it was being downloaded had to stay till now.
        await self._mirror.settle_files()

    def _add_result(self, result: BatchResult, failure: WinterSyncError | None) -> None:
        self._report = self._report.with_outcomes(result.outcomes)
        if failure is not None:
            self._add_error(failure)


async def _give_up(_: int) -> bool:
    """Download no more: the next run may find the server well."""
    return False


def _leaves(group: BaseExceptionGroup[WinterSyncError]) -> list[WinterSyncError]:
    found: list[WinterSyncError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _worst(errors: Sequence[WinterSyncError]) -> WinterSyncError:
    """Choose the error to report of several that ended a run: storage before all others."""
    return next((error for error in errors if isinstance(error, StorageError)), errors[0])
