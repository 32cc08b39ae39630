"""Marks of a listing by their meaning: the same instant or version, however it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

from winter_sync.models import Marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winter_sync.models import Row

T = TypeVar("T")

SAMPLE = 3
"""So many products of a night and type are fetched again to see whether new marks mean new content:
the marks are set for every exposure of a night when it is merely logged again (winter-api.md,
"What changes after it was listed")."""
_NOTHING = frozenset({"", "nat", "nan", "none", "null"})
"""What stands for an absent value where a table was written as text."""


def marks_of(row: Row) -> Marks:
    """Return the marks of a row, by their meaning."""
    return marks(row.lastmodified, row.pipeversion)


def marks(lastmodified: str | None, pipeversion: str | None) -> Marks:
    """Return marks by their meaning; each text may hold several values, one a line."""
    return Marks(
        _each(lastmodified, _instant),
        _each(pipeversion, _version),
    )


def all_marks(rows: Iterable[Row]) -> Marks:
    """Return the marks of several rows of one product, whatever their order."""
    found = Marks()
    for each in sorted((marks_of(row) for row in rows), key=repr):
        found = found.united(each)
    return found


def _each(texts: str | None, meaning: Callable[[str], str]) -> str | None:
    values = (meaning(text.strip()) for text in (texts or "").split("\n"))
    kept = dict.fromkeys(value for value in values if value.casefold() not in _NOTHING)
    return "\n".join(kept) or None


def _instant(text: str) -> str:
    """Return an instant in UTC, to the second: not every way of writing one has fractions.

    One without a time zone is taken for UTC: that is never computed with, only compared.
    """
    try:
        instant = _parsed(text)
        return instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return " ".join(text.split())


def _parsed(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = parsedate_to_datetime(text)
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _version(text: str) -> str:
    return " ".join(text.split())


def spread(ordered: Sequence[T], count: int) -> list[T]:
    """Return the given number of elements, or all if they are fewer, evenly from the whole."""
    count = min(max(count, 0), len(ordered))
    return [ordered[(2 * at + 1) * len(ordered) // (2 * count)] for at in range(count)]
