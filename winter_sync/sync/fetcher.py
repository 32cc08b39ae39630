"""One download: a batch asked of the archive and poured into the tree, and what became of it.

Touches the network and the tree and never the catalog; whoever called commits the outcomes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from winter_sync.core import (
    Adopted,
    BadAnswerError,
    Batch,
    Cause,
    DamagedError,
    Failed,
    Outcome,
    ProductFinished,
    Published,
    Received,
    StorageError,
    TransientError,
    Unchanged,
    run_in_thread,
)
from winter_sync.formats import Limits
from winter_sync.sync.adoption import find_present, made_durable
from winter_sync.sync.receiver import Receiver
from winter_sync.sync.results import Fetched, Timing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from winter_sync.archive import ArchiveClient, Download
    from winter_sync.core import Sink
    from winter_sync.sync.adoption import Recorded
    from winter_sync.tree import Session


_LIMITS = Limits()


class Fetcher:
    """Downloads batches into a session of a tree.

    Parameters
    ----------
    api, session
        The archive, and this process's staging place in the tree.
    threads
        Where blocks are unpacked, checked and written.
    keep
        Whether the older revision of a product is kept.
    emit
        Receives events about bytes and single products, on the event loop.
    limits
        What no zip may exceed.
    recorded
        Returns the digests that manifests have of a path of a night.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        api: ArchiveClient,
        session: Session,
        threads: Executor,
        keep: bool,
        emit: Sink,
        limits: Limits = _LIMITS,
        recorded: Recorded = lambda *_: set(),
    ) -> None:
        self._api = api
        self._session = session
        self._threads = threads
        self._keep = keep
        self._limits = limits
        self._recorded = recorded
        self._emit = emit

    async def fetch(self, batch: Batch) -> Fetched:
        """Download a batch into the tree.

        A download that breaks after some products arrived is repeated for the rest; where none
        arrived, all its products have failed. A product whose place in the tree is obstructed has
        failed without being requested, and one whose file is there already is adopted.

        Raises
        ------
        TransientError, CredentialsRefusedError
            If the download did not begin.
        StorageError
            If the disk cannot take it.
        """
        settled = await run_in_thread(self._threads, self._settled, batch)
        for outcome in settled:
            self._emit(ProductFinished(outcome))
        without = {outcome.candidate.path for outcome in settled}
        free = tuple(each for each in batch.candidates if each.path not in without)
        if not free or any(isinstance(outcome, Adopted) for outcome in settled):
            # What was found is recorded first, whatever the server does with the rest.
            return Fetched(settled, free, was_asked=False)
        fetched = await self._fetch(replace(batch, candidates=free))
        return replace(fetched, outcomes=(*settled, *fetched.outcomes))

    def _settled(self, batch: Batch) -> tuple[Failed | Adopted, ...]:
        """Return the outcomes of products that need not be requested."""
        tree = self._session.tree
        paths = [candidate.path for candidate in batch.candidates]
        found = list(zip(batch.candidates, tree.directories.look_at(paths), strict=True))
        blocked = [
            Failed(candidate, f"{why.message}. {why.remedy}", blamed=True, cause=why.cause)
            for candidate, why in found
            if isinstance(why, StorageError)
        ]
        present = (
            find_present(tree, candidate, self._api.redacted, self._recorded)
            for candidate, is_there in found
            if is_there is True and candidate.published_sha256 is None
        )
        adopted = [each for each in present if isinstance(each, Adopted)]
        return (*blocked, *(made_durable(tree, each) for each in adopted))

    async def _fetch(self, batch: Batch) -> Fetched:
        finished = deque[Outcome]()
        receiver = Receiver(
            batch,
            self._session,
            keep=self._keep,
            on_outcome=finished.append,
            limits=self._limits,
            redact=self._api.redacted,
        )
        with receiver:
            try:
                fetched = await self._fetch_into(receiver, batch, finished)
            finally:
                self._report(finished)
        for event in self._session.tree.take_events():
            self._emit(event)
        outcomes = tuple(self._redacted(outcome) for outcome in fetched.outcomes)
        trouble = self._api.redacted(fetched.trouble) if fetched.trouble else None
        return replace(fetched, outcomes=outcomes, trouble=trouble)

    def _report(self, finished: deque[Outcome]) -> None:
        """Emit the outcomes that a thread has left there."""
        while finished:
            self._emit(ProductFinished(self._redacted(finished.popleft())))

    async def _fetch_into(
        self, receiver: Receiver, batch: Batch, finished: deque[Outcome]
    ) -> Fetched:
        try:
            async with self._api.download(batch) as download:
                broken = await self._feed(batch, download, receiver, finished)
                timing = _timing(batch, receiver.outcomes, download)
        except BadAnswerError as bad:
            return _in_vain(receiver, bad.message, bad.cause)
        return replace(_judge(batch, receiver, broken, download.missing), timing=timing)

    def _redacted(self, outcome: Outcome) -> Outcome:
        """Take our secrets out of a reason, which may quote what arrived."""
        if not isinstance(outcome, Failed):
            return outcome
        return replace(outcome, reason=self._api.redacted(outcome.reason))

    async def _feed(
        self, batch: Batch, download: Download, receiver: Receiver, finished: deque[Outcome]
    ) -> TransientError | DamagedError | None:
        """Feed a download to its receiver; return what broke it, if something did.

        While a thread works on one block, the next is being received.
        """

        async def take(block: bytes) -> None:
            await run_in_thread(self._threads, receiver.feed, block)
            self._report(finished)

        work: asyncio.Task[None] | None = None
        try:
            try:
                async for block in download.blocks():
                    if work is not None:
                        await work
                    work = asyncio.create_task(take(block))
                    self._emit(Received(batch, len(block)))
            finally:
                if work is not None:
                    await work
            receiver.finish()
        except (TransientError, DamagedError) as broken:
            return broken
        return None


def _timing(batch: Batch, outcomes: Sequence[Outcome], download: Download) -> Timing | None:
    """Return what a download took; None where not all of it arrived."""
    whole = [outcome for outcome in outcomes if isinstance(outcome, Published | Unchanged)]
    if len(whole) < len(batch.candidates):
        return None
    size = sum(outcome.evidence.size for outcome in whole)
    return Timing(size, download.waited, download.receiving)


def _judge(
    batch: Batch,
    receiver: Receiver,
    broken: TransientError | DamagedError | None,
    missing: int | None,
) -> Fetched:
    """Decide what a download means for the products that did not arrive in it.

    A complete answer without a product, from a server that admits to missing some (or does not
    say), means that the product is missing. If the server claims that none is missing, the product
    has failed. Products that did not arrive because the answer broke have not failed, as long as
    another arrived before.
    """
    arrived = receiver.outcomes
    absent = len(batch.candidates) - len(arrived)
    if broken is None and missing is not None and missing < absent:
        lie = f"the server left {absent} of {len(batch.candidates)} out and admits {missing}"
        return _in_vain(receiver, lie, Cause.BAD_ANSWER)
    if broken is None:
        return Fetched(receiver.remainder(None))
    if any(isinstance(outcome, Published | Unchanged) for outcome in arrived):
        receiver.emit_rest()
        finished = {outcome.candidate for outcome in arrived}
        again = tuple(candidate for candidate in batch.candidates if candidate not in finished)
        return Fetched(arrived, again, broken.message, broken.cause)
    return _in_vain(receiver, broken.message, broken.cause)


def _in_vain(receiver: Receiver, trouble: str, cause: Cause) -> Fetched:
    """Mark every product that did not arrive as failed, for one reason."""
    return Fetched(receiver.remainder(trouble, cause), trouble=trouble, cause=cause)
