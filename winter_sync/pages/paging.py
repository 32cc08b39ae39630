"""Long lists in parts: which part is asked for, and what leads to the others. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a long list.

    Parameters
    ----------
    number
        Which, counted from 1.
    size
        How many entries a part has.
    total
        How many entries the list has.
    """

    number: int
    size: int
    total: int

    @property
    def parts(self) -> int:
        """How many parts there are; at least one."""
        return max(1, -(-self.total // self.size))

    @property
    def begin(self) -> int:
        """The place of its first entry, from 0."""
        return (self.number - 1) * self.size

    @property
    def end(self) -> int:
        """The place after its last entry."""
        return min(self.begin + self.size, self.total)

    @property
    def previous(self) -> int | None:
        """The part before it; None if there is none."""
        return self.number - 1 if self.number > 1 else None

    @property
    def next(self) -> int | None:
        """The part after it; None if there is none."""
        return self.number + 1 if self.number < self.parts else None


def part_asked(query: Mapping[str, str], total: int, size: int) -> Part:
    """Return the part that the field `page` of a query asks for; the nearest one that there is."""
    text = query.get("page", "")
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    asked = int(text) if is_number else 1
    last = max(1, -(-total // size))
    return Part(min(max(asked, 1), last), size, total)
