"""One archive becomes files of the tree, member by member, while it arrives.

Runs off the event loop: inflating, hashing, writing, checking and publishing all happen in the
thread that calls `feed`.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Self

from winter_sync.core import (
    DIRECTORIES,
    Batch,
    Candidate,
    Cause,
    DamagedError,
    DamagedFileError,
    ErrorCode,
    Evidence,
    Failed,
    Missing,
    Outcome,
    Product,
    Published,
    StorageError,
    Unchanged,
    storage_errors_explained,
)
from winter_sync.formats import Limits, MemberEnd, MemberStart, Output, ZipReader, check_file
from winter_sync.tree import Part, Publication, Reservation, Session

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES = 3
"""How often a member of one name may arrive, as long as it arrives damaged."""
_OTHER_MEMBERS = 32
"""Directories, and members that were not requested."""
_TIMES_EXPECTED = 4
"""All products of a batch together may have this many times their expected size."""
_TIMES_LARGER = 16
"""One product may have this many times its expected size, ..."""
_LARGE = 256 * 1024**2
"""... and this in any case: five times the largest product that the archive has."""
_PACKING = 64 * 1024**2
"""What an archive may hold besides data: headers, directory, and data that deflate poorly."""
_MOST_TOGETHER = 64
"""Files published together: each is open until then. With more, each costs hardly any less."""
_SIZE_TOGETHER = 8 * 1024**2
"""Bytes of files published together: what is larger costs little beside its own writing."""
_SEPARATOR = re.compile(r"[/\\]")
_NIGHT = re.compile(r"\d{8}", re.ASCII)


class Receiver:
    """Receives the answer to one batch.

    Parameters
    ----------
    batch
        The requested products.
    session
        Where parts are staged and published from.
    keep
        Whether the older revision of a product is kept beside the new one.
    on_outcome
        Called once for each product whose outcome is final, in the calling thread: the moment it
        is in the tree, or when it cannot arrive any more.
    limits
        Bounds on any archive; those on this one follow from the requested products, see `budget`.
    redact
        Takes secrets out of a text; applied to what is quoted of a file.

    Use as a context manager: leaving it discards an unfinished part and the unused reserve.

    Raises
    ------
    StorageError
        If there is no room for what is expected.
    """

    def __init__(  # noqa: PLR0913 - all but two by name
        self,
        batch: Batch,
        session: Session,
        *,
        keep: bool,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        limits: Limits = Limits(),  # noqa: B008 - frozen, so shareable
        redact: Callable[[str], str] = str,
    ) -> None:
        self._batch = batch
        self._session = session
        self._keep = keep
        self._on_outcome = on_outcome
        self._redact = redact
        self._asked = {candidate.product.filename: candidate for candidate in batch.candidates}
        self._outcomes: dict[str, Outcome] = {}
        self._tries: Counter[str] = Counter()
        self._emitted: set[str] = set()
        self._unzipper = ZipReader(budget(batch, limits))
        self._current: Candidate | None = None
        self._part: Part | None = None
        self._ready: dict[str, _Checked] = {}
        """What was checked and is not published yet, by the name of its file."""
        self._ready_size = 0
        self._reserve = Reservation(session.tree.space, batch.expected_size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            stack.callback(self._reserve.end)
            for each in self._ready.values():  # only where `feed` was interrupted
                stack.callback(each.part.discard)
            self._drop_part()

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The outcomes that are known so far."""
        return tuple(self._outcomes.values())

    def feed(self, block: bytes) -> None:
        """Take the next bytes of the archive, publishing every member that they complete.

        Small ones are published together, when no more of them are in these bytes or they are many.

        Raises
        ------
        DamagedError
            If the archive cannot be followed any further; what was published stays.
        StorageError
            If the disk cannot take it.
        """
        try:
            for output in self._unzipper.feed(block):
                self._take(output)
        except DamagedError:
            self._publish_ready()
            raise
        except StorageError:
            self._drop_part()  # on a full disk this makes room for what arrived before
            with suppress(StorageError):
                self._publish_ready()
            raise
        self._publish_ready()

    def finish(self) -> None:
        """End the answer.

        Raises
        ------
        DamagedError
            If the archive is not complete.
        """
        if not self._unzipper.complete:
            raise DamagedError(
                f"the zip ended early, after {self._unzipper.offset} bytes "
                f"and {self._unzipper.members} members",
                code=ErrorCode.FILE_ZIP,
            )

    def remainder(self, reason: str | None, cause: Cause = Cause.OTHER) -> tuple[Outcome, ...]:
        """Decide the outcome of every product that did not arrive, and return all outcomes.

        With no `reason` the archive was complete, so what is not in it is missing on the server.
        Otherwise those products failed for this reason; `cause` is its kind.
        """
        for name, candidate in self._asked.items():
            if name not in self._outcomes:
                absent: Outcome = Missing(candidate)
                if reason is not None:
                    absent = Failed(candidate, reason, cause=cause)
                self._outcomes[name] = absent
        self.emit_rest()
        return self.outcomes

    def emit_rest(self) -> None:
        """Report outcomes held back so far: a product that failed could have arrived again."""
        for name, outcome in self._outcomes.items():
            if name not in self._emitted:
                self._emitted.add(name)
                self._on_outcome(outcome)

    def _take(self, output: Output) -> None:
        match output:
            case MemberStart():
                self._begin(output)
            case MemberEnd():
                self._end(output)
            case data if self._part is not None:
                self._reserve.write(self._part, data)

    def _begin(self, member: MemberStart) -> None:
        candidate = self._match(member.name)
        if candidate is None:
            self._unzipper.skip_member()
            return
        self._unzipper.limit_member(largest(candidate))
        self._tries[candidate.product.filename] += 1
        self._part = self._session.stage()
        self._current = candidate

    def _match(self, name: str) -> Candidate | None:
        """Return the product that a member is: by basename, which is unique in a batch.

        A member that arrived damaged may arrive again in the same archive, but not for ever; one
        that arrived complete may not.
        """
        *folders, filename = _SEPARATOR.split(name)
        candidate = self._asked.get(filename)
        if candidate is None or contradicts(folders, candidate.product):
            return None
        is_open = isinstance(self._outcomes.get(filename), Failed | None)
        is_open = is_open and filename not in self._ready
        return candidate if is_open and self._tries[filename] < _TRIES else None

    def _end(self, member: MemberEnd) -> None:
        candidate, part = self._current, self._part
        if candidate is None or part is None:
            return
        checked = self._check(candidate, part, member)
        if isinstance(checked, Failed):
            self._publish_ready()  # outcomes are told in the order of arrival
            self._drop_part()
            self._record(candidate, checked)
            return
        self._ready[candidate.product.filename] = checked
        self._part = self._current = None
        self._ready_size += part.size
        if len(self._ready) >= _MOST_TOGETHER or self._ready_size >= _SIZE_TOGETHER:
            self._publish_ready()

    def _check(self, candidate: Candidate, part: Part, member: MemberEnd) -> Failed | _Checked:
        if member.fault is not None:
            reason = f"it arrived damaged: {member.fault}"
            return Failed(candidate, reason, blamed=True, cause=Cause.DAMAGED)
        try:
            note = judge(part, candidate, self._redact)
        except DamagedFileError as refused:
            return Failed(
                candidate,
                refused.message,
                blamed=True,
                sha256=part.sha256 if refused.fault.leaves_data_whole else None,
                cause=refused.cause,
                refused=True,
            )
        return _Checked(candidate, part, evidence_of(candidate, part), note)

    def _publish_ready(self) -> None:
        """Publish what was checked, but for what the tree holds already, byte for byte."""
        ready, self._ready, self._ready_size = tuple(self._ready.values()), {}, 0
        if not ready:
            return
        with ExitStack() as stack:
            for each in ready:
                stack.callback(each.part.discard)
            found = self._session.tree.make_durable([each.evidence for each in ready])
            held = {evidence.path: evidence for evidence in found}
            published = self._session.publish_all(
                [self._publication(each) for each in ready if each.evidence.path not in held],
                batch=self._batch.identifier,
            )
        put = {evidence.path: evidence for evidence in published}
        for candidate, note in ((each.candidate, each.note) for each in ready):
            path = candidate.path
            outcome = (
                Published(candidate, put[path], note)
                if path in put
                else Unchanged(candidate, held[path])
            )
            self._record(candidate, outcome)

    def _publication(self, each: _Checked) -> Publication:
        """Return what to publish; keep a file that the catalog does not know: a person's."""
        ours = each.candidate.published_sha256
        if ours is None:
            return Publication(each.part, each.evidence, keep=True)
        is_other = not self._session.tree.has_content(each.candidate.path, ours)
        evidence = replace(each.evidence, kept_is_revision=not is_other)
        return Publication(each.part, evidence, keep=self._keep or is_other)

    def _record(self, candidate: Candidate, outcome: Outcome) -> None:
        name = candidate.product.filename
        self._outcomes[name] = outcome
        if not isinstance(outcome, Failed):
            self._emitted.add(name)
            self._on_outcome(outcome)

    def _drop_part(self) -> None:
        part, self._part, self._current = self._part, None, None
        if part is not None:
            part.discard()


@dataclass(frozen=True, slots=True)
class _Checked:
    """A complete member that may be published, and what is odd about it."""

    candidate: Candidate
    part: Part
    evidence: Evidence
    note: str | None


def largest(candidate: Candidate) -> int:
    """Return how many bytes a product may have at most: far more than it is expected to have."""
    return max(_TIMES_LARGER * candidate.expected_size, _LARGE)


def budget(batch: Batch, limits: Limits) -> Limits:
    """Return what the archive that answers a batch may ask of us, within the given limits.

    An archive that exceeds it is abandoned: what arrived complete stays, and the rest is requested
    again. Bytes bound the CPU time, too, whatever the compression ratio.
    """
    inflated = _TIMES_EXPECTED * batch.expected_size + max(map(largest, batch.candidates))
    return replace(
        limits,
        members=min(limits.members, _TRIES * len(batch.candidates) + _OTHER_MEMBERS),
        inflated_size=min(limits.inflated_size, inflated),
        archive_size=min(limits.archive_size, inflated + _PACKING),
    )


def contradicts(folders: list[str], product: Product) -> bool:
    """Return whether the folders before a member's name say that it is another product.

    What stands there is not documented (winter-api.md, "Endpoints"): nothing, one folder for
    all, the savepath, or wherever the server happened to put the file together. So only a night
    or a kind's directory that is not the product's own is a contradiction, and one lone folder
    never is.
    """
    if len(folders) <= 1:
        return False
    telling = {word for word in folders if word in DIRECTORIES or _NIGHT.fullmatch(word)}
    return not telling <= set(PurePosixPath(product.savepath).parts)


def judge(part: Part, candidate: Candidate, redact: Callable[[str], str]) -> str | None:
    """Accept a complete member or refuse it; return what is odd about it.

    A file of which no data seem to be missing, and which is odd all the same, may be right and
    only badly written, or not yet written to its end. When the archive sends the very same content
    long after, that is what it holds: refusing it for ever would lose it.

    Raises
    ------
    DamagedError
        If it is refused.
    """
    product = candidate.product
    extensions = product.image_type.for_camera(product.instrument).extensions
    with storage_errors_explained(part.path):
        try:
            verdict = check_file(
                part.descriptor, product.filename, extensions=extensions, redact=redact
            )
        except DamagedFileError as refused:
            accepted = {candidate.refused_sha256, candidate.published_sha256}
            if not refused.fault.leaves_data_whole or part.sha256 not in accepted:
                raise
            return f"the archive sent the same content again, and yet {refused.message}"
    return "; ".join(verdict.notes) or None


def evidence_of(candidate: Candidate, part: Part) -> Evidence:
    """Return the evidence that a part is this product."""
    return Evidence(
        instrument=candidate.product.instrument,
        savepath=candidate.product.savepath,
        path=candidate.path,
        size=part.size,
        sha256=part.sha256,
        marks=candidate.marks,
    )
