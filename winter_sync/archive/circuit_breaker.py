"""One view of the server for all requests: it responds, or no request is sent for now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import FAILING_SERVER, CircuitOpenError, ErrorCode, TransientError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from winter_sync.core import Time

_FAILURES = 5
"""This many failures in a row, of any requests, mean the server and not a request."""
_LONGEST_ASKED = 86_400.0
"""No server can ask for more than a day, by mistake or not."""


@dataclass(frozen=True, slots=True)
class Opened:
    """No request is sent any more: why, and for how many seconds at first."""

    reason: str
    pause: float
    code: ErrorCode


@dataclass(frozen=True, slots=True)
class Closed:
    """The server responds again, after this many seconds."""

    seconds: float


class CircuitBreaker:
    """Lets requests pass while the server responds, and holds all of them while it does not.

    While open, one caller at a time probes the server after a pause, which doubles with each probe
    that fails; the others wait for what it finds. A probe that succeeds lets requests pass. The
    server counts as recovered when one of these succeeds: it may answer probes and nothing else.

    Parameters
    ----------
    probe
        Asks the server for a sign of life; raises `TransientError` if there is none.
    time
        Its monotonic clock, how to wait, and chance: many mirrors must not come back in one moment.
    patience
        How many seconds a caller may be held before it gets an error.
    emit
        Called when it opens and when it closes: once each, however many requests are held.
    """

    def __init__(
        self,
        *,
        probe: Callable[[], Awaitable[object]],
        time: Time,
        patience: float,
        emit: Callable[[Opened | Closed], None],
    ) -> None:
        self._probe = probe
        self._time = time
        self._patience = patience
        self._emit = emit
        self._has_answered = False
        self._failures = 0
        self._failed_probes = 0
        self._opened_at: float | None = None
        self._holding = False
        self._probe_at = 0.0
        self._reason = ""
        self._probing = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether requests are being held."""
        return self._holding

    @property
    def has_answered(self) -> bool:
        """Whether the server has ever answered as it should."""
        return self._has_answered

    @property
    def held_until(self) -> float:
        """Until when requests are held, by the clock; in the past while they are not."""
        return self._probe_at

    @property
    def reason(self) -> str:
        """Why requests are being held; empty while they are not."""
        return self._reason if self._holding else ""

    async def wait_until_allowed(self) -> None:
        """Return when a request may be made.

        Raises
        ------
        CircuitOpenError
            If the server has not responded for longer than the patience.
        """
        deadline = self._time.monotonic() + self._patience
        while self.is_open:
            async with self._probing:
                if self.is_open:
                    await self._wait_and_probe(deadline)

    async def _wait_and_probe(self, deadline: float) -> None:
        if self._probe_at > deadline:
            raise CircuitOpenError(
                f"no requests are sent to the server for now: {self._reason}",
                remedy="Nothing is lost: run again later.",
                code=ErrorCode.ARCHIVE_PAUSED,
            )
        await self._time.sleep(max(0.0, self._probe_at - self._time.monotonic()))
        try:
            await self._probe()
        except TransientError as still:
            self._failed_probes += 1
            self._hold(still)
        else:
            self._holding = False
            self._failures = 0

    def record_failure(self, error: TransientError) -> None:
        """Count a failure that may be the server's.

        A server that asks for time gets it at once, and from everybody.
        """
        self._failures += 1
        if self._failures >= _FAILURES or error.retry_after:
            self._hold(error)

    def record_success(self) -> None:
        """Record that the server answered as it should."""
        self._has_answered = True
        self._failures = self._failed_probes = 0
        if self._opened_at is not None and not self._holding:
            opened, self._opened_at = self._opened_at, None
            self._emit(Closed(self._time.monotonic() - opened))

    def _next_pause(self) -> float:
        return FAILING_SERVER.delay(self._failed_probes + 1, self._time.random()).total_seconds()

    def _hold(self, error: TransientError) -> None:
        asked = min(error.retry_after or 0.0, _LONGEST_ASKED)
        pause = asked or self._next_pause()
        self._probe_at = max(self._probe_at, self._time.monotonic() + pause)
        self._reason = error.message
        self._holding = True
        if self._opened_at is None:
            self._opened_at = self._time.monotonic()
            self._emit(Opened(error.message, pause, error.code))
