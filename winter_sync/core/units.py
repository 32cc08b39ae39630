"""Durations, sizes and instants as people write them: "10m", "1h30m", "52 MB"."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LONGEST_SECONDS = 10 * 366 * 86400.0
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)", re.ASCII)
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern}\s*)+", re.ASCII)


def parse_duration(text: str) -> timedelta:
    """Read "250ms", "90s", "10m", "1h30m", "1d" or "2w"; at most ten years.

    Raises
    ------
    ValueError
        If the text is anything else.
    """
    stripped = text.strip()
    if not _DURATION.fullmatch(stripped):
        raise ValueError(f'a duration is written like "30s", "10m", "1h30m" or "1d", not {text!r}')
    parts = _DURATION_PART.findall(stripped)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > _LONGEST_SECONDS:
        raise ValueError(f"a duration is at most ten years, not {text!r}")
    return timedelta(seconds=seconds)


def show_size(count: float) -> str:
    """Write a number of bytes for a reader: three digits and a decimal unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5:  # noqa: PLR2004 - so that rounding never shows four digits
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.0f} PB"


def show_instant(at: datetime, now: datetime) -> str:
    """Write an instant to the minute, in UTC, with its date unless that is today's.

    Both must carry a time zone.
    """
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"


def show_duration(seconds: float) -> str:
    """Write a number of seconds for a reader, in its two largest units."""
    if seconds < 59.95:  # noqa: PLR2004 - so that rounding never shows sixty
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
