"""What the daemon is told from outside: to end, or to read its settings again."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Signal(Enum):
    """What can be ordered."""

    STOP = auto()
    RELOAD = auto()


class Signals:
    """What the daemon was told from outside and has not obeyed yet."""

    def __init__(self) -> None:
        self._came = asyncio.Event()
        self._stopping = False
        self.aborted = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether the end was ordered."""
        return self._stopping

    def stop(self) -> None:
        """End, with grace; said twice, at once."""
        if self._stopping:
            self.aborted.set()
        self._stopping = True
        self._came.set()

    def reload(self) -> None:
        """Read the settings again; said several times before that is done, once."""
        self._came.set()

    async def next(self) -> Signal:
        """Wait for the next order; the end stays ordered."""
        await self._came.wait()
        if self._stopping:
            return Signal.STOP
        self._came.clear()
        return Signal.RELOAD

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take orders from SIGTERM, SIGINT and SIGHUP, also from one that was put off before."""
        loop = asyncio.get_running_loop()
        orders = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGHUP: self.reload,
        }
        for number, order in orders.items():
            loop.add_signal_handler(number, order)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        try:
            yield
        finally:
            for number in orders:
                loop.remove_signal_handler(number)
