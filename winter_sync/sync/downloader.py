"""One batch of the queue: products claimed, downloaded, and what became of them committed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING
from uuid import uuid4

from winter_sync.catalog import CatalogThread, Outcomes, Queue
from winter_sync.core import (
    DOUBTFUL_CONTENT,
    FAILED_DOWNLOAD,
    FETCH_ORDER,
    INTERRUPTED,
    MISSING_PRODUCT,
    REFUSED_CONTENT,
    BadAnswerError,
    Batch,
    BatchEnded,
    BatchStarted,
    Candidate,
    Cause,
    CircuitOpenError,
    CredentialsRefusedError,
    ErrorCode,
    Failed,
    FoundUnchanged,
    Missing,
    Outcome,
    ProductFinished,
    Refetch,
    Sink,
    Time,
    TransientError,
    WinterSyncError,
    run_in_thread,
    wait_until_done,
)
from winter_sync.sync.download_planner import ClientLimits, DownloadPlanner
from winter_sync.sync.pacing import Pacing, RefetchLimits, begin_within
from winter_sync.sync.results import BatchResult, Fetched, Served
from winter_sync.sync.transfer_record import TransferRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from concurrent.futures import Executor
    from datetime import timedelta

    from winter_sync.archive import ArchiveClient
    from winter_sync.catalog import Scope
    from winter_sync.sync.batching import Conditions
    from winter_sync.sync.fetcher import Fetcher
    from winter_sync.tree import Session

    Choose = Callable[[Sequence[Candidate], Conditions], tuple[Candidate, ...]]

_CANDIDATES = 512
"""How many are considered for one batch: what several connections take."""
_MANY_CANDIDATES = 8192
"""How many are considered where none of the first fits on the disk."""
_LIMITS = RefetchLimits()
_CLIENT_LIMITS = ClientLimits()
_NO_RECORD = TransferRecord(None, "")


class Downloader:
    """Downloads batches, each from its claim to its commit; several may be under way at once.

    Parameters
    ----------
    api
        The archive, asked whether the server is well when a batch does not begin.
    catalog, session
        The database, and this process's staging place in the tree, which holds the claims.
    make_fetcher
        Returns what brings a batch into the tree; called for the first batch.
    threads
        Where the tree is read.
    emit
        Receives events.
    time
        A monotonic clock, and chance, which spreads retries.
    limits
        How much of what is here may be fetched again.
    client_limits
        How the client of the archive is set.
    record
        Keeps how the last downloads went.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        api: ArchiveClient,
        catalog: CatalogThread,
        session: Session,
        make_fetcher: Callable[[], Fetcher],
        threads: Executor,
        emit: Sink,
        time: Time,
        limits: RefetchLimits = _LIMITS,
        client_limits: ClientLimits = _CLIENT_LIMITS,
        record: TransferRecord = _NO_RECORD,
    ) -> None:
        self._api = api
        self._catalog = catalog
        self._session = session
        self._fetcher = cache(make_fetcher)
        self._threads = threads
        self._emit = emit
        self._time = time
        self.pacing = Pacing(catalog, limits)
        """How much of what is here may be fetched again."""
        self._record = record
        self._planner = DownloadPlanner(
            lambda: api.slots.allowed, client_limits, time, record.read()
        )
        self._claiming = asyncio.Lock()
        self._under_way: dict[str, int] = {}
        """The expected size of each batch that is being downloaded, bytes."""

    async def download_batch(
        self, scope: Scope, choose: Choose, *, by_hand: bool = False
    ) -> BatchResult | None:
        """Download one batch of a scope and commit what became of it.

        Parameters
        ----------
        scope
            What may be downloaded.
        choose
            Chooses a batch of candidates, in their order, that is no larger than the room on the
            disk, bytes.
        by_hand
            Whether a person asked for this: the budget of re-fetches does not hold then.

        Returns
        -------
        BatchResult or None
            What the batch came to; None if there is nothing to download now.

        Raises
        ------
        StorageError
            If the disk or the catalog cannot do its part; the batch was given back.
        """
        async with AsyncExitStack() as stack:
            batch = await self._claim(scope, choose, stack, by_hand=by_hand)
            return None if batch is None else await self._download(batch)

    async def wait_for_slot(self) -> None:
        """Return when the archive may be asked for one more batch."""
        await self._api.slots.wait_until_free()

    @property
    def under_way(self) -> int:
        """How many batches are being downloaded."""
        return len(self._under_way)

    async def _claim(
        self, scope: Scope, choose: Choose, stack: AsyncExitStack, *, by_hand: bool
    ) -> Batch | None:
        """Claim a batch, and count it as under way until the stack is left."""
        while True:
            async with self._claiming:
                chosen = await self._choose(scope, choose, by_hand=by_hand)
                if not chosen:
                    return None
                taken = await self._take(chosen)
                if taken:
                    batch = Batch(uuid4().hex, taken)
                    self._under_way[batch.identifier] = batch.expected_size
                    stack.callback(self._under_way.pop, batch.identifier)
                    stack.enter_context(self.pacing.under_way(batch))
                    stack.enter_context(self._planner.under_way(batch))
                    return batch

    async def _take(self, chosen: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        """Claim candidates; return those that nobody else had claimed.

        Whoever is cancelled meanwhile gives them back: nobody would know of the claim.
        """
        claiming = asyncio.create_task(self._catalog.queue(Queue.claim, chosen, self._session.name))
        try:
            return await wait_until_done(claiming)
        except asyncio.CancelledError:
            if not claiming.cancelled() and claiming.exception() is None:
                releasing = self._catalog.queue(Queue.release, claiming.result())
                await wait_until_done(asyncio.create_task(releasing))
            raise

    async def _choose(
        self, scope: Scope, choose: Choose, *, by_hand: bool
    ) -> tuple[Candidate, ...]:
        """Choose a batch of what is not here; only where there is none, of what is fetched again.

        So a re-fetch never delays a new product.
        """
        for reason in Refetch:
            if reason and not self.pacing.has_room(by_hand=by_hand):
                break
            allowance = await self.pacing.allowance(reason, by_hand=by_hand)
            if allowance <= 0:
                continue
            candidates = await self._candidates(scope, _CANDIDATES, reason)
            if candidates:
                chosen = await self._fitting(scope, choose, candidates, reason)
                return begin_within(chosen, allowance)
        return ()

    async def _fitting(
        self, scope: Scope, choose: Choose, candidates: list[Candidate], reason: Refetch
    ) -> tuple[Candidate, ...]:
        """Choose a batch that the disk can take beside those under way.

        On a disk that is nearly full single products may fit, also behind many that do not. What
        fits nowhere waits for what is under way; when nothing is, it is for the disk to refuse.
        """
        room = await run_in_thread(self._threads, self._session.tree.space.free)
        room -= sum(self._under_way.values())
        conditions = self._planner.conditions(room)
        chosen = choose(candidates, conditions)
        if not chosen and len(candidates) == _CANDIDATES:
            chosen = choose(await self._candidates(scope, _MANY_CANDIDATES, reason), conditions)
        return chosen or (() if self._under_way else tuple(candidates[:1]))

    async def _candidates(self, scope: Scope, limit: int, reason: Refetch) -> list[Candidate]:
        return await self._catalog.queue(Queue.candidates, scope, FETCH_ORDER, limit, reason)

    async def _download(self, batch: Batch) -> BatchResult:
        """Fetch a batch and commit what became of it."""
        began = self._time.monotonic()
        self._emit(BatchStarted(batch))
        try:
            fetched = await self._fetch_or_fail(batch)
        except BaseException as error:
            ending = self._end(batch, began, self._give_back(batch), _trouble(error), _cause(error))
            await wait_until_done(asyncio.create_task(ending))
            if isinstance(error, CredentialsRefusedError):
                return BatchResult(batch, Served.REFUSED, error=error)
            if isinstance(error, TransientError):
                return BatchResult(batch, Served.UNWELL, error=error)
            raise
        await self._learn(batch, fetched)
        committing = self._commit(batch, fetched)
        ending = self._end(batch, began, committing, fetched.trouble, fetched.cause)
        await wait_until_done(asyncio.create_task(ending))
        return result_of(batch, fetched)

    async def _learn(self, batch: Batch, fetched: Fetched) -> None:
        """Learn from how long a download took, if all of it arrived."""
        timing = fetched.timing
        if timing is not None:
            products = len(batch.candidates)
            self._planner.arrived(products, timing.size, timing.waited, timing.receiving)
            await self._keep_transfers()

    async def _keep_transfers(self) -> None:
        await run_in_thread(self._threads, self._record.write, self._planner.transfers)

    async def _fetch_or_fail(self, batch: Batch) -> Fetched:
        """Fetch a batch; if it does not begin though the server is well, its products have failed.

        Otherwise a product that breaks the server would be requested in the same company for ever.
        So would one that may not be read, though all others of its program may.

        Raises
        ------
        TransientError
            If the server is unwell; nothing was learnt of the batch then.
        CredentialsRefusedError
            If the program's credentials are refused; the same.
        """
        try:
            return await self._fetcher().fetch(batch)
        except CircuitOpenError:
            raise
        except TransientError as broken:
            await self._api.probe()
            self._planner.failed(batch)
            await self._keep_transfers()
            return self._failed(batch, broken)
        except CredentialsRefusedError as refused:
            await self._check_credentials(batch.program, refused)
            return replace(self._failed(batch, refused), refused=refused)

    async def _check_credentials(self, program: str, refused: CredentialsRefusedError) -> None:
        try:
            await self._api.program(program)
        except BadAnswerError:
            raise refused from None

    def _failed(self, batch: Batch, broken: WinterSyncError) -> Fetched:
        outcomes = tuple(
            Failed(candidate, broken.message, cause=broken.cause) for candidate in batch.candidates
        )
        for outcome in outcomes:
            self._emit(ProductFinished(outcome))
        return Fetched(outcomes, trouble=broken.message, cause=broken.cause)

    async def _end(
        self,
        batch: Batch,
        began: float,
        recording: Awaitable[None],
        trouble: str | None,
        cause: Cause,
    ) -> None:
        """Record a batch in the catalog; emit that it has ended whether or not that works."""
        try:
            await recording
        except BaseException as error:
            trouble, cause = _trouble(error), _cause(error)
            raise
        finally:
            self._emit(BatchEnded(batch, self._time.monotonic() - began, trouble, cause))

    async def _give_back(self, batch: Batch) -> None:
        """Release a batch of which nothing was learnt; what it published before is adopted."""
        evidence = await run_in_thread(
            self._threads, self._session.recover_evidence, batch.identifier
        )
        for published in evidence:
            await self._catalog.outcomes(Outcomes.adopt, published)
        await self._catalog.queue(Queue.release, batch.candidates)
        self._session.forget_journal(batch.identifier)

    async def _commit(self, batch: Batch, fetched: Fetched) -> None:
        unchanged = await self._catalog.outcomes(
            Outcomes.commit, fetched.outcomes, self._retry_delay
        )
        if fetched.again:
            await self._catalog.queue(Queue.release, fetched.again)
        self._session.forget_journal(batch.identifier)
        if unchanged:
            self._emit(FoundUnchanged(unchanged))

    def _retry_delay(self, attempts: int, outcome: Outcome) -> timedelta:
        """Return how long to wait before a product is requested again."""
        if isinstance(outcome, Missing):
            return MISSING_PRODUCT.delay(attempts)
        if isinstance(outcome, Failed) and outcome.sha256 is not None:
            return DOUBTFUL_CONTENT.delay(attempts)
        if isinstance(outcome, Failed) and outcome.refused:
            return REFUSED_CONTENT.delay(attempts)
        return FAILED_DOWNLOAD.delay(attempts, self._time.random())


def _trouble(error: BaseException) -> str:
    return str(error) or INTERRUPTED


def _cause(error: BaseException) -> Cause:
    return error.cause if isinstance(error, WinterSyncError) else Cause.OTHER


def result_of(batch: Batch, fetched: Fetched) -> BatchResult:
    """Return what a batch came to that was committed.

    One product alone that may not be read is no fault of its program's credentials.
    """
    if fetched.refused is not None and len(batch.candidates) > 1:
        return BatchResult(batch, Served.REFUSED, fetched.outcomes, fetched.refused)
    if not fetched.was_asked:
        return BatchResult(batch, Served.NOT_ASKED, fetched.outcomes)
    if fetched.brought_something:
        return BatchResult(batch, Served.PRODUCTS, fetched.outcomes)
    return BatchResult(batch, Served.NOTHING, fetched.outcomes, _in_vain(fetched.why_nothing))


def _in_vain(why: str) -> TransientError:
    return TransientError(
        f"one download after the other brings nothing; of the last: {why}",
        remedy="Nothing is lost: run again later.",
        code=ErrorCode.ARCHIVE_DOWNLOADS,
    )
