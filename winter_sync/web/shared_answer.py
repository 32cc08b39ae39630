"""One answer shared by all who ask for it at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

_REUSE_FACTOR = 9.0
"""An answer is reused for this many times as long as it took to make: so at most a tenth of the
time goes into making it."""
_LONGEST_REUSE = 60.0
"""Longest time for which an answer is reused, seconds."""


class SharedAnswer(Generic[T]):
    """Makes an answer once for all who ask meanwhile, and reuses one that took long.

    Parameters
    ----------
    make
        Makes a new answer.
    monotonic
        Returns a time in seconds that never goes back.
    """

    def __init__(self, make: Callable[[], Awaitable[T]], monotonic: Callable[[], float]) -> None:
        self._make = make
        self._monotonic = monotonic
        self._task: asyncio.Task[T] | None = None
        self._good_until = 0.0

    async def __call__(self) -> T:
        """Return the answer; a client that leaves before it is made takes it from no other."""
        if self._task is None or (self._task.done() and self._monotonic() >= self._good_until):
            self._task = asyncio.create_task(self._timed())
        return await asyncio.shield(self._task)

    async def _timed(self) -> T:
        began = self._monotonic()
        try:
            return await self._make()
        finally:
            ended = self._monotonic()
            self._good_until = ended + min(_REUSE_FACTOR * (ended - began), _LONGEST_REUSE)

    async def close(self) -> None:
        """Stop making the answer, if that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.exception()
