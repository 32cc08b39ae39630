"""How polls and downloads that run side by side wake each other, and how they end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta


@dataclass(slots=True)
class Coordination:
    """Wakes the downloads when there may be more to download, and ends them."""

    changes: int = 0
    """How often something changed; waiting for a change needs the number that was seen last."""
    closed: bool = False
    """Whether no further batch may begin."""
    _ended: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Announce that there may be something to download."""
        self.changes += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """Announce that no poll will bring more."""
        self._ended = True
        self.wake()

    def close(self) -> None:
        """Let no further batch begin."""
        self.closed = True
        self._closing.set()
        self.wake()

    async def wait_for_change(self, seen: int) -> bool:
        """Wait for a change after the one seen; return False if none can follow."""
        if self.changes == seen and not self._ended:
            await self._changed.wait()
        return self.changes != seen

    async def wait_for_change_within(self, seen: int, wait: timedelta) -> None:
        """Wait for a change after the one seen, at most this long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await self.wait_for_change(seen)

    async def pause(self, wait: timedelta) -> None:
        """Wait this long, whatever changes; end early only when closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await self._closing.wait()
