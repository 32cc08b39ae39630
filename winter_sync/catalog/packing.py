"""Dates and times as numbers: how the catalog packs them, and the SQL that shows them as they were.

A number stands for one text alone, the usual one. Any other text stays a text, so that what an
archive or a header gave reads as it was given. Columns for either have no type: SQLite would turn a
text of digits into a number.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIDNIGHT = "T00:00:00+00:00"
# Python reads other forms, too, and from 3.13 an hour of 24. Years before 1970 would be negative,
# which SQLite divides otherwise than Python.
_TO_SECONDS = r"(?:19[7-9]|[2-9]\d\d)\d-\d\d-\d\dT(?!24)\d\d:\d\d:\d\d"
_DAY = re.compile(r"(?:19[7-9]|[2-9]\d\d)\d-\d\d-\d\d", re.ASCII)
_SECOND = re.compile(_TO_SECONDS, re.ASCII)
_MILLISECOND = re.compile(_TO_SECONDS + r"\.\d{3}\+00:00", re.ASCII)
_MICROSECOND = re.compile(_TO_SECONDS + r"\.\d{6}\+00:00", re.ASCII)


@lru_cache(256)
def pack_day(text: str | None) -> int | str | None:
    """Return a date such as `2024-02-12` as days since 1970; anything else as it is."""
    if text is None or _DAY.fullmatch(text) is None:
        return text
    return _divided(_microseconds(text + _MIDNIGHT), 86_400_000_000, text)


@lru_cache(256)
def pack_seconds(text: str | None) -> int | str | None:
    """Return a time such as `2024-02-12T12:52:16`, which is in UTC, as seconds since 1970."""
    if text is None or _SECOND.fullmatch(text) is None:
        return text
    return _divided(_microseconds(text + "+00:00"), 1_000_000, text)


def pack_milliseconds(text: str | None) -> int | str | None:
    """Return a time such as `2024-02-12T12:52:16.785+00:00` as milliseconds since 1970."""
    if text is None or _MILLISECOND.fullmatch(text) is None:
        return text
    return _divided(_microseconds(text), 1000, text)


def pack_microseconds(text: str | None) -> int | str | None:
    """Return a time such as `2024-02-12T12:52:16.785000+00:00` as microseconds since 1970."""
    if text is None or _MICROSECOND.fullmatch(text) is None:
        return text
    return _divided(_microseconds(text), 1, text)


def _microseconds(text: str) -> int | None:
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _divided(number: int | None, unit: int, text: str) -> int | str:
    return text if number is None else number // unit


_SECONDS = "strftime('%Y-%m-%dT%H:%M:%S', {0}, 'unixepoch')"


def day_sql(column: str) -> str:
    """Return what `pack_day` packed, as SQL."""
    return _shown(column, f"date({column} * 86400, 'unixepoch')")


def seconds_sql(column: str) -> str:
    """Return what `pack_seconds` packed, as SQL."""
    return _shown(column, _SECONDS.format(column))


def milliseconds_sql(column: str) -> str:
    """Return what `pack_milliseconds` packed, as SQL."""
    return _shown(column, _with_fraction(column, 3))


def microseconds_sql(column: str) -> str:
    """Return what `pack_microseconds` packed, as SQL."""
    return _shown(column, _with_fraction(column, 6))


def _with_fraction(column: str, digits: int) -> str:
    unit = 10**digits
    seconds = _SECONDS.format(f"{column} / {unit}")
    return f"{seconds} || printf('.%0{digits}d+00:00', {column} % {unit})"


def _shown(column: str, text: str) -> str:
    return f"CASE typeof({column}) WHEN 'integer' THEN {text} ELSE {column} END"
