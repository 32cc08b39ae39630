"""A clock that stands still until it is advanced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that is set; at first it is noon."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        """Return the time."""
        return self.time

    def advance(self, **time: float) -> None:
        """Go forward by days, hours or minutes."""
        self.time += timedelta(**time)
