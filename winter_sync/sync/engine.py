"""A mirror as a whole: what killed processes left put in order, and runs that end.

Polls turn into wanted products, and wanted products into files of the tree, both at the same time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winter_sync.catalog import CatalogThread, Outcomes, Queue, Scope
from winter_sync.core import (
    Backlog,
    BadAnswerError,
    PollsEnded,
    Recovered,
    RefusedError,
    Sink,
    StorageError,
    TransientError,
    WinterSyncError,
    run_in_thread,
)
from winter_sync.sync.coordination import Work
from winter_sync.sync.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from winter_sync.archive import Api
    from winter_sync.core import Selection, Subject
    from winter_sync.sync.downloader import Downloader
    from winter_sync.sync.poller import Nights, Poller
    from winter_sync.sync.quick_check import QuickLook
    from winter_sync.tree import Session


@dataclass(frozen=True, slots=True)
class Mirror:
    """One mirror and its parts; made by the factory."""

    api: Api
    catalog: CatalogThread
    session: Session
    poller: Poller
    downloader: Downloader
    quick_look: QuickLook
    """Looks at the files of the nights that are polled."""
    threads: Executor
    selections: Sequence[Selection]
    """What is mirrored."""
    connections: int
    """How many downloads run at once."""
    emit: Sink
    """Hears everything that happens, always on the event loop."""

    # --- whole runs ----------------------------------------------------------------------------

    async def sync(self) -> Report:
        """Poll everything once and fetch all that may be fetched now, both at the same time."""
        return await self._run(self.scope, None)

    async def backfill(self, nights: Nights) -> Report:
        """Poll the given nights and fetch what they have."""
        scope = replace(self.scope, first_night=nights.first, last_night=nights.last)
        return await self._run(scope, nights)

    @property
    def scope(self) -> Scope:
        """What the selections cover: what was listed for others is left alone."""
        return Scope(
            programs=tuple(one.program for one in self.selections),
            subjects=tuple(subject for one in self.selections for subject in one.subjects),
        )

    async def _run(self, scope: Scope, nights: Nights | None) -> Report:
        report = Report()
        await self.recover()
        if nights is not None:
            # Who asks by hand wants to know now.
            await self.catalog.queue(Queue.retry_now, scope)
        await self._look_at_files(scope, nights, report)
        await self._count_wanted(scope)
        work = Work(on_refused=lambda _, refused: report.errors.append(refused))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._poll_all(nights, report, work))
                for _ in range(self.connections):
                    group.create_task(self._drain(scope, report, work))
        except* WinterSyncError as errors:
            report.errors.append(_worst(_leaves(errors)))
        report.left = await self._count_wanted(scope)
        report.waiting = await self.catalog.queue(Queue.waiting, scope)
        return report

    async def fetch(self, scope: Scope) -> Report:
        """Fetch what a scope wants, without asking what the archive lists."""
        report = Report()
        await self.recover()
        await self._count_wanted(scope)
        work = Work(on_refused=lambda _, refused: report.errors.append(refused))
        work.end()
        self.emit(PollsEnded())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.connections):
                    group.create_task(self._drain(scope, report, work))
        except* WinterSyncError as errors:
            report.errors.append(_worst(_leaves(errors)))
        report.left = await self._count_wanted(scope)
        return report

    async def _look_at_files(self, scope: Scope, nights: Nights | None, report: Report) -> None:
        """Want what was deleted of the nights that this run covers."""
        if nights is None:
            looked = await self.quick_look.before_polls(self.selections)
        else:
            looked = await self.quick_look.look(scope)
        report.lost, report.unlisted = looked.lost, looked.unlisted
        report.altered = looked.changed

    async def _count_wanted(self, scope: Scope) -> int:
        """Count what is wanted that nobody is fetching, and tell."""
        shares = await self.catalog.queue(Queue.wanted, scope)
        wanted = sum(share.products for share in shares)
        self.emit(Backlog(wanted, shares))
        return wanted

    async def recover(self) -> None:
        """Put in order what killed processes left: adopt what they published, free the rest."""
        tree = self.session.tree
        claimants = await self.catalog.queue(Queue.claimants)
        sessions = await run_in_thread(self.threads, tree.sessions.take_over_dead)
        dead = [name for name, is_alive in sessions.items() if not is_alive]
        adopted = 0
        for name in dead:
            for evidence in await run_in_thread(self.threads, tree.recover_evidence, name):
                adopted += await self.catalog.outcomes(Outcomes.adopt, evidence)
        alive = set(sessions) - set(dead)
        released = await self.catalog.queue(Queue.release_sessions, alive, claimants)
        for name in dead:
            await run_in_thread(self.threads, tree.sessions.remove, name)
        if adopted or released:
            self.emit(Recovered(adopted, released))

    # --- polls ---------------------------------------------------------------------------------

    async def _poll_all(self, nights: Nights | None, report: Report, work: Work) -> None:
        """Poll every selection; one that fails for its own reason does not stop the others.

        When the server is unwell the rest is left to the next run: asking on would not help it.
        """
        left = list(self.selections)
        try:
            for selection in self.selections:
                left.remove(selection)
                try:
                    await self._poll_selection(selection, nights, report, work)
                except RefusedError as refused:
                    work.refuse(selection.program, refused)
        except TransientError as unwell:
            report.errors.append(unwell)
            subjects = [subject for selection in left for subject in selection.subjects]
            await self.poller.record_unreachable(subjects, unwell.message)
        finally:
            work.end()
            self.emit(PollsEnded())

    async def _poll_selection(
        self, selection: Selection, nights: Nights | None, report: Report, work: Work
    ) -> None:
        """Poll a program; what is not asked because of how it fails is recorded as failed, too."""
        left = list(selection.subjects)
        try:
            await self.poller.program(selection.program)
            while left:
                await self._poll_subject(selection, left.pop(0), nights, report)
                work.wake()
        except BadAnswerError as bad:
            report.errors.append(bad)
            await self.poller.record_unreachable(left, bad.message)
        except (RefusedError, TransientError) as error:
            await self.poller.record_unreachable(left, error.message)
            raise

    async def _poll_subject(
        self, selection: Selection, subject: Subject, nights: Nights | None, report: Report
    ) -> None:
        try:
            why_not = await self._poll(selection, subject, nights, report)
        except BadAnswerError as bad:
            report.errors.append(bad)
        else:
            if why_not is not None:
                report.not_asked[selection.program] = why_not

    async def _poll(
        self, selection: Selection, subject: Subject, nights: Nights | None, report: Report
    ) -> str | None:
        if nights is None:
            return await self.poller.poll(selection, subject, report.note, by_hand=True)
        return await self.poller.poll_nights(selection, subject, nights, report.note)

    # --- downloads -----------------------------------------------------------------------------

    async def _drain(self, scope: Scope, report: Report, work: Work) -> None:
        """Fetch batch after batch until nothing may be fetched and no poll can bring more."""
        while not work.given_up:
            seen = work.changes
            worked = await self.downloader.work_one(scope, report, work)
            if not worked and not await work.more(seen):
                return


def _leaves(group: BaseExceptionGroup[WinterSyncError]) -> list[WinterSyncError]:
    found: list[WinterSyncError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _worst(errors: Sequence[WinterSyncError]) -> WinterSyncError:
    """Choose the error to report of several that ended a run: storage before all others."""
    return next((one for one in errors if isinstance(one, StorageError)), errors[0])
