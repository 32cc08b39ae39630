"""Adopt files that are here already: into the tree and the catalog, without a download."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.catalog import Adoptions, Catalog, CatalogThread
from winter_sync.config import check_root, read_credentials
from winter_sync.core import (
    CATALOG,
    REAL_TIME,
    STATE_DIR,
    Adopted,
    DamagedError,
    DamagedFileError,
    ErrorCode,
    Failed,
    Time,
    UsageError,
    has_name,
    run_in_thread,
    utc_now,
    wait_until_done,
)
from winter_sync.factory import open_mirror
from winter_sync.formats import read_card_texts
from winter_sync.maintenance.adoption_matching import TELLING_CARDS, by_directories, by_header
from winter_sync.maintenance.adoption_recording import NOT_LISTED, why_unknown
from winter_sync.maintenance.adoption_results import AdoptResult, Fate
from winter_sync.maintenance.adoption_sources import ZIP, FileSource, ZipSource, count_files
from winter_sync.maintenance.adoption_zips import ZipAdoption
from winter_sync.maintenance.after_run import finish_run
from winter_sync.sync import examine, find_present, largest, made_durable, refusal
from winter_sync.tree import FileWalk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from winter_sync.config import Settings
    from winter_sync.core import Candidate, Credentials, Sink
    from winter_sync.maintenance.adoption_results import AdoptRequest
    from winter_sync.sync import Mirror

    Counting = Callable[[int, int], AbstractContextManager[Callable[[int, int], None]]]


_TOGETHER = 16
"""Files in place that are read and recorded together."""


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
    directory = _directory(request, settings)
    result = AdoptResult(request)
    credentials = read_credentials(settings)
    async with _opened(settings, request, credentials, emit, time) as mirror:
        if not request.offline:
            result.errors = (await mirror.list_all()).errors
        else:
            await mirror.recover()
        if directory is not None and request.move:
            await _refuse_tree(mirror, directory, request.directory)
        adopter = _Adopter(settings, mirror, request, result)
        files, size = await asyncio.to_thread(count_files, directory or settings.root)
        with counting(files, size) as done:
            await adopter.adopt_all(directory, done)
        if not request.dry_run:
            await finish_run(mirror, settings, credentials, time)
    return result


def _directory(request: AdoptRequest, settings: Settings) -> Path | None:
    """Return the directory to take files from; None for the root itself.

    Raises
    ------
    UsageError
        If there is none, the root is in it, or it is one of ours that is not to be touched.
    """
    root = settings.root
    given, top = (request.directory or root).resolve(), root.resolve()
    if request.move and given == top:
        raise UsageError(
            "files at their places in the mirror are not moved",
            remedy="Leave --move out, or name the directory that the files are in.",
            code=ErrorCode.USE_ADOPT,
        )
    if request.directory is None:
        return None
    _refuse_state(given, request.directory, settings)
    if not given.is_dir():
        raise UsageError(
            f"{request.directory} is not a directory",
            remedy="Check its name.",
            code=ErrorCode.USE_ADOPT,
        )
    if given == top:
        return None
    if given in top.parents:
        raise UsageError(
            f"the mirror root {root} is in {request.directory}",
            remedy="Name a directory with nothing but the files to adopt.",
            code=ErrorCode.USE_ADOPT,
        )
    return given


def _refuse_state(given: Path, named: Path, settings: Settings) -> None:
    """Refuse a directory with what this mirror keeps for itself, such as older revisions."""
    for state in (settings.state.resolve(), (settings.root / STATE_DIR).resolve()):
        if given.is_relative_to(state) or (given in state.parents and given != settings.root):
            raise UsageError(
                f"{named} holds what this mirror keeps for itself in {state}",
                remedy="`winter-sync adopt` without a directory finds older revisions by itself. "
                "Copy a file elsewhere first if it is to be adopted.",
                code=ErrorCode.USE_ADOPT,
            )


async def _refuse_tree(mirror: Mirror, directory: Path, named: Path | None) -> None:
    """Refuse to move files away from where they belong."""
    top = mirror.session.tree.root.resolve()
    if not directory.is_relative_to(top):
        return
    below = directory.relative_to(top).as_posix()
    if await mirror.catalog.adoptions(Adoptions.has_places_below, below):
        raise UsageError(
            f"{named} is a part of the mirror, and files are not moved away from their places",
            remedy="`winter-sync adopt` without --move adopts files that are at their places.",
            code=ErrorCode.USE_ADOPT,
        )


@asynccontextmanager
async def _opened(
    settings: Settings, request: AdoptRequest, credentials: Credentials, emit: Sink, time: Time
) -> AsyncIterator[Mirror]:
    """Open the mirror; for a dry run an empty one elsewhere, with a copy of the catalog."""
    if not request.dry_run:
        async with open_mirror(settings, emit, credentials=credentials, time=time) as mirror:
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
        async with open_mirror(changed, emit, credentials=credentials, time=time) as mirror:
            yield mirror


class _Adopter(ZipAdoption):
    """Goes through files, one after the other, and records what came of each."""

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
            reason = f"its place is {' or '.join(places)}" if places else NOT_LISTED
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
            self._add(source.name, Fate.UNKNOWN, reason=why_unknown(source.filename))
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
            return refusal(candidate, damaged)
        return Adopted(candidate, evidence, note)

    async def _adopt_staged(self, source: FileSource, candidate: Candidate) -> None:
        move = self._request.move
        part = await self._in_thread(source.stage, self._mirror.session, move=move)
        if await self._adopt_part(source.name, part, candidate) and move:
            await self._in_thread(source.remove)
