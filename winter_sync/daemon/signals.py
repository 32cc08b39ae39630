"""Signals to the daemon: stop, and read the settings again."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Signal(Enum):
    """What a signal asks for."""

    STOP = auto()
    RELOAD = auto()


class Signals:
    """Signals that arrived and were not obeyed yet."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self._stopping = False
        self.aborted = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether the daemon was asked to stop."""
        return self._stopping

    def stop(self) -> None:
        """Ask the daemon to stop, with grace; asked twice, at once."""
        if self._stopping:
            self.aborted.set()
        self._stopping = True
        self._arrived.set()

    def reload(self) -> None:
        """Ask for the settings to be read again; asked several times before that, once."""
        self._arrived.set()

    async def next(self) -> Signal:
        """Wait for the next signal and return it; STOP is returned ever after."""
        await self._arrived.wait()
        if self._stopping:
            return Signal.STOP
        self._arrived.clear()
        return Signal.RELOAD

    async def next_within(self, seconds: float) -> Signal | None:
        """Wait for the next signal and return it; None if none arrived in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self.next()
        return None

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle SIGTERM, SIGINT and SIGHUP; a SIGHUP that was blocked before is delivered now."""
        loop = asyncio.get_running_loop()
        handlers = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGHUP: self.reload,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)
