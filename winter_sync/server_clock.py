"""The archive's clock, as the `Date` headers of its answers show it, and whether it is believed.

No header, however absurd, makes anything here raise.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BELIEVED_WITHIN = timedelta(days=1)
"""How far the archive's clock may be from ours and still decide which day it is.

Queries are asked one day wider than needed at each end, so that a date that is wrong by this much
leaves no night out (docs/decisions/0019-clock-bound.md).
"""
_LONGEST_DATE = 64
"""Characters; the longest form of an HTTP date has 33 (RFC 9110, 5.6.7)."""


class ServerClock:
    """What the archive's answers tell of its clock.

    Parameters
    ----------
    clock
        Returns the current UTC time of this machine.
    on_disbelief
        Called with the difference when the archive's clock stops being believed: once, until an
        answer is believed again.
    """

    def __init__(
        self, clock: Callable[[], datetime], on_disbelief: Callable[[timedelta], None]
    ) -> None:
        self._clock = clock
        self._on_disbelief = on_disbelief
        self.offset: timedelta | None = None
        """How far the archive's clock, by its last answer, is ahead of ours; None if none told."""

    @property
    def is_believed(self) -> bool:
        """Whether the archive's clock is near enough to ours to be used."""
        return self.offset is not None and abs(self.offset) <= BELIEVED_WITHIN

    @property
    def today(self) -> date:
        """The archive's UTC date where its clock is believed; else this machine's."""
        now = self._clock()
        if self.offset is None or not self.is_believed:
            return now.date()
        try:
            return (now + self.offset).date()
        except OverflowError:
            return now.date()

    def record(self, header: str | None) -> None:
        """Record the `Date` header of an answer; one that is no date changes nothing."""
        told = http_date(header)
        if told is None:
            return
        was_disbelieved = self.offset is not None and not self.is_believed
        self.offset = told - self._clock()
        if not self.is_believed and not was_disbelieved:
            self._on_disbelief(self.offset)


def http_date(header: str | None) -> datetime | None:
    """Read an HTTP date (RFC 9110, 5.6.7), and whatever else may pass for one; None if nothing."""
    if not header or len(header) > _LONGEST_DATE:
        return None
    try:
        told = parsedate_to_datetime(header)
        return told.replace(tzinfo=UTC) if told.tzinfo is None else told.astimezone(UTC)
    except Exception:  # noqa: BLE001 - email.utils raises whatever it trips over, by its version
        return None
