"""Marks of a listing by their meaning: the same instant or version, however it is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from winter_sync.core.products import Row

T = TypeVar("T")

REFETCH_SAMPLE = 3
"""So many products of a night and type are fetched again to see whether new marks mean new content:
the marks are set for every exposure of a night when it is merely logged again (winter-api.md,
"What changes after it was listed")."""
_NOTHING = frozenset({"", "nat", "nan", "none", "null"})
"""What stands for an absent value where a table was written as text."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What listings say of a product's processing: a new value may mean a reprocessed night.

    Both belong to the exposure, not to the product (winter-api.md, "What changes after it was
    listed"). Each is one value, or several, one a line: rows of one product may disagree. Values
    are kept by their meaning (`winter_sync.core.marks`), so that equal texts are equal marks.
    """

    lastmodified: str | None = None
    pipeversion: str | None = None

    def cover(self, other: Marks) -> bool:
        """Return whether every value of the other marks is among these; an absent one always is."""
        return all(set(_lines(there)) <= set(_lines(here)) for here, there in self._beside(other))

    def united(self, other: Marks) -> Marks:
        """Return the values of both, without repetition; of too many the last are kept."""
        return Marks(
            _united(self.lastmodified, other.lastmodified),
            _united(self.pipeversion, other.pipeversion),
        )

    def _beside(self, other: Marks) -> tuple[tuple[str | None, str | None], ...]:
        return (
            (self.lastmodified, other.lastmodified),
            (self.pipeversion, other.pipeversion),
        )


_MARKS_KEPT = 16
"""So many different values of one mark are remembered: more than rows of one product have."""
_PARSED_KEPT = 1024
"""Marks whose meaning is kept: all products of an exposure have the same, and are read together.

More than the queue reads at once, as what is not chosen is read again.
"""


def _lines(values: str | None) -> list[str]:
    return values.split("\n") if values else []


def _united(here: str | None, there: str | None) -> str | None:
    if there and not here and "\n" not in there:  # as it is of nearly all
        return there
    values = list(dict.fromkeys([*_lines(here), *_lines(there)]))
    return "\n".join(values[-_MARKS_KEPT:]) or None


def marks_of_row(row: Row) -> Marks:
    """Return the marks of a row, by their meaning."""
    return parse_marks(row.lastmodified, row.pipeversion)


@lru_cache(_PARSED_KEPT)
def parse_marks(lastmodified: str | None, pipeversion: str | None) -> Marks:
    """Return marks by their meaning; each text may hold several values, one a line."""
    return Marks(
        _each(lastmodified, _instant),
        _each(pipeversion, _version),
    )


def united_marks(rows: Iterable[Row]) -> Marks:
    """Return the marks of several rows of one product, whatever their order."""
    found = Marks()
    for marks in sorted((marks_of_row(row) for row in rows), key=repr):
        found = found.united(marks)
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


def evenly_spread(ordered: Sequence[T], count: int) -> list[T]:
    """Return the given number of elements, or all if they are fewer, evenly from the whole."""
    count = min(max(count, 0), len(ordered))
    return [ordered[(2 * at + 1) * len(ordered) // (2 * count)] for at in range(count)]
