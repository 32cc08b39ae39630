"""Files of withdrawn products set aside as the settings say, and brought back if they return."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

from winter_sync.catalog import CatalogThread, Check, Checks, FileSetAside, Held, SetAside
from winter_sync.core import Damage, StorageError, WithdrawnFilesChanged, run_in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor

    from winter_sync.core import Sink
    from winter_sync.sync.checked_mirror import CheckedMirror
    from winter_sync.tree import Tree

    OnWithdrawn = Literal["keep", "move", "delete"]

P = ParamSpec("P")
T = TypeVar("T")

_PAGE = 200
_FAILURES = 5
"""After so many files that cannot be moved or deleted the rest is left to the next time."""


@dataclass(slots=True)
class _Counts:
    moved: int = 0
    deleted: int = 0
    restored: int = 0
    failed: int = 0
    reason: str | None = None


class FilesOfWithdrawn:
    """Sets the files of withdrawn products aside, and brings those back that are listed again.

    What is about to happen to a file is recorded before, and that it happened afterwards. So a
    crash at any instant leaves a state from which the next `settle` goes on.

    Parameters
    ----------
    catalog, tree
        The database and the tree.
    mirror
        Looks at files, and makes sure that the root holds the mirror.
    threads
        Where files are looked at and moved.
    on_withdrawn
        What to do with files of withdrawn products.
    emit
        Receives events.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        catalog: CatalogThread,
        tree: Tree,
        mirror: CheckedMirror,
        threads: Executor,
        on_withdrawn: OnWithdrawn,
        emit: Sink,
    ) -> None:
        self._catalog = catalog
        self._tree = tree
        self._mirror = mirror
        self._threads = threads
        self._on_withdrawn = on_withdrawn
        self._emit = emit
        self._one_at_a_time = asyncio.Lock()

    async def settle(self) -> None:
        """Go on with what was interrupted, bring back what is listed again, set the rest aside.

        Raises
        ------
        StorageError
            If the root does not hold the mirror just now, or the catalog cannot be used. A file
            that cannot be moved or deleted only makes an event.
        """
        async with self._one_at_a_time:
            counts = _Counts()
            for file in await self._catalog.set_aside(SetAside.unfinished):
                await self._attempt(self._advance, file, counts)
            for file in await self._catalog.set_aside(SetAside.returned):
                await self._attempt(self._bring_back, file, counts)
            if self._on_withdrawn != "keep":
                await self._set_all_aside(counts)
            if counts != _Counts():
                self._emit(
                    WithdrawnFilesChanged(
                        *(counts.moved, counts.deleted, counts.restored),
                        *(counts.failed, counts.reason),
                    )
                )

    async def _set_all_aside(self, counts: _Counts) -> None:
        after = ""
        while page := await self._catalog.set_aside(SetAside.candidates, after, _PAGE):
            for held in page:
                if counts.failed >= _FAILURES:
                    return
                if await self._is_ours(held):
                    await self._set_aside(held, counts)
            after = page[-1].path

    async def _is_ours(self, held: Held) -> bool:
        """Return whether a file is the one that was published; record it if it is not.

        A file that somebody changed is theirs. One that is to be deleted is read in full.
        """
        (seen,) = await self._in_thread(self._mirror.stat_each, [held])
        if seen.check.damage is not None:
            await self._in_thread(self._mirror.check_root)
            await self._catalog.checks(Checks.record_quick, [seen.check])
            return False
        if seen.unreadable is not None:
            return False
        if self._on_withdrawn == "move":
            return True
        if await self._in_thread(self._tree.has_content, held.path, held.sha256):
            return True
        reason = "its content is not what was downloaded (SHA-256)"
        await self._catalog.checks(Checks.record_quick, [Check(held, Damage.CHANGED, reason)])
        return False

    async def _set_aside(self, held: Held, counts: _Counts) -> None:
        files = self._tree.withdrawn
        try:
            kept = (
                await self._in_thread(files.free_place, held.path)
                if self._on_withdrawn == "move"
                else None
            )
        except StorageError as error:
            counts.failed, counts.reason = counts.failed + 1, error.message
            return
        if await self._catalog.set_aside(SetAside.begin, held, kept):
            file = FileSetAside(held.product, held.path, kept, held.size, held.sha256)
            await self._attempt(self._advance, file, counts)

    async def _attempt(
        self,
        step: Callable[[FileSetAside, _Counts], Awaitable[None]],
        file: FileSetAside,
        counts: _Counts,
    ) -> None:
        """Do a step with one file; count it as failed if the disk cannot do it."""
        try:
            await self._in_thread(self._mirror.check_root)
            await step(file, counts)
        except StorageError as error:
            if error.errno is None:
                raise
            counts.failed, counts.reason = counts.failed + 1, error.message

    async def _advance(self, file: FileSetAside, counts: _Counts) -> None:
        """Move or delete a file, unless that has happened already, and record it.

        What a crash left is judged by the content: only a file that is ours is deleted.
        """
        is_in_place = await self._has(file.path, file)
        if file.kept is None:
            if is_in_place:
                await self._in_thread(self._tree.withdrawn.delete, file.path)
            counts.deleted += 1
        elif is_in_place:
            await self._in_thread(self._tree.withdrawn.move_out, file.path, file.kept)
            counts.moved += 1
        elif not await self._has(file.kept, file):
            # Somebody deleted or changed it meanwhile: it is as they left it.
            await self._catalog.set_aside(SetAside.forget, file)
            return
        await self._catalog.set_aside(SetAside.finish, file)

    async def _bring_back(self, file: FileSetAside, counts: _Counts) -> None:
        """Put the file of a product that is listed again into its place, or want it again."""
        if not await self._has(file.path, file) and file.kept is not None:
            counts.restored += await self._move_back(file, file.kept)
        held = await self._in_thread(self._tree.make_durable, [file.evidence])
        if held:
            await self._catalog.set_aside(SetAside.restore, file, held[0].mtime_ns)
        else:
            await self._catalog.set_aside(SetAside.want, file)

    async def _move_back(self, file: FileSetAside, kept: str) -> bool:
        """Move a file back; return False if it is not there or not right, or its place is taken."""
        if not await self._has(kept, file):
            return False
        try:
            await self._in_thread(self._tree.withdrawn.move_back, kept, file.path)
        except StorageError as error:
            if error.errno != errno.EEXIST:
                raise
            return False
        return True

    async def _has(self, path: str, file: FileSetAside) -> bool:
        return await self._in_thread(self._tree.has_content, path, file.sha256)

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await run_in_thread(self._threads, function, *args, **kwargs)
