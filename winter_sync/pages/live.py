"""Pages that are told of changes: server-sent events for as many browsers as there is room for.

Nothing is done while nobody listens. While somebody does, the state of the mirror is looked at
every few seconds, once for all.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

MOST_LISTENERS = 32
LONGEST_SECONDS = 600.0
"""How long one browser is told of changes before it must ask again."""
_LOOK_EVERY = 2.0
_KEEP_ALIVE_EVERY = 15.0
"""Seconds between two signs of life, by which a client that has gone is noticed."""
_RETRY = b"retry: 3000\n\n"
_SIGN_OF_LIFE = b": still here\n\n"


class Changes:
    """Tells listeners that something has changed.

    Parameters
    ----------
    state
        Returns what the pages depend on: two states are equal if no page has changed.
    monotonic
        Returns a time in seconds that never goes back.
    sleep
        Waits for a number of seconds.
    """

    def __init__(
        self,
        state: Callable[[], Awaitable[object]],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._state = state
        self._monotonic = monotonic
        self._sleep = sleep
        self._listeners: set[_Listener] = set()
        self._looking: asyncio.Task[None] | None = None

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    @property
    def has_room(self) -> bool:
        """Whether one more may listen."""
        return len(self._listeners) < MOST_LISTENERS

    async def events(self) -> AsyncGenerator[bytes, None]:
        """Yield an event for each change, and signs of life, until this ends or has lasted long."""
        listener = _Listener()
        self._listeners.add(listener)
        self._begin()
        until = self._monotonic() + LONGEST_SECONDS
        number = 0
        try:
            yield _RETRY
            while self._monotonic() < until:
                number += 1
                found = await listener.wait()
                if listener.is_over:
                    return
                yield _event(number) if found else _SIGN_OF_LIFE
        finally:
            self._listeners.discard(listener)

    def end(self) -> None:
        """End all that listen; others may begin to."""
        for listener in self._listeners:
            listener.end()
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()

    def _begin(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Wake the listeners at each change, while there are any."""
        known = await self._state()
        while self._listeners:
            await self._sleep(_LOOK_EVERY)
            found = await self._state()
            if found != known:
                known = found
                for listener in self._listeners:
                    listener.changed.set()


def _event(number: int) -> bytes:
    return f"event: change\ndata: {number}\n\n".encode()


class _Listener:
    """One browser that is told of changes."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.is_over = False

    def end(self) -> None:
        """Tell it nothing more."""
        self.is_over = True
        self.changed.set()

    async def wait(self) -> bool:
        """Wait for a change, or the end; return False if none comes for a while."""
        try:
            async with asyncio.timeout(_KEEP_ALIVE_EVERY):
                await self.changed.wait()
        except TimeoutError:
            return False
        self.changed.clear()
        return True
