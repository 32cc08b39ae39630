"""Adopt files that are here already: into the tree and the catalog, without a download."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from uuid import uuid4

from winter_sync.catalog import Adoptions, Catalog, CatalogThread, Outcomes, Queue
from winter_sync.config import check_root
from winter_sync.core import (
    CATALOG,
    REAL_TIME,
    Adopted,
    DamagedError,
    DamagedFileError,
    Failed,
    ProductFinished,
    Time,
    UsageError,
    has_name,
    run_in_thread,
    utc_now,
    wait_until_done,
)
from winter_sync.factory import open_mirror
from winter_sync.formats import read_card_texts, unknown_suffix
from winter_sync.maintenance.adoption_matching import TELLING_CARDS, by_directories, by_header
from winter_sync.maintenance.adoption_results import AdoptedFile, AdoptResult, Fate
from winter_sync.maintenance.adoption_sources import ZIP, FileSource, ZipSource
from winter_sync.maintenance.facts import FactsCatchUp, take_facts
from winter_sync.sync import adopt_part, examine, find_present, largest, made_durable
from winter_sync.tree import MANIFESTS, FileWalk, RecordedSums, Tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from winter_sync.config import Settings
    from winter_sync.core import Candidate, Instrument, Sink
    from winter_sync.maintenance.adoption_results import AdoptRequest
    from winter_sync.sync import Mirror
    from winter_sync.tree import Part

    Counting = Callable[[int, int], AbstractContextManager[Callable[[int, int], None]]]

P = ParamSpec("P")
T = TypeVar("T")

_TOGETHER = 16
"""Files in place that are read and recorded together."""
_NOT_LISTED = "the archive does not list it for the configured programs"


async def adopt(
    settings: Settings,
    request: AdoptRequest,
    emit: Sink,
    counting: Counting,
    *,
    time: Time = REAL_TIME,
) -> AdoptResult:
    """List the archive, and adopt the files of a directory, or those at their places in the root.

    Parameters
    ----------
    settings
        Checked settings.
    request
        What to adopt.
    emit
        Receives events.
    counting
        Shows a number of files and bytes while they are gone through.
    time
        Clocks, and how to wait.

    Raises
    ------
    UsageError
        If the directory is none to take files from.
    StorageError
        If the root or the catalog cannot be used, or the disk is full; what was adopted stays.
    """
    check_root(settings.root)
    directory = _directory(request, settings.root)
    result = AdoptResult(request)
    async with _opened(settings, request, emit, time) as mirror:
        if not request.offline:
            result.errors = (await mirror.list_all()).errors
        else:
            await mirror.recover()
        adopter = _Adopter(settings, mirror, request, result)
        files, size = await asyncio.to_thread(_count, directory or settings.root)
        with counting(files, size) as done:
            await adopter.adopt_all(directory, done)
        if settings.facts.enabled and not request.dry_run:
            await _take_facts(mirror, time)
    return result


def _directory(request: AdoptRequest, root: Path) -> Path | None:
    """Return the directory to take files from; None for the root itself.

    Raises
    ------
    UsageError
        If there is none, or the root is in it.
    """
    if request.directory is None:
        return None
    given, top = request.directory.resolve(), root.resolve()
    if not given.is_dir():
        raise UsageError(f"{request.directory} is not a directory", remedy="Check its name.")
    if given == top:
        return None
    if given in top.parents:
        raise UsageError(
            f"the mirror root {root} is in {request.directory}",
            remedy="Name a directory with nothing but the files to adopt.",
        )
    return given


def _count(directory: Path) -> tuple[int, int]:
    """Count the files below a directory, and their bytes."""
    walk = FileWalk(directory)
    files = size = 0
    while paths := walk.next_paths():
        files += len(paths)
        for path in paths:
            try:
                size += (directory / path).lstat().st_size
            except OSError:
                continue
    return files, size


@asynccontextmanager
async def _opened(
    settings: Settings, request: AdoptRequest, emit: Sink, time: Time
) -> AsyncIterator[Mirror]:
    """Open the mirror; for a dry run an empty one elsewhere, with a copy of the catalog."""
    if not request.dry_run:
        async with open_mirror(settings, emit, time=time) as mirror:
            yield mirror
        return
    with tempfile.TemporaryDirectory(prefix="winter-sync-") as directory:
        trial = Path(directory, "root")
        mirrored = settings.mirror.model_copy(update={"root": trial, "state": Path(directory)})
        path = settings.state / CATALOG
        if has_name(path):
            async with CatalogThread(path, utc_now, reading=True) as catalog:
                await catalog(Catalog.copy_without_name, Path(directory, CATALOG))
        changed = settings.model_copy(update={"mirror": mirrored})
        async with open_mirror(changed, emit, time=time) as mirror:
            yield mirror


async def _take_facts(mirror: Mirror, time: Time) -> None:
    tree = mirror.session.tree
    async with FactsCatchUp(
        catalog=mirror.catalog,
        root=tree.root,
        follow_links=tree.follow_links,
        emit=mirror.emit,
        time=time,
    ) as facts:
        await take_facts(facts, mirror.emit)


class _Adopter:
    """Goes through files, one after the other, and records what came of each."""

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

    async def adopt_all(self, directory: Path | None, done: Callable[[int, int], None]) -> None:
        """Adopt all files of a directory; of the root if None."""
        root = directory or self._tree.root
        walk = FileWalk(root)
        while paths := await asyncio.to_thread(walk.next_paths):
            if directory is None:
                await self._adopt_in_place(paths, done)
            else:
                await self._adopt_files(directory, paths, done)
        for closed in walk.unreadable:
            self._add(str(root / closed), Fate.UNREADABLE, reason="it cannot be listed")

    def _add(
        self,
        name: str,
        fate: Fate,
        size: int = 0,
        path: str | None = None,
        reason: str | None = None,
    ) -> None:
        self._result.add(AdoptedFile(name, fate, size, path, reason))

    # --- in place --------------------------------------------------------------------------------

    async def _adopt_in_place(self, paths: Sequence[str], done: Callable[[int, int], None]) -> None:
        """Adopt the files of the root that are at the places of listed products."""
        placed = await self._mirror.catalog.adoptions(Adoptions.at, paths)
        others = [path for path in paths if path not in placed]
        await self._add_misplaced(others)
        done(len(others), 0)
        unknown = []
        for path, candidate in placed.items():
            if self._digest(candidate) is None:
                unknown.append(candidate)
            else:
                self._add(path, Fate.HERE, path=path)
                done(1, 0)
        for at in range(0, len(unknown), _TOGETHER):
            await self._adopt_together(unknown[at : at + _TOGETHER])
            done(len(unknown[at : at + _TOGETHER]), 0)

    async def _add_misplaced(self, paths: Iterable[str]) -> None:
        """Report files that are at no product's place; say where they belong if that is known."""
        by_name = {path: PurePosixPath(path).name for path in paths}
        named = await self._mirror.catalog.adoptions(Adoptions.named, by_name.values())
        for path, name in by_name.items():
            places = [candidate.path for candidate in named.get(name, [])]
            reason = f"its place is {' or '.join(places)}" if places else _NOT_LISTED
            self._add(path, Fate.UNKNOWN, reason=reason)

    async def _adopt_together(self, candidates: Sequence[Candidate]) -> None:
        taken = await self._claim(candidates)
        for candidate in candidates:
            if candidate not in taken:
                self._add(candidate.path, Fate.BUSY, path=candidate.path)
        recording = asyncio.create_task(self._record_found(taken))
        await wait_until_done(recording)

    async def _record_found(self, candidates: Sequence[Candidate]) -> None:
        """Read files in place and commit what came of them; release what was not adopted."""
        try:
            found = await asyncio.gather(
                *(run_in_thread(self._mirror.threads, self._found, each) for each in candidates)
            )
        except BaseException:
            await self._release(candidates)
            raise
        await self._commit([each for each in found if isinstance(each, Adopted)])
        for candidate, outcome in zip(candidates, found, strict=True):
            if not isinstance(outcome, Adopted):
                await self._release([candidate])
            self._add_outcome(candidate.path, candidate, outcome)

    def _found(self, candidate: Candidate) -> Adopted | Failed | None:
        found = find_present(self._tree, candidate, self._redact, self._sums.sha256)
        if isinstance(found, Adopted) and not self._request.dry_run:
            return made_durable(self._tree, found)
        return found

    def _add_outcome(
        self, name: str, candidate: Candidate, outcome: Adopted | Failed | None
    ) -> None:
        match outcome:
            case Adopted(_, evidence, note):
                self._add(name, Fate.ADOPTED, evidence.size, evidence.path, note)
            case Failed(_, reason, blamed=True):
                self._add(name, Fate.DAMAGED, path=candidate.path, reason=reason)
            case Failed(_, reason):
                self._add(name, Fate.UNREADABLE, path=candidate.path, reason=reason)
            case None:
                self._add(name, Fate.UNREADABLE, path=candidate.path, reason="it is gone")

    # --- from a directory ------------------------------------------------------------------------

    async def _adopt_files(
        self, directory: Path, paths: Sequence[str], done: Callable[[int, int], None]
    ) -> None:
        """Adopt files of a directory, by name and content."""
        names = [PurePosixPath(path).name for path in paths]
        named = await self._mirror.catalog.adoptions(Adoptions.named, names)
        for path, name in zip(paths, names, strict=True):
            if name.lower().endswith(ZIP):
                await self._adopt_zip(ZipSource(directory, path))
            else:
                await self._adopt_file(FileSource(directory, path), named.get(name, []))
            done(1, 0)

    async def _adopt_file(self, source: FileSource, candidates: Sequence[Candidate]) -> None:
        if not candidates:
            self._add(source.name, Fate.UNKNOWN, reason=_why_unknown(source.filename))
            return
        try:
            await self._in_thread(source.refuse_larger, max(map(largest, candidates)))
            likely = by_directories(candidates, source.folders) or candidates
            chosen = await self._in_thread(self._choose_file, source, likely)
            if len(chosen) != 1:
                self._add_ambiguous(source.name, chosen or likely)
            elif self._digest(chosen[0]) is not None:
                sha256 = await self._in_thread(source.sha256)
                self._add_held(source.name, chosen[0], sha256)
                if self._request.move and not self._request.dry_run:
                    place = self._tree.root / chosen[0].path
                    await self._in_thread(source.remove_second_name, place)
            elif self._request.dry_run:
                self._add_outcome(
                    source.name, chosen[0], await self._in_thread(self._try, source, chosen[0])
                )
            else:
                await self._adopt_staged(source, chosen[0])
        except DamagedError as damaged:
            self._add(source.name, Fate.DAMAGED, path=candidates[0].path, reason=damaged.message)
        except OSError as failed:
            self._add(source.name, Fate.UNREADABLE, reason=failed.strerror or str(failed))

    def _choose_file(
        self, source: FileSource, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        if len(candidates) == 1:
            return candidates
        with source.opened() as file:
            return by_header(candidates, read_card_texts(file, source.filename, TELLING_CARDS))

    def _try(self, source: FileSource, candidate: Candidate) -> Adopted | Failed:
        """Return what would come of a file."""
        try:
            with source.opened() as file:
                evidence, note = examine(file, candidate, self._redact)
        except DamagedFileError as damaged:
            return Failed(candidate, damaged.message, blamed=True)
        return Adopted(candidate, evidence, note)

    async def _adopt_staged(self, source: FileSource, candidate: Candidate) -> None:
        move = self._request.move
        part = await self._in_thread(source.stage, self._mirror.session, move=move)
        if await self._adopt_part(source.name, part, candidate) and move:
            await self._in_thread(source.remove)

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

    # --- from zips -------------------------------------------------------------------------------

    async def _adopt_zip(self, source: ZipSource) -> None:
        """Adopt the members of a zip; it stays as it is."""
        try:
            members = await self._in_thread(source.names)
            named = await self._named_members(source, members)
            if self._request.dry_run:
                self._add_untried(source, named)
            else:
                await self._adopt_members(source, named)
        except DamagedError as damaged:
            self._add(source.name, Fate.DAMAGED, reason=damaged.message)
        except OSError as failed:
            self._add(source.name, Fate.UNREADABLE, reason=failed.strerror or str(failed))

    async def _named_members(
        self, source: ZipSource, members: Iterable[str]
    ) -> dict[str, Sequence[Candidate]]:
        """Return the products that each listed member could be; report the others."""
        names = {member: _basename(member) for member in members}
        named = await self._mirror.catalog.adoptions(Adoptions.named, names.values())
        for member, name in names.items():
            if name not in named:
                self._add(f"{source.name}: {member}", Fate.UNKNOWN, reason=_why_unknown(name))
        return {
            member: by_directories(named[name], (*source.folders, *member.split("/")[:-1]))
            or named[name]
            for member, name in names.items()
            if name in named
        }

    def _add_untried(self, source: ZipSource, named: dict[str, Sequence[Candidate]]) -> None:
        """Report what a dry run says of members: they are not read."""
        for member, candidates in named.items():
            name = f"{source.name}: {member}"
            if all(self._digest(candidate) is not None for candidate in candidates):
                self._add(name, Fate.HERE, path=candidates[0].path)
            else:
                self._add(name, Fate.ADOPTED, path=candidates[0].path, reason="not read yet")

    async def _adopt_members(
        self, source: ZipSource, named: dict[str, Sequence[Candidate]]
    ) -> None:
        most = {name: max(map(largest, candidates)) for name, candidates in named.items()}
        members = source.members(self._mirror.session, most)
        while (member := await self._in_thread(next, members, None)) is not None:
            name = f"{source.name}: {member.name}"
            if member.fault is not None:
                await self._in_thread(member.part.discard)
                self._add(name, Fate.DAMAGED, reason=member.fault)
            else:
                await self._adopt_member(name, member.part, named[member.name])

    async def _adopt_member(self, name: str, part: Part, candidates: Sequence[Candidate]) -> None:
        if len(candidates) > 1:
            filename = candidates[0].product.filename
            cards = await self._in_thread(read_card_texts, part.descriptor, filename, TELLING_CARDS)
            candidates = by_header(candidates, cards) or candidates
        if len(candidates) == 1 and self._digest(candidates[0]) is None:
            await self._adopt_part(name, part, candidates[0])
            return
        sha256 = part.sha256
        await self._in_thread(part.discard)
        if len(candidates) == 1:
            self._add_held(name, candidates[0], sha256)
        else:
            self._add_ambiguous(name, candidates)

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


def _basename(member: str) -> str:
    return member.replace("\\", "/").rpartition("/")[2]


def _why_unknown(filename: str) -> str:
    """Return why a file of this name is no product."""
    if unknown_suffix(filename) is not None:
        return "it has no name of a product"
    return _NOT_LISTED
