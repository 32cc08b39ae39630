"""The files of a mirror checked against its catalog: quickly, or read in full by threads."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from winter_sync.catalog import Checks, Files
from winter_sync.core import Damage
from winter_sync.sync import PIECE, Throttle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from winter_sync.catalog import Check, Held, Scope
    from winter_sync.sync import CheckedMirror, FileFinding

T = TypeVar("T")

LISTED = 10_000
"""At most this many files of a kind are named; all are counted."""
_THREADS = min(4, os.cpu_count() or 1)
_PAGE = 400
"""Products looked up at a time."""
_CHUNK_FILES = 16
_CHUNK_BYTES = 64_000_000
_RECORDED_EVERY = 1.0
"""Seconds of work, and the files being read, that a kill makes to be done again at most."""


@dataclass(slots=True)
class Verified:
    """What a pass over the files saw."""

    checked: int = 0
    """Files."""
    size: int = 0
    """Bytes read."""
    found: dict[str, Check] = field(default_factory=dict)
    """What is missing or changed, by path."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Why files could not be read, by path."""
    notes: dict[str, str] = field(default_factory=dict)
    """Oddities of files that are as they were downloaded, by path."""

    def add(self, seen: FileFinding) -> None:
        """Count a file."""
        self.checked += 1
        self.size += seen.size
        path = seen.check.held.path
        if seen.check.damage is not None:
            _add_within_limit(self.found, path, seen.check)
        if seen.unreadable is not None:
            _add_within_limit(self.unreadable, path, seen.unreadable)
        if seen.note is not None:
            _add_within_limit(self.notes, path, seen.note)


def _add_within_limit(where: dict[str, T], path: str, what: T) -> None:
    if len(where) < LISTED:
        where[path] = what


class FileChecker:
    """Checks files of the tree, in one pass.

    Parameters
    ----------
    mirror
        The mirror whose files are checked.
    rate
        Bytes to read a second at most; 0 for no limit.
    recording
        Whether results are written to the catalog. Otherwise nothing can be resumed.
    on_progress
        Called with the numbers of files and bytes just checked.
    """

    def __init__(
        self,
        mirror: CheckedMirror,
        *,
        rate: int,
        recording: bool,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self.verified = Verified()
        self._mirror = mirror
        self._catalog = mirror.catalog
        self._monotonic = mirror.time.monotonic
        self._throttle = Throttle(rate, self._monotonic)
        self._recording = recording
        self._on_progress = on_progress
        self._stop = threading.Event()
        self._local = threading.local()
        self._to_record: list[Check] = []
        self._recorded_at = self._monotonic()

    async def quick(self, scope: Scope) -> None:
        """Check the files of a scope without opening them."""
        for night in await self._catalog.files(Files.held_nights, scope):
            held = await self._catalog.files(Files.held, scope, night)
            seen_quickly = await asyncio.to_thread(self._mirror.stat_each, held)
            self._add(seen_quickly)
            news = [seen.check for seen in seen_quickly if _is_news(seen)]
            await self._record(Checks.record_quick, news)

    async def full(self, scope: Scope, before: str) -> None:
        """Read the files of a scope that were last read before a time of the catalog."""
        with ThreadPoolExecutor(_THREADS, "verify") as threads:
            under_way: set[asyncio.Future[list[FileFinding]]] = set()
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
        while page := await self._catalog.files(Files.to_check, scope, before, after, _PAGE):
            chunk: list[Held] = []
            for held in page:
                chunk.append(held)
                if (
                    len(chunk) == _CHUNK_FILES
                    or sum(product.size for product in chunk) > _CHUNK_BYTES
                ):
                    yield chunk
                    chunk = []
            if chunk:
                yield chunk
            after = page[-1].checked_at, page[-1].path

    async def _take(
        self, under_way: set[asyncio.Future[list[FileFinding]]]
    ) -> set[asyncio.Future[list[FileFinding]]]:
        """Take the results that are ready; return what is still being read."""
        done, waiting = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for future in done:
            files = future.result()
            self._add(files)
            self._to_record += [seen.check for seen in files if seen.unreadable is None]
        if self._monotonic() - self._recorded_at >= _RECORDED_EVERY:
            await self._record_what_was_read()
        return waiting

    async def _record_what_was_read(self) -> None:
        checks, self._to_record = self._to_record, []
        await self._record(Checks.record, checks)
        self._recorded_at = self._monotonic()

    async def _record(
        self, how: Callable[[Checks, Sequence[Check]], list[Check]], checks: Sequence[Check]
    ) -> None:
        """Record what was found, and forget findings that are no longer true.

        They are not where the product was published again meanwhile, or is being fetched.
        """
        if any(check.damage is Damage.MISSING for check in checks):
            await asyncio.to_thread(self._mirror.check_root)
        if not self._recording or not checks:
            return
        recorded = {check.held.path for check in await self._catalog.checks(how, checks)}
        for check in checks:
            if check.held.path not in recorded:
                self.verified.found.pop(check.held.path, None)

    def _add(self, files: Sequence[FileFinding]) -> None:
        for seen in files:
            self.verified.add(seen)
        self._on_progress(len(files), sum(seen.size for seen in files))

    # --- in threads ----------------------------------------------------------------------------

    def _read_all(self, products: Sequence[Held]) -> list[FileFinding]:
        """Read files; fewer than all when asked to stop."""
        results = (self._read(held) for held in products)
        return [seen for seen in results if seen is not None]

    def _read(self, held: Held) -> FileFinding | None:
        if self._stop.is_set():
            return None
        with self._mirror.examine(held, self._piece()) as examination:
            while size := examination.step():
                if (delay := self._throttle.delay(size)) > 0:
                    self._stop.wait(delay)
                if self._stop.is_set():
                    return None
            return examination.seen

    def _piece(self) -> bytearray:
        """Return the buffer that this thread reads into."""
        if not hasattr(self._local, "piece"):
            self._local.piece = bytearray(PIECE)
        piece: bytearray = self._local.piece
        return piece


def _is_news(seen: FileFinding) -> bool:
    """Return whether a quick check is news; it cannot clear a file whose content was wrong."""
    known, now = seen.check.held.damage, seen.check.damage
    return (
        seen.unreadable is None
        and known is not now
        and (now or known) is not None
        and not (known is Damage.CHANGED and now is None)
    )
