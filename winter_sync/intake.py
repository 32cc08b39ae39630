"""One archive becomes files of the tree, member by member, while it arrives.

Runs off the event loop: inflating, hashing, writing, checking and publishing all happen in the
thread that calls `feed`.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

from winter_sync import gate
from winter_sync.errors import DamagedError
from winter_sync.models import (
    Batch,
    Candidate,
    Evidence,
    Failed,
    Missing,
    Outcome,
    Published,
    Unchanged,
)
from winter_sync.tree import Part, Reserve, Session
from winter_sync.unzip import Event, Limits, MemberEnd, MemberStart, Unzipper

if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER_AND_NAME = 2


class Intake:
    """What receives the answer to one batch.

    Parameters
    ----------
    batch
        What was asked for.
    session
        Where parts are staged and published from.
    keep
        Whether the older revision of a product is kept beside the new one.
    settled
        Called with each outcome the moment it is known, in the calling thread.
    limits
        Bounds on the archive.

    Use as a context manager: leaving it discards an unfinished part and the unused reserve.
    """

    def __init__(
        self,
        batch: Batch,
        session: Session,
        *,
        keep: bool,
        settled: Callable[[Outcome], None] = lambda _: None,
        limits: Limits = Limits(),  # noqa: B008 - frozen, so shareable
    ) -> None:
        self.unasked = 0
        self._batch = batch
        self._session = session
        self._keep = keep
        self._settled = settled
        self._waiting = {one.product.filename: one for one in batch.candidates}
        self._outcomes: list[Outcome] = []
        self._unzipper = Unzipper(limits)
        self._reserve = Reserve(session.tree, batch.expected_size)
        self._current: Candidate | None = None
        self._part: Part | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop_part()
        self._reserve.end()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What is known so far."""
        return tuple(self._outcomes)

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the archive, publishing every member that they complete.

        Raises
        ------
        DamagedError
            If the archive cannot be followed any further; what was published stays.
        StorageError
            If the disk cannot take it.
        """
        for event in self._unzipper.feed(block):
            self._take(event)

    def finish(self) -> None:
        """Tell that the answer has ended.

        Raises
        ------
        DamagedError
            If the archive has not.
        """
        if not self._unzipper.complete:
            raise DamagedError(
                f"the zip ended early, after {self._unzipper.offset} bytes "
                f"and {self._unzipper.members} members"
            )

    def remainder(self, reason: str | None) -> tuple[Outcome, ...]:
        """Settle what did not come, and give all outcomes.

        With no `reason` the archive was whole, so what is not in it is missing on the server.
        """
        for candidate in self._waiting.values():
            self._settle(Missing(candidate) if reason is None else Failed(candidate, reason))
        self._waiting.clear()
        return self.outcomes

    def _take(self, event: Event) -> None:
        match event:
            case MemberStart():
                self._begin(event)
            case MemberEnd():
                self._end(event)
            case data if self._part is not None:
                self._reserve.spend(len(data))
                self._part.write(data)

    def _begin(self, member: MemberStart) -> None:
        candidate = self._match(member.name)
        if candidate is None:
            self.unasked += 1
            return
        self._current = candidate
        self._part = self._session.stage()

    def _match(self, name: str) -> Candidate | None:
        """Find what a member is: by basename, which is unique in a batch.

        A longer name must not contradict the savepath: its last directory has to be one of it
        (winter-api.md: what stands before the basename is not documented), or a single folder
        that the server put everything into.
        """
        parts = PurePosixPath(name.replace("\\", "/")).parts
        candidate = self._waiting.get(parts[-1]) if parts else None
        if candidate is None or len(parts) <= _FOLDER_AND_NAME:
            return candidate
        return candidate if parts[-2] in PurePosixPath(candidate.product.savepath).parts else None

    def _end(self, member: MemberEnd) -> None:
        candidate, part = self._current, self._part
        if candidate is None or part is None:
            return
        try:
            outcome = self._outcome(candidate, part, member)
        finally:
            self._drop_part()
        del self._waiting[candidate.product.filename]
        self._settle(outcome)

    def _outcome(self, candidate: Candidate, part: Part, member: MemberEnd) -> Outcome:
        if member.fault is not None:
            return Failed(candidate, f"it arrived damaged: {member.fault}", blamed=True)
        try:
            gate.judge(part.descriptor, candidate.product.filename)
        except DamagedError as refused:
            return Failed(candidate, refused.message, blamed=True)
        evidence = self._evidence(candidate, part)
        if part.sha256 == candidate.published_sha256 and self._is_there(evidence):
            return Unchanged(candidate, evidence)
        part.seal()
        return Published(candidate, self._publish(part, evidence, candidate))

    def _evidence(self, candidate: Candidate, part: Part) -> Evidence:
        return Evidence(
            instrument=candidate.product.instrument,
            savepath=candidate.product.savepath,
            path=candidate.path,
            size=part.size,
            sha256=part.sha256,
            marks=candidate.marks,
        )

    def _is_there(self, evidence: Evidence) -> bool:
        path = self._session.tree.root / evidence.path
        return path.is_file() and path.stat().st_size == evidence.size

    def _publish(self, part: Part, evidence: Evidence, candidate: Candidate) -> Evidence:
        """Publish; a file that the catalog does not know of is a person's and is kept."""
        keep = self._keep or candidate.published_sha256 is None
        return self._session.publish(part, evidence, batch=self._batch.identifier, keep=keep)

    def _settle(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._settled(outcome)

    def _drop_part(self) -> None:
        if self._part is not None:
            self._part.discard()
        self._part = self._current = None
