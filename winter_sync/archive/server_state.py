"""What the answers show of the archive's server: whether it responds, and what time it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.archive.circuit_breaker import CircuitBreaker, Closed, Opened
from winter_sync.archive.server_clock import ServerClock
from winter_sync.core import ClocksDiffer, ServerFailing, ServerRecovered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from winter_sync.core import Sink, Time


class ServerState:
    """The state of the server, one for all requests of a client.

    Parameters
    ----------
    probe
        Asks the server for a sign of life; raises `TransientError` if there is none.
    time
        Clocks, how to wait, and chance.
    patience
        How many seconds a request may be held while the server is not responding.
    emit
        Receives an event when the server fails, when it recovers, and when clocks differ.
    """

    def __init__(
        self,
        *,
        probe: Callable[[], Awaitable[object]],
        time: Time,
        patience: float,
        emit: Sink,
    ) -> None:
        self._emit = emit
        self.clock = ServerClock(time, self._report_clocks_differ)
        """The archive's clock."""
        self.circuit_breaker = CircuitBreaker(
            probe=probe, time=time, patience=patience, emit=self._report_circuit
        )
        """Holds requests while the server is not responding."""

    @property
    def is_held(self) -> bool:
        """Whether requests are being held."""
        return self.circuit_breaker.is_open

    @property
    def held_because(self) -> str:
        """Why requests are being held, for a person; empty while they are not."""
        return self.circuit_breaker.reason

    @property
    def held_until(self) -> float:
        """Until when they are, by the monotonic clock; in the past while they are not."""
        return self.circuit_breaker.held_until

    def _report_circuit(self, change: Opened | Closed) -> None:
        match change:
            case Opened(reason, pause, code):
                self._emit(ServerFailing(reason, pause, code))
            case Closed(seconds):
                self._emit(ServerRecovered(seconds))

    def _report_clocks_differ(self, offset: timedelta) -> None:
        self._emit(ClocksDiffer(offset.total_seconds()))
