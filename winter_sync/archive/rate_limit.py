"""Requests spaced out in time, so that we are a polite guest."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Pace:
    """Keeps the starts of requests apart.

    Parameters
    ----------
    interval
        Least time between two starts, seconds.
    clock
        Gives a time in seconds that never goes back.
    sleep
        Waits for a number of seconds.
    """

    def __init__(
        self,
        interval: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._interval = interval
        self._clock = clock
        self._sleep = sleep
        self._next = clock()
        self._turn = asyncio.Lock()

    async def turn(self) -> None:
        """Return when the next request may start; callers are served in their order."""
        async with self._turn:
            wait = self._next - self._clock()
            if wait > 0:
                await self._sleep(wait)
            self._next = max(self._next, self._clock()) + self._interval
