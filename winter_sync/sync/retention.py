"""How long older revisions are kept: which are removed, and their removal."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog import CatalogThread, History, KeptRevision, format_instant
from winter_sync.core import (
    RevisionsNotRemoved,
    RevisionsRemoved,
    StorageError,
    closing_descriptor,
    run_in_thread,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor
    from datetime import datetime, timedelta

    from winter_sync.core import Sink
    from winter_sync.tree import Tree


@dataclass(frozen=True, slots=True)
class KeepLimits:
    """How many older revisions are kept of a product, how long, and in how many bytes together."""

    count: int | None = None
    age: timedelta | None = None
    space: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self != KeepLimits()


def exceeding(
    kept: Iterable[KeptRevision], limits: KeepLimits, now: datetime
) -> list[KeptRevision]:
    """Return the revisions that exceed a limit, those first that were replaced first."""
    newest_first = sorted(kept, key=lambda one: (one.replaced_at, one.revision), reverse=True)
    oldest = format_instant(now - limits.age) if limits.age is not None else ""
    counts, size = defaultdict[tuple[str, str], int](int), 0
    removed, is_full = list[KeptRevision](), False
    for one in newest_first:
        identity = one.instrument.value, one.savepath
        counts[identity] += 1
        is_too_many = limits.count is not None and counts[identity] > limits.count
        if is_too_many or one.replaced_at < oldest:
            removed.append(one)
            continue
        is_full = is_full or (limits.space is not None and size + one.size > limits.space)
        if is_full:
            removed.append(one)
        else:
            size += one.size
    return removed[::-1]


class Retention:
    """Removes older revisions that exceed the limits.

    The file goes first, and then its record: what is interrupted between is done again. One whose
    content is not that of the record is no revision of ours, and stays.

    Parameters
    ----------
    catalog, tree
        The mirror.
    limits
        What is kept.
    threads
        Where files are read and removed.
    clock
        Returns the current time.
    emit
        Receives an event when something was removed.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        catalog: CatalogThread,
        tree: Tree,
        limits: KeepLimits,
        threads: Executor,
        clock: Callable[[], datetime],
        emit: Sink,
    ) -> None:
        self._catalog = catalog
        self._tree = tree
        self.limits = limits
        self._threads = threads
        self._clock = clock
        self._emit = emit

    async def remove_exceeding(self) -> int:
        """Remove what exceeds the limits; return how many files went.

        Nothing is done while another process does so.
        """
        if not self.limits.any:
            return 0
        gone = list[KeptRevision]()
        try:
            with closing_descriptor(self._tree.revisions.lock()):
                await self._remove_all(gone)
        except BlockingIOError:
            return 0
        except StorageError as failed:
            self._emit(RevisionsNotRemoved(failed.message, failed.remedy))
        if gone:
            self._emit(RevisionsRemoved(len(gone), sum(one.size for one in gone)))
        return len(gone)

    async def _remove_all(self, gone: list[KeptRevision]) -> None:
        kept = await self._catalog.history(History.kept)
        named = Counter(one.kept for one in kept)
        for one in exceeding(kept, self.limits, self._clock()):
            if await self._remove(one, is_shared=named[one.kept] > 1):
                gone.append(one)
            named[one.kept] -= 1

    async def _remove(self, one: KeptRevision, *, is_shared: bool) -> bool:
        """Remove one; return whether its file went. The file of a later one has its name, too."""
        removed = not is_shared and await run_in_thread(
            self._threads, self._tree.revisions.remove, one.kept, one.sha256
        )
        await self._catalog.history(History.forget_kept, one, removed=removed)
        return removed
