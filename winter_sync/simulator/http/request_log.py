"""What the simulator records of each call that it answered: never a password or a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One answered call.

    `count` is the number of rows or of paths asked for, `missing` of those not served, `sent`
    the bytes of a zip; `complete` is False when the answer was cut. Times are simulated.
    """

    number: int
    method: str
    path: str
    program: str | None
    instrument: str | None
    image_type: str | None
    status: int
    count: int
    missing: int
    sent: int
    complete: bool
    user_agent: str | None
    started_at: datetime

    def body(self) -> dict[str, Any]:
        """Return the record as JSON types."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        return plain | {"started_at": self.started_at.isoformat()}


@dataclass(slots=True)
class Trace:
    """What becomes known of a call while it is answered."""

    number: int
    method: str
    path: str
    user_agent: str | None
    started_at: datetime
    program: str | None = None
    instrument: str | None = None
    image_type: str | None = None
    status: int = 0
    count: int = 0
    missing: int = 0
    sent: int = 0
    complete: bool = False

    def record(self) -> RequestRecord:
        """Return the record of the call."""
        return RequestRecord(**{name: getattr(self, name) for name in self.__slots__})
