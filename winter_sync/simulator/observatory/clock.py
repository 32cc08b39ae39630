"""The simulated observatory's own clock: it stands still, is driven, or follows real time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SimulatedClock:
    """A UTC clock that tests and people set.

    Parameters
    ----------
    start
        The first reading; must carry a time zone.
    rate
        Simulated seconds that pass in one real second; 0 stands still.
    source
        Real time in seconds, from any origin.
    """

    def __init__(
        self,
        start: datetime,
        *,
        rate: float = 0.0,
        source: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._source = source
        self.set(start)

    def now(self) -> datetime:
        """Return the simulated time, in UTC."""
        elapsed = (self._source() - self._anchor) * self._rate
        return self._base + timedelta(seconds=elapsed)

    def set(self, instant: datetime) -> None:
        """Jump to an instant, forwards or backwards.

        Raises
        ------
        ValueError
            If the instant carries no time zone.
        """
        if instant.tzinfo is None:
            raise ValueError(f"the simulated time needs a time zone: {instant.isoformat()}")
        self._base = instant.astimezone(UTC)
        self._anchor = self._source()

    def advance(self, step: timedelta) -> None:
        """Jump forwards by a step (backwards by a negative one)."""
        self.set(self.now() + step)
