"""A minimum interval between requests, out of politeness."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.core import Time


class RateLimit:
    """Keeps the starts of requests apart.

    Parameters
    ----------
    interval
        Least time between two starts, seconds.
    time
        Its monotonic clock, and how to wait.
    """

    def __init__(self, interval: float, time: Time) -> None:
        self._interval = interval
        self._time = time
        self._next = time.monotonic()
        self._turn = asyncio.Lock()

    async def wait_turn(self) -> None:
        """Return when the next request may start; callers are served in their order."""
        async with self._turn:
            wait = self._next - self._time.monotonic()
            if wait > 0:
                await self._time.sleep(wait)
            self._next = max(self._next, self._time.monotonic()) + self._interval
