"""The mirror itself: polls turn into wanted products, and wanted products into files of the tree.

The only place where the network, the catalog and the tree meet. `Mirror.fetch` touches the network
and the tree and never the catalog; its caller commits the outcomes.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from winter_sync import plan
from winter_sync.catalog import Catalog, CatalogThread, Poll, Scope
from winter_sync.errors import (
    BadAnswerError,
    DamagedError,
    ExitCode,
    LeftAloneError,
    RefusedError,
    StorageError,
    TransientError,
    WinterSyncError,
)
from winter_sync.events import (
    Backlog,
    BatchBegun,
    BatchEnded,
    LeftOut,
    Polled,
    PollFailed,
    Received,
    Recovered,
    RowsRefused,
    Settled,
    Tell,
)
from winter_sync.intake import Intake
from winter_sync.models import (
    Batch,
    Candidate,
    Failed,
    Missing,
    Night,
    Outcome,
    Program,
    Published,
    Query,
    Row,
    Selection,
    Subject,
    Unchanged,
)
from winter_sync.offloop import off_loop
from winter_sync.unzip import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winter_sync.api import Api, Download
    from winter_sync.layout import Layout
    from winter_sync.tree import Session

_CANDIDATES = 256
"""How many are looked at to make one batch: several batches' worth."""
_DOWN = 3
"""After so many downloads that found a dead server, a run gives up on it."""
_IN_VAIN = 3
"""After so many downloads in a row that brought nothing, one product alone is asked for."""
_ALONE_IN_VAIN = 5
"""After so many such products in a row, it is the server: a run gives up on its downloads."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How the user wants the mirror kept."""

    lookback_nights: int = 7
    sweep_every: timedelta = timedelta(days=1)
    keep_revisions: bool = True
    connections: int = 4
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Nights:
    """A span of nights, both ends included."""

    first: Night
    last: Night


@dataclass(slots=True)
class Report:
    """What a run did."""

    queries: int = 0
    listed: int = 0
    new: int = 0
    changed: int = 0
    published: int = 0
    unchanged: int = 0
    missing: int = 0
    failed: int = 0
    """How many times a product failed; it may have succeeded later in the run."""
    left: int = 0
    """How many products are still wanted at the end."""
    size: int = 0
    errors: list[WinterSyncError] = field(default_factory=list)

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Add what became of a batch."""
        for outcome in outcomes:
            match outcome:
                case Published(_, evidence):
                    self.published += 1
                    self.size += evidence.size
                case Unchanged():
                    self.unchanged += 1
                case Missing():
                    self.missing += 1
                case Failed():
                    self.failed += 1

    @property
    def exit_code(self) -> ExitCode:
        """What the run has to tell its caller: the gravest of what went wrong."""
        codes = {error.exit_code for error in self.errors}
        for code in (ExitCode.STORAGE, ExitCode.USAGE, ExitCode.REFUSED, ExitCode.UNWELL):
            if code in codes:
                return code
        return ExitCode.INCOMPLETE if self.left else ExitCode.DONE


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a download brought: outcomes to commit, and what is to be asked for again."""

    outcomes: tuple[Outcome, ...]
    again: tuple[Candidate, ...] = ()
    trouble: str | None = None

    @property
    def brought_something(self) -> bool:
        """Whether the server sent a member, or said that it has none."""
        return any(not isinstance(one, Failed) or one.blamed for one in self.outcomes)


class Mirror:
    """One mirror at work; made by the factory.

    Parameters
    ----------
    api, catalog, session
        The archive, the database and this process's staging place in the tree.
    layout
        Where products go.
    selections
        What to mirror.
    policy
        How.
    tell
        Hears everything that happens, always on the event loop.
    clock
        Gives the current UTC time.
    random
        Gives numbers in [0, 1), for spreading retries.
    """

    def __init__(  # noqa: PLR0913 - the parts are put together in one place, the factory
        self,
        api: Api,
        catalog: CatalogThread,
        session: Session,
        *,
        layout: Layout,
        selections: Sequence[Selection],
        policy: Policy,
        tell: Tell,
        clock: Callable[[], datetime],
        random: Callable[[], float],
    ) -> None:
        self._api = api
        self._catalog = catalog
        self._session = session
        self._layout = layout
        self._selections = selections
        self._policy = policy
        self._tell = tell
        self._clock = clock
        self._random = random
        self._claiming = asyncio.Lock()
        self._threads = ThreadPoolExecutor(policy.connections, thread_name_prefix="intake")
        self._programs: dict[str, Program] = {}

    def close(self) -> None:
        """End the threads; none of them is at work once no coroutine of ours is."""
        self._threads.shutdown()

    # --- whole runs ----------------------------------------------------------------------------

    async def sync(self) -> Report:
        """Poll everything once and fetch all that may be fetched now, both at the same time."""
        return await self._run(self._scope(), None)

    async def backfill(self, nights: Nights) -> Report:
        """Poll the given nights and fetch what they have."""
        scope = replace(self._scope(), first_night=nights.first, last_night=nights.last)
        return await self._run(scope, nights)

    def _scope(self) -> Scope:
        """Give what the selections cover: what was listed for others is left alone."""
        return Scope(
            programs=tuple(one.program for one in self._selections),
            subjects=tuple(subject for one in self._selections for subject in one.subjects),
        )

    async def _run(self, scope: Scope, nights: Nights | None) -> Report:
        report = Report()
        await self.recover()
        self._tell(Backlog(await self._catalog(Catalog.count_wanted, scope)))
        work = _Work()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._poll_all(nights, report, work))
                for _ in range(self._policy.connections):
                    group.create_task(self._drain(scope, report, work))
        except* WinterSyncError as errors:
            report.errors.append(_worst(_leaves(errors)))
        report.left = await self._catalog(Catalog.count_wanted, scope)
        return report

    async def recover(self) -> None:
        """Put in order what killed processes left: adopt what they published, free the rest."""
        tree = self._session.tree
        claimants = await self._catalog(Catalog.claimants)
        sessions = await off_loop(self._threads, tree.sessions)
        dead = [name for name, is_alive in sessions.items() if not is_alive]
        adopted = 0
        for name in dead:
            for evidence in await off_loop(self._threads, tree.testimony, name):
                adopted += await self._catalog(Catalog.adopt, evidence)
        alive = set(sessions) - set(dead)
        released = await self._catalog(Catalog.release_sessions, alive, claimants)
        for name in dead:
            await off_loop(self._threads, tree.bury, name)
        if adopted or released:
            self._tell(Recovered(adopted, released))

    # --- polls ---------------------------------------------------------------------------------

    async def _poll_all(self, nights: Nights | None, report: Report, work: _Work) -> None:
        """Poll every selection; one that fails for its own reason does not stop the others.

        When the server is unwell the rest is left to the next run: asking on would not help it.
        """
        try:
            for selection in self._selections:
                try:
                    await self._poll_selection(selection, nights, report, work)
                except RefusedError as refused:
                    work.refuse(selection.program)
                    report.errors.append(refused)
        except TransientError as unwell:
            report.errors.append(unwell)
        finally:
            work.end()

    async def _poll_selection(
        self, selection: Selection, nights: Nights | None, report: Report, work: _Work
    ) -> None:
        try:
            program = await self._program(selection.program)
        except BadAnswerError as bad:
            report.errors.append(bad)
            return
        for subject in selection.subjects:
            try:
                await self._poll_subject(selection, program, subject, nights, report)
            except BadAnswerError as bad:
                report.errors.append(bad)
            work.wake()

    async def _program(self, name: str) -> Program:
        if name not in self._programs:
            self._programs[name] = await self._api.program(name)
        return self._programs[name]

    async def _poll_subject(
        self,
        selection: Selection,
        program: Program,
        subject: Subject,
        nights: Nights | None,
        report: Report,
    ) -> None:
        """Ask for one subject's listing; a sweep counts as one only when its last part is in."""
        today = self._api.today
        span = plan.span_of(selection, program, today)
        if nights is not None:
            queries = plan.look_at_nights(subject, span, today, nights.first, nights.last)
            sweep = False
        else:
            sweep = await self._sweep_is_due(subject)
            lookback = None if sweep else self._policy.lookback_nights
            queries = plan.look(subject, span, today, lookback=lookback)
        for query in queries:
            await self._poll(query, report, nights, sweep=sweep and query is queries[-1])

    async def _sweep_is_due(self, subject: Subject) -> bool:
        last = await self._catalog(Catalog.last_sweep, subject)
        return last is None or self._clock() - last >= self._policy.sweep_every

    async def _poll(
        self, query: Query, report: Report, nights: Nights | None, *, sweep: bool
    ) -> None:
        began = time.monotonic()
        try:
            listing = await self._api.query(query)
        except WinterSyncError as error:
            seconds = time.monotonic() - began
            failed = Poll(query, sweep=False, seconds=seconds, error=error.message)
            await self._catalog(Catalog.record_poll, failed)
            self._tell(PollFailed(query, error.message))
            raise
        report.queries += 1
        rows = [row for row in listing.rows if _within(row, nights)]
        comparison = await self._compare(query, rows)
        placed, faults = self._place(comparison.rows, listing.faults)
        poll = Poll(
            query,
            sweep=sweep,
            listed=len(rows),
            new=len(comparison.new),
            changed=len(comparison.changed),
            returned=len(comparison.returned),
            withdrawn=len(comparison.withdrawn),
            faults=len(faults),
            seconds=time.monotonic() - began,
        )
        left_out = await self._catalog(
            Catalog.record_poll,
            poll,
            listed=placed,
            wanted=comparison.changed,
            withdrawn=comparison.withdrawn,
        )
        self._tell_poll(poll, faults)
        if left_out:
            self._tell(LeftOut(tuple(left_out)))
        report.listed += poll.listed
        report.new += poll.new
        report.changed += poll.changed

    async def _compare(self, query: Query, rows: Sequence[Row]) -> plan.Comparison:
        identities = [row.product.identity for row in rows]
        known = await self._catalog(Catalog.known, query.subject, identities)
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

    def _tell_poll(self, poll: Poll, faults: tuple[str, ...]) -> None:
        self._tell(
            Polled(
                poll.query,
                listed=poll.listed,
                new=poll.new,
                changed=poll.changed,
                returned=poll.returned,
                withdrawn=poll.withdrawn,
                seconds=poll.seconds,
            )
        )
        if faults:
            self._tell(RowsRefused(poll.query, faults))

    # --- downloads -----------------------------------------------------------------------------

    async def _drain(self, scope: Scope, report: Report, work: _Work) -> None:
        """Fetch batch after batch until nothing may be fetched and no poll can bring more."""
        while not work.given_up:
            seen = work.changes
            batch = await self._claim(work.without_refused(scope), work)
            if batch is not None:
                await self._work(batch, report, work)
            elif not await work.more(seen):
                return

    async def _claim(self, scope: Scope, work: _Work) -> Batch | None:
        async with self._claiming:
            candidates = await self._catalog(
                Catalog.candidates, scope, plan.FETCH_ORDER, _CANDIDATES
            )
            chosen = work.choose(candidates)
            if not chosen:
                return None
            taken = await self._catalog(Catalog.claim, chosen, self._session.name)
        return Batch(uuid4().hex, taken) if taken else await self._claim(scope, work)

    async def _work(self, batch: Batch, report: Report, work: _Work) -> None:
        """Fetch a batch and commit what became of it."""
        began = time.monotonic()
        self._tell(BatchBegun(batch))
        try:
            fetched = await self._fetch_or_fail(batch)
        except BaseException as error:
            await self._give_back(batch)
            self._tell(BatchEnded(batch, time.monotonic() - began, str(error) or "interrupted"))
            if isinstance(error, RefusedError):
                work.refuse(batch.program)
                report.errors.append(error)
            elif not isinstance(error, TransientError):
                raise
            elif work.is_down():
                report.errors.append(error)
            return
        await self._commit(batch, fetched)
        report.count(fetched.outcomes)
        self._tell(BatchEnded(batch, time.monotonic() - began, fetched.trouble))
        if work.learn(batch, fetched):
            report.errors.append(_in_vain(fetched.trouble))
        work.wake()

    async def _fetch_or_fail(self, batch: Batch) -> Fetched:
        """Fetch a batch; one that does not begin, from a server that is well, has failed itself.

        Else a product that breaks the server would be asked for in the same company for ever.

        Raises
        ------
        TransientError
            If the server is not well; nothing was learnt of the batch then.
        """
        try:
            return await self.fetch(batch)
        except LeftAloneError:
            raise
        except TransientError as broken:
            await self._api.probe()
            outcomes = tuple(Failed(one, broken.message) for one in batch.candidates)
            for outcome in outcomes:
                self._tell(Settled(outcome))
            return Fetched(outcomes, trouble=broken.message)

    async def _give_back(self, batch: Batch) -> None:
        """Release a batch of which nothing was learnt; what it published before is adopted."""
        evidence = await off_loop(self._threads, self._session.testimony, batch.identifier)
        for one in evidence:
            await self._catalog(Catalog.adopt, one)
        await self._catalog(Catalog.release, batch.candidates)
        self._session.committed(batch.identifier)

    async def _commit(self, batch: Batch, fetched: Fetched) -> None:
        await self._catalog(Catalog.commit, fetched.outcomes, self._when_again)
        if fetched.again:
            await self._catalog(Catalog.release, fetched.again)
        self._session.committed(batch.identifier)

    def _when_again(self, attempts: int, outcome: Outcome) -> timedelta:
        if isinstance(outcome, Missing):
            return plan.missing_delay(attempts)
        return plan.retry_delay(attempts, self._random())

    async def fetch(self, batch: Batch) -> Fetched:
        """Download a batch into the tree.

        Gives what became of its products. One that broke half-way after some products came is to
        be asked again for the rest; one that brought nothing has failed with all its products.

        Raises
        ------
        TransientError, RefusedError
            If the download did not begin.
        StorageError
            If the disk cannot take it.
        """
        loop = asyncio.get_running_loop()

        def settled(outcome: Outcome) -> None:
            loop.call_soon_threadsafe(self._tell, Settled(self._told_safely(outcome)))

        policy = self._policy
        intake = Intake(
            batch, self._session, keep=policy.keep_revisions, settled=settled, limits=policy.limits
        )
        with intake:
            fetched = await self._fetch_into(intake, batch)
        outcomes = tuple(self._told_safely(outcome) for outcome in fetched.outcomes)
        trouble = self._api.redacted(fetched.trouble) if fetched.trouble else None
        return replace(fetched, outcomes=outcomes, trouble=trouble)

    async def _fetch_into(self, intake: Intake, batch: Batch) -> Fetched:
        try:
            async with self._api.download(batch) as download:
                trouble = await self._pour(batch, download, intake)
        except BadAnswerError as bad:
            return Fetched(intake.remainder(bad.message), trouble=bad.message)
        return _judge(batch, intake, trouble, download.missing)

    def _told_safely(self, outcome: Outcome) -> Outcome:
        """Take our secrets out of a reason, which may quote what came."""
        if not isinstance(outcome, Failed):
            return outcome
        return replace(outcome, reason=self._api.redacted(outcome.reason))

    async def _pour(self, batch: Batch, download: Download, intake: Intake) -> str | None:
        """Pour a download into its intake; gives what broke it, if something did.

        While a thread works on one block the next is being received.
        """
        work: asyncio.Task[None] | None = None
        try:
            try:
                async for block in download.blocks():
                    if work is not None:
                        await work
                    work = asyncio.create_task(off_loop(self._threads, intake.feed, block))
                    self._tell(Received(batch, len(block)))
            finally:
                if work is not None:
                    await work
            intake.finish()
        except (TransientError, DamagedError) as broken:
            return broken.message
        return None


@dataclass(slots=True)
class _Work:
    """What the workers of one run share: whether more may come, and how the server is."""

    changes: int = 0
    given_up: bool = False
    """Whether the server is not asked for downloads any more."""
    _ended: bool = False
    _down: int = 0
    _in_vain: list[Batch] = field(default_factory=list)
    _refused: set[str] = field(default_factory=set)
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Tell the workers that there may be something to fetch."""
        self.changes += 1
        self._event.set()
        self._event = asyncio.Event()

    def end(self) -> None:
        """Tell the workers that no poll will bring more."""
        self._ended = True
        self.wake()

    async def more(self, seen: int) -> bool:
        """Wait for a change after the one seen; False if none can come."""
        if self.changes == seen and not self._ended:
            await self._event.wait()
        return self.changes != seen

    def refuse(self, program: str) -> None:
        """Leave a program out of the rest of the run: its credentials are not accepted."""
        self._refused.add(program)

    def without_refused(self, scope: Scope) -> Scope:
        """Give the scope less the programs that were refused."""
        return replace(
            scope, programs=tuple(one for one in scope.programs if one not in self._refused)
        )

    def choose(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Choose what to ask for next: one product alone while it is in doubt who is to blame."""
        if len(self._in_vain) < _IN_VAIN:
            return plan.choose_batch(candidates)
        return plan.choose_alone(candidates, {batch.kind for batch in self._in_vain})

    def is_down(self) -> bool:
        """Count a download that found the server dead; tells whether that is enough now."""
        self._down += 1
        return self._give_up(enough=self._down >= _DOWN)

    def learn(self, batch: Batch, fetched: Fetched) -> bool:
        """Learn from a download whether the server serves; tells whether that is enough now.

        Whatever came, even damaged, shows that it does. Of those that bring nothing a few may be
        the fault of single products: only when several of these bring nothing alone either, and
        nothing came in between, it is the server's.
        """
        self._down = 0
        if fetched.brought_something:
            self._in_vain.clear()
            return False
        self._in_vain.append(batch)
        alone = {one.candidates[0].product for one in self._in_vain if len(one.candidates) == 1}
        return self._give_up(enough=len(alone) >= _ALONE_IN_VAIN)

    def _give_up(self, *, enough: bool) -> bool:
        """Give up once; tells whether that was now."""
        now = enough and not self.given_up
        self.given_up = self.given_up or enough
        return now


def _in_vain(trouble: str | None) -> TransientError:
    return TransientError(
        f"one download after the other brings nothing; of the last: {trouble}",
        remedy="Nothing is lost: run again later.",
    )


def _judge(batch: Batch, intake: Intake, trouble: str | None, missing: int | None) -> Fetched:
    """Decide what a download means for the products that did not come in it.

    A whole answer without a product, from a server that admits to missing some (or does not say),
    means that the product is missing. If it claims to be complete, the product has failed. What
    did not come because the answer broke is innocent, as long as something came before.
    """
    arrived = intake.outcomes
    absent = len(batch.candidates) - len(arrived)
    if trouble is None and missing is not None and missing < absent:
        lie = f"the server left {absent} of {len(batch.candidates)} out and admits {missing}"
        return Fetched(intake.remainder(lie), trouble=lie)
    if trouble is None:
        return Fetched(intake.remainder(None))
    if any(isinstance(outcome, Published | Unchanged) for outcome in arrived):
        settled = {outcome.candidate for outcome in arrived}
        again = tuple(one for one in batch.candidates if one not in settled)
        return Fetched(arrived, again, trouble)
    return Fetched(intake.remainder(trouble), trouble=trouble)


def _within(row: Row, nights: Nights | None) -> bool:
    return nights is None or nights.first <= row.product.night <= nights.last


def _leaves(group: BaseExceptionGroup[WinterSyncError]) -> list[WinterSyncError]:
    found: list[WinterSyncError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _worst(errors: Sequence[WinterSyncError]) -> WinterSyncError:
    """Choose the error to report of several that ended a run: storage before all others."""
    return next((one for one in errors if isinstance(one, StorageError)), errors[0])
