"""A catalog on a thread of its own, for coroutines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, Self, TypeVar

from winter_sync.catalog.catalog import Catalog
from winter_sync.core import run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")
Part = TypeVar("Part")


class CatalogThread:
    """A catalog on a thread of its own.

    Use as an async context manager. `await thread.queue(Queue.claim, ...)` calls a method of that
    part of the catalog there, `await thread(Catalog.mirror_name)` one of the whole. With `reading`
    it is only read, while another process writes.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime], *, reading: bool = False) -> None:
        self._path = path
        self._clock = clock
        self._reading = reading
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="catalog")
        self._catalog: Catalog | None = None
        self.listings = PartOnThread(self, lambda catalog: catalog.listings)
        self.polls = PartOnThread(self, lambda catalog: catalog.polls)
        self.queue = PartOnThread(self, lambda catalog: catalog.queue)
        self.refetches = PartOnThread(self, lambda catalog: catalog.refetches)
        self.history = PartOnThread(self, lambda catalog: catalog.history)
        self.outcomes = PartOnThread(self, lambda catalog: catalog.outcomes)
        self.files = PartOnThread(self, lambda catalog: catalog.files)
        self.checks = PartOnThread(self, lambda catalog: catalog.checks)
        self.facts = PartOnThread(self, lambda catalog: catalog.facts)
        self.adoptions = PartOnThread(self, lambda catalog: catalog.adoptions)
        self.alerts = PartOnThread(self, lambda catalog: catalog.alerts)
        self.outbox = PartOnThread(self, lambda catalog: catalog.outbox)
        self.sinks = PartOnThread(self, lambda catalog: catalog.sinks)
        self.nights = PartOnThread(self, lambda catalog: catalog.nights)
        self.settling = PartOnThread(self, lambda catalog: catalog.settling)
        self.too = PartOnThread(self, lambda catalog: catalog.too)
        self.views = PartOnThread(self, lambda catalog: catalog.views)
        self.set_aside = PartOnThread(self, lambda catalog: catalog.set_aside)
        self.withdrawals = PartOnThread(self, lambda catalog: catalog.withdrawals)

    async def __aenter__(self) -> Self:
        try:
            self._catalog = await run_in_thread(
                self._executor, Catalog, self._path, self._clock, reading=self._reading
            )
        except BaseException:
            self._executor.shutdown()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self(Catalog.close)
        finally:
            self._executor.shutdown()

    async def __call__(
        self, method: Callable[Concatenate[Catalog, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a method of the catalog on its thread.

        A call is never abandoned half-way: a caller that is cancelled gets the `CancelledError`
        when the call has ended.
        """
        if self._catalog is None:
            raise RuntimeError("the catalog is not open")
        return await run_in_thread(self._executor, method, self._catalog, *args, **kwargs)


class PartOnThread(Generic[Part]):
    """A part of a catalog, whose methods are called on the catalog's thread."""

    def __init__(self, thread: CatalogThread, part: Callable[[Catalog], Part]) -> None:
        self._thread = thread
        self._part = part

    async def __call__(
        self, method: Callable[Concatenate[Part, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a method of the part on the catalog's thread; see `CatalogThread.__call__`."""
        return await self._thread(lambda catalog: method(self._part(catalog), *args, **kwargs))
