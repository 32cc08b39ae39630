"""The files of a mirror compared with its catalog: at a glance, or read in full by threads."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from winter_sync.catalog import Catalog, CatalogThread
from winter_sync.core import Beneath, Damage
from winter_sync.sync.file_check import PIECE, Examination, Throttle, glance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from winter_sync.catalog import Check, Held, Scope
    from winter_sync.sync.file_check import Seen

T = TypeVar("T")

LISTED = 10_000
"""At most so many files of a kind are named; all are counted."""
_THREADS = min(4, os.cpu_count() or 1)
_PAGE = 400
"""Products looked up at a time."""
_CHUNK_FILES = 16
_CHUNK_BYTES = 64_000_000
_RECORDED_EVERY = 1.0
"""Seconds: at most the work of so long, and of what is under way, is done again after a kill."""


@dataclass(slots=True)
class Verified:
    """What a verification saw."""

    checked: int = 0
    """Files."""
    size: int = 0
    """Bytes read."""
    found: dict[str, Check] = field(default_factory=dict)
    """What is missing or changed, by path."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """What could not be read and why, by path."""
    notes: dict[str, str] = field(default_factory=dict)
    """What is odd about files that are as they were downloaded, by path."""

    def add(self, seen: Seen) -> None:
        """Count one file."""
        self.checked += 1
        self.size += seen.size
        path = seen.check.held.path
        if seen.check.damage is not None:
            _put(self.found, path, seen.check)
        if seen.unreadable is not None:
            _put(self.unreadable, path, seen.unreadable)
        if seen.note is not None:
            _put(self.notes, path, seen.note)


def _put(where: dict[str, T], path: str, what: T) -> None:
    if len(where) < LISTED:
        where[path] = what


class Verification:
    """One pass over files.

    Parameters
    ----------
    catalog, root
        The database, and the top of the tree.
    make_sure
        Raises a `StorageError` if the root does not hold the mirror just now; called before any
        file is taken for deleted.
    rate
        Bytes to read a second at most; 0 for as fast as can be.
    recording
        Whether results are written to the catalog. Otherwise nothing can be resumed.
    went_on
        Called with the number of files and bytes that were done.
    follow_links
        Whether directories of the tree may be links.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        catalog: CatalogThread,
        root: Path,
        make_sure: Callable[[], None],
        rate: int,
        recording: bool,
        went_on: Callable[[int, int], None],
        follow_links: bool = False,
    ) -> None:
        self.verified = Verified()
        self._catalog = catalog
        self._root = root
        self._follow_links = follow_links
        self._make_sure = make_sure
        self._throttle = Throttle(rate, time.monotonic)
        self._recording = recording
        self._went_on = went_on
        self._stop = threading.Event()
        self._local = threading.local()
        self._to_record: list[Check] = []
        self._recorded_at = time.monotonic()

    async def quick(self, scope: Scope) -> None:
        """Look at all files of a scope without opening them."""
        for night in await self._catalog(Catalog.held_nights, scope):
            held = await self._catalog(Catalog.held, scope, night)
            seen = await asyncio.to_thread(self._glance_at_all, held)
            self._add(seen)
            news = [one for one in seen if _glance_is_news(one)]
            await self._record(Catalog.record_looks, [one.check for one in news])

    async def full(self, scope: Scope, before: str) -> None:
        """Read all files of a scope that were last read before a time (of the catalog)."""
        with ThreadPoolExecutor(_THREADS, "verify") as threads:
            under_way: set[asyncio.Future[list[Seen]]] = set()
            loop = asyncio.get_running_loop()
            try:
                async for chunk in self._chunks(scope, before):
                    under_way.add(loop.run_in_executor(threads, self._read_all, chunk))
                    if len(under_way) > _THREADS:
                        under_way = await self._take(under_way)
                while under_way:
                    under_way = await self._take(under_way)
            finally:
                self._stop.set()
        await self._record_what_was_read()

    async def _chunks(self, scope: Scope, before: str) -> AsyncIterator[Sequence[Held]]:
        after = ("", "")
        while page := await self._catalog(Catalog.to_check, scope, before, after, _PAGE):
            chunk: list[Held] = []
            for held in page:
                chunk.append(held)
                if len(chunk) == _CHUNK_FILES or sum(one.size for one in chunk) > _CHUNK_BYTES:
                    yield chunk
                    chunk = []
            if chunk:
                yield chunk
            after = page[-1].checked_at, page[-1].path

    async def _take(
        self, under_way: set[asyncio.Future[list[Seen]]]
    ) -> set[asyncio.Future[list[Seen]]]:
        """Take the results of what is done, and return what is not."""
        done, waiting = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            seen = one.result()
            self._add(seen)
            self._to_record += [each.check for each in seen if each.unreadable is None]
        if time.monotonic() - self._recorded_at >= _RECORDED_EVERY:
            await self._record_what_was_read()
        return waiting

    async def _record_what_was_read(self) -> None:
        checks, self._to_record = self._to_record, []
        await self._record(Catalog.record_checks, checks)
        self._recorded_at = time.monotonic()

    async def _record(
        self, how: Callable[[Catalog, Sequence[Check]], list[Check]], checks: Sequence[Check]
    ) -> None:
        """Record what was found, and forget findings that do not count any more.

        They do not where the product was published again meanwhile, or is just being fetched.
        """
        if any(one.damage is Damage.MISSING for one in checks):
            await asyncio.to_thread(self._make_sure)
        if not self._recording or not checks:
            return
        recorded = {one.held.path for one in await self._catalog(how, checks)}
        for check in checks:
            if check.held.path not in recorded:
                self.verified.found.pop(check.held.path, None)

    def _add(self, some: Sequence[Seen]) -> None:
        for seen in some:
            self.verified.add(seen)
        self._went_on(len(some), sum(one.size for one in some))

    # --- in threads ----------------------------------------------------------------------------

    def _glance_at_all(self, some: Sequence[Held]) -> list[Seen]:
        with Beneath(self._root, follow_links=self._follow_links) as files:
            return [glance(files, held) for held in some]

    def _read_all(self, some: Sequence[Held]) -> list[Seen]:
        """Read files; fewer than all when told to stop."""
        seen = (self._read(held) for held in some)
        return [one for one in seen if one is not None]

    def _read(self, held: Held) -> Seen | None:
        if self._stop.is_set():
            return None
        with Examination(
            self._root, held, self._piece(), follow_links=self._follow_links
        ) as examination:
            while size := examination.step():
                if (delay := self._throttle.delay(size)) > 0:
                    self._stop.wait(delay)
                if self._stop.is_set():
                    return None
            return examination.seen

    def _piece(self) -> bytearray:
        """Return where this thread reads to."""
        if not hasattr(self._local, "piece"):
            self._local.piece = bytearray(PIECE)
        piece: bytearray = self._local.piece
        return piece


def _glance_is_news(seen: Seen) -> bool:
    """Return whether a glance tells more than is known; it takes no wrong content back."""
    known, now = seen.check.held.damage, seen.check.damage
    return (
        seen.unreadable is None
        and known is not now
        and (now or known) is not None
        and not (known is Damage.CHANGED and now is None)
    )
