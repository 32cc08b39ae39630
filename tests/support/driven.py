"""Time that passes only when nothing else is to be done: days of a daemon in seconds, for real.

Sockets, threads and disks are the real ones; only waiting takes no time.
"""

from __future__ import annotations

import asyncio
import selectors
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from unittest import mock

from winter_sync.core.clocks import Time

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

_ON_THE_WAY = 0.002
"""Real seconds in which what was sent over loopback arrives."""
_THREADS_LOOKED_AT = 1.0


class DrivenLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer as soon as no socket and no thread is at work."""

    def __init__(self) -> None:
        self.now = 0.0
        self.in_threads = 0
        super().__init__(_Selector(self))
        # asyncio's own, a nanosecond, is lost in a float after half a year.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return the driven time, seconds."""
        return self.now

    def run_in_executor(  # type: ignore[override] # of any callable
        self,
        executor: Any,  # noqa: ANN401 - as asyncio has it
        func: Any,  # noqa: ANN401 - the same
        *args: Any,  # noqa: ANN401 - the same
    ) -> Any:  # noqa: ANN401 - the same
        """Run in a thread, and let no time pass meanwhile."""
        future = super().run_in_executor(executor, func, *args)
        self.in_threads += 1
        future.add_done_callback(self._leave_thread)
        return future

    async def shutdown_default_executor(self, *limit: float | None) -> None:
        """Wait for the threads, and let no time pass meanwhile: since 3.12 that has a limit."""
        self.in_threads += 1
        try:
            await super().shutdown_default_executor(*limit)
        finally:
            self.in_threads -= 1

    def _leave_thread(self, _: object) -> None:
        self.in_threads -= 1


class _Selector(selectors.DefaultSelector):
    """Waits for real events only as long as something real may bring one."""

    def __init__(self, loop: DrivenLoop) -> None:
        super().__init__()
        self._loop = loop
        self._is_quiet = False

    def select(self, timeout: float | None = None) -> list[Any]:
        found = self._wait(timeout)
        if found:
            self._is_quiet = False
        elif timeout is not None and timeout > 0:
            self._is_quiet = True
            self._loop.now += timeout
        return found

    def _wait(self, timeout: float | None) -> list[Any]:
        """Wait as long as something may come, and not at all where nothing was sent."""
        if timeout is not None and timeout <= 0:
            return super().select(0)
        while self._loop.in_threads:
            if found := super().select(_THREADS_LOOKED_AT):
                return found
        if timeout is None:
            return super().select(None)
        return super().select(0) or (() if self._is_quiet else super().select(_ON_THE_WAY))  # type: ignore[return-value] # empty


class DrivenTime:
    """The clocks of a driven loop; the wall clock can be set, and then goes on."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.loop = DrivenLoop()
        self.ahead = timedelta(0)
        """How far the wall clock is ahead of the true time."""

    def true(self) -> datetime:
        """Return the true time, as a server elsewhere has it."""
        return self.start + timedelta(seconds=self.loop.now)

    def wall(self) -> datetime:
        """Return what the clock of our machine shows."""
        return self.true() + self.ahead

    @property
    def bundle(self) -> Time:
        """What is passed to the program."""
        return Time(clock=self.wall, monotonic=self.loop.time)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end."""
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner, _scheduled(self.wall):
            runner.run(work)

    async def until(self, instant: datetime) -> None:
        """Wait until a true time."""
        await asyncio.sleep(max(0.0, (instant - self.true()).total_seconds()))


@contextmanager
def _scheduled(clock: Callable[[], datetime]) -> Iterator[None]:
    """Make APScheduler, which reads the machine's clock, read this one instead."""

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class Driven(datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:  # noqa: ANN401 - a datetime of the other class
            return clock().astimezone(tz or UTC)

    with (
        mock.patch("apscheduler.schedulers.base.datetime", Driven),
        mock.patch("apscheduler.executors.base.datetime", Driven),
    ):
        yield
