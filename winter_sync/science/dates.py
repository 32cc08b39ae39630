"""Nights and instants as people write them: 20240211, 2024-02-11, yesterday, -7d."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from winter_sync.core import ErrorCode, Night, UsageError, parse_duration

_DIGITS = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_DAYS_BACK = {"today": 0, "tonight": 0, "yesterday": 1}
_AGO = re.compile(r"-(.+)|(.+?)\s*ago")
_EXAMPLES = "Write 20240211, 2024-02-11, yesterday, or -7d for seven days ago"


def parse_night(text: str, now: datetime) -> Night:
    """Read a night: 20240211, 2024-02-11, today (or tonight), yesterday, -7d or -1w.

    A night is the one of Palomar: "today" is the night that `now` belongs to (`Night.at`), and
    days are counted back from it.

    Raises
    ------
    UsageError
        If the text is not a night.
    """
    words = text.strip().lower()
    if match := _DIGITS.fullmatch(words):
        try:
            return Night("".join(match.groups()))
        except ValueError as wrong:
            raise UsageError(str(wrong), remedy=f"{_EXAMPLES}.", code=ErrorCode.USE_NIGHT) from None
    days = _days_back(words)
    if days is None:
        raise UsageError(
            f"{text!r} is not a night", remedy=f"{_EXAMPLES}.", code=ErrorCode.USE_NIGHT
        )
    return Night.at(now).plus(-days)


def parse_instant(text: str, now: datetime) -> datetime:
    """Read an instant, in UTC: a date (its start), 2024-02-11T05:30, yesterday, -7d or -12h.

    Raises
    ------
    UsageError
        If the text is not an instant.
    """
    words = text.strip().lower()
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if words == "now":
        return now.astimezone(UTC)
    if words in _DAYS_BACK:
        return midnight - timedelta(days=_DAYS_BACK[words])
    back = _duration_back(words)
    if back is not None:
        return now.astimezone(UTC) - back
    try:
        return _in_utc(datetime.fromisoformat(text.strip().upper().removesuffix(" UTC")))
    except (ValueError, OverflowError):
        raise UsageError(
            f"{text!r} is not a time",
            remedy=f"{_EXAMPLES}; or -12h, or 2024-02-11T05:30, in UTC.",
            code=ErrorCode.USE_NIGHT,
        ) from None


def _in_utc(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _days_back(words: str) -> int | None:
    """Return how many whole days back a text means; None if it does not mean whole days."""
    if words in _DAYS_BACK:
        return _DAYS_BACK[words]
    back = _duration_back(words)
    return None if back is None or back % timedelta(days=1) else back // timedelta(days=1)


def _duration_back(words: str) -> timedelta | None:
    match = _AGO.fullmatch(words)
    if match is None:
        return None
    try:
        return parse_duration(match[1] or match[2])
    except ValueError:
        return None
