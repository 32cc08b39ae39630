"""What every way to adopt a file shares: its place is claimed, it is recorded, its fate told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from uuid import uuid4

from winter_sync.catalog import Outcomes, Queue
from winter_sync.core import (
    Adopted,
    Failed,
    ProductFinished,
    run_in_thread,
    wait_until_done,
)
from winter_sync.formats import unknown_suffix
from winter_sync.maintenance.adoption_results import AdoptedFile, AdoptResult, Fate
from winter_sync.sync import adopt_part
from winter_sync.tree import MANIFESTS, RecordedSums, Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from winter_sync.config import Settings
    from winter_sync.core import Candidate, Instrument
    from winter_sync.maintenance.adoption_results import AdoptRequest
    from winter_sync.sync import Mirror
    from winter_sync.tree import Part


P = ParamSpec("P")
T = TypeVar("T")

_LEFT = "no data seem to be missing, but more may have been meant: sync downloads it and decides"
NOT_LISTED = "the archive does not list it for the configured programs"


class Adoption:
    """One run of `adopt`, and what came of each file."""

    def __init__(
        self, settings: Settings, mirror: Mirror, request: AdoptRequest, result: AdoptResult
    ) -> None:
        self._mirror = mirror
        self._request = request
        self._result = result
        self._redact = mirror.api.redacted
        self._tree = Tree(settings.root, follow_links=settings.mirror.follow_links)
        self._sums = RecordedSums(settings.state / MANIFESTS)
        self._adopted: dict[tuple[Instrument, str], str] = {}
        """The digests of what was adopted in this run: a file may be there twice."""

    def _add(
        self,
        name: str,
        fate: Fate,
        size: int = 0,
        path: str | None = None,
        reason: str | None = None,
    ) -> None:
        self._result.add(AdoptedFile(name, fate, size, path, reason))

    def _add_outcome(
        self, name: str, candidate: Candidate, outcome: Adopted | Failed | None
    ) -> None:
        match outcome:
            case Adopted(_, evidence, note):
                self._add(name, Fate.ADOPTED, evidence.size, evidence.path, note)
            case Failed(_, reason, doubtful=True):
                self._add(name, Fate.DOUBTFUL, path=candidate.path, reason=f"{reason}; {_LEFT}")
            case Failed(_, reason, blamed=True):
                self._add(name, Fate.DAMAGED, path=candidate.path, reason=reason)
            case Failed(_, reason):
                self._add(name, Fate.UNREADABLE, path=candidate.path, reason=reason)
            case None:
                self._add(name, Fate.UNREADABLE, path=candidate.path, reason="it is gone")

    async def _adopt_part(self, name: str, part: Part, candidate: Candidate) -> bool:
        """Adopt a staged copy, and discard it; return whether it is the file that is now here."""
        try:
            if not await self._claim([candidate]):
                self._add(name, Fate.BUSY, path=candidate.path)
                return False
            recording = asyncio.create_task(self._publish(name, part, candidate))
            return await wait_until_done(recording)
        finally:
            await self._in_thread(part.discard)

    async def _publish(self, name: str, part: Part, candidate: Candidate) -> bool:
        batch, session = uuid4().hex, self._mirror.session
        try:
            outcome, is_published = await self._in_thread(
                adopt_part, session, part, candidate, batch, self._redact
            )
        except BaseException:
            await self._release([candidate])
            raise
        if not isinstance(outcome, Adopted):
            await self._release([candidate])
            self._add_outcome(name, candidate, outcome)
            return False
        await self._commit([outcome])
        session.forget_journal(batch)
        if outcome.evidence.sha256 != part.sha256:
            self._add_held(name, candidate, part.sha256)
        else:
            self._add_outcome(name, candidate, outcome)
        return is_published

    def _add_held(self, name: str, candidate: Candidate, sha256: str) -> None:
        """Report a file whose product is known already."""
        if sha256 == self._digest(candidate):
            self._add(name, Fate.HERE, path=candidate.path)
        else:
            reason = "its product is here with other content, which stays"
            self._add(name, Fate.DIFFERENT, path=candidate.path, reason=reason)

    def _add_ambiguous(self, name: str, candidates: Sequence[Candidate]) -> None:
        places = " or ".join(candidate.path for candidate in candidates)
        reason = f"it can be {places}; put it into a directory of that name"
        self._add(name, Fate.AMBIGUOUS, reason=reason)

    # --- the catalog -----------------------------------------------------------------------------

    def _digest(self, candidate: Candidate) -> str | None:
        """Return the digest of what is here of a product; None if nothing is known to be here."""
        return self._adopted.get(candidate.product.identity, candidate.published_sha256)

    async def _claim(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        session = self._mirror.session.name
        return await self._mirror.catalog.queue(Queue.claim, candidates, session)

    async def _release(self, candidates: Sequence[Candidate]) -> None:
        await self._mirror.catalog.queue(Queue.release, candidates)

    async def _commit(self, adopted: Sequence[Adopted]) -> None:
        await self._mirror.catalog.outcomes(Outcomes.commit, adopted, lambda *_: timedelta())
        for outcome in adopted:
            self._adopted[outcome.candidate.product.identity] = outcome.evidence.sha256
            if not self._request.dry_run:
                self._mirror.emit(ProductFinished(outcome))

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await run_in_thread(self._mirror.threads, work, *args, **kwargs)


def why_unknown(filename: str) -> str:
    """Return why a file of this name is no product."""
    if unknown_suffix(filename) is not None:
        return "it has no name of a product"
    return NOT_LISTED
