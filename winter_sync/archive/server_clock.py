"""The archive's clock, as the `Date` headers of its answers show it, and whether it is believed.

No header, however absurd, makes anything here raise.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.core import Time

BELIEVED_WITHIN = timedelta(days=1)
"""How far the archive's clock may be from ours and still decide which day it is.

Queries are asked one day wider than needed at each end, so that a date that is wrong by this much
leaves no night out (docs/decisions/0019-clock-bound.md).
"""
_LONGEST_DATE = 64
"""Characters; the longest form of an HTTP date has 33 (RFC 9110, 5.6.7)."""


class ServerClock:
    """What the archive's answers show of its clock.

    It is held against two clocks of ours, neither of which the archive can move: this machine's as
    it is now, and as it would be if it had not been set since the beginning.

    Parameters
    ----------
    time
        The two clocks of this machine: UTC, and one that never goes back.
    on_disbelief
        Called with the difference when the archive's clock stops being believed: once, until an
        answer is believed again.
    """

    def __init__(self, time: Time, on_disbelief: Callable[[timedelta], None]) -> None:
        self._time = time
        self._on_disbelief = on_disbelief
        self._began = time.clock(), time.monotonic()
        self._sent: tuple[datetime, float] | None = None
        """The last time that was sent and believed, and when that was."""
        self.offset: timedelta | None = None
        """How far the archive's clock, by its last answer, is ahead of ours; None if unknown."""

    @property
    def is_believed(self) -> bool:
        """Whether the archive's clock is near enough to ours to be used."""
        return self._believed() is not None

    @property
    def today(self) -> date:
        """The archive's UTC date where its clock is believed; else this machine's."""
        return (self._believed() or self._time.clock()).date()

    def record(self, header: str | None) -> None:
        """Record the `Date` header of an answer; one that is no date changes nothing."""
        sent = http_date(header)
        if sent is None:
            return
        was_disbelieved = self.offset is not None and self._sent is None
        self.offset = sent - self._time.clock()
        if self._is_near(sent):
            self._sent = sent, self._time.monotonic()
            return
        self._sent = None
        if not was_disbelieved:
            self._on_disbelief(self.offset)

    def _believed(self) -> datetime | None:
        """Return the archive's time now; None if there is none near ours.

        What agreed with a clock of ours that has been set since may agree with none any more.
        """
        now = None if self._sent is None else self._since(*self._sent)
        return now if now is not None and self._is_near(now) else None

    def _is_near(self, sent: datetime) -> bool:
        ours = self._time.clock(), self._since(*self._began)
        return any(abs(sent - time) <= BELIEVED_WITHIN for time in ours)

    def _since(self, then: datetime, at: float) -> datetime:
        """Return the time that it is now, if it was `then` at that monotonic time."""
        try:
            return then + timedelta(seconds=self._time.monotonic() - at)
        except OverflowError:
            return then


def http_date(header: str | None) -> datetime | None:
    """Read an HTTP date (RFC 9110, 5.6.7), and whatever else may pass for one; None if nothing."""
    if not header or len(header) > _LONGEST_DATE:
        return None
    try:
        sent = parsedate_to_datetime(header)
        return sent.replace(tzinfo=UTC) if sent.tzinfo is None else sent.astimezone(UTC)
    except Exception:  # noqa: BLE001 - email.utils raises whatever it trips over, by its version
        return None
