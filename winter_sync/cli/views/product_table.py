"""Products as a table on a terminal, drawn while they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from winter_sync.core import escape_unprintable, show_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Row = Mapping[str, object]

_MEASURED = 2000
"""Rows that are read before the first is drawn, to know how wide the columns are."""
_HEADINGS = ("night", "UTC", "target", "filter", "RA", "Dec", "type", "state", "size")
_TARGET = _HEADINGS.index("target")
_RIGHT = frozenset({"RA", "Dec", "size"})
_SHORTEST_TARGET = 8
_DECIMALS = ((4, True), (3, True), (3, False))
"""Decimals of a degree, and whether seconds are shown: as many as fit."""


@dataclass(slots=True)
class ProductTable:
    """A table for a terminal of a given width.

    Parameters
    ----------
    width
        The columns of the terminal. Where they are too few, positions and times are shown less
        precisely, then names of targets are cut.

    Attributes
    ----------
    states
        How many products of each state were drawn.
    size
        The bytes of those that are here.
    """

    width: int
    states: dict[str, int] = field(default_factory=dict)
    size: int = 0

    def lines(self, rows: Iterable[Row]) -> Iterator[str]:
        """Yield the heading and then a line for each row, none if there are no rows."""
        rest = iter(rows)
        first = list(islice(rest, _MEASURED))
        if not first:
            return
        decimals, seconds, widths = self._widths(first)
        yield _line(_HEADINGS, widths)
        for row in chain(first, rest):
            self._count(row)
            yield _line(_cells(row, decimals, seconds=seconds), widths)

    def _widths(self, rows: Sequence[Row]) -> tuple[int, bool, list[int]]:
        """Return how precise the columns are, and how wide."""
        for decimals, seconds in _DECIMALS:
            table = [_HEADINGS, *(_cells(row, decimals, seconds=seconds) for row in rows)]
            widths = [max(map(len, column)) for column in zip(*table, strict=True)]
            if _total(widths) <= self.width:
                return decimals, seconds, widths
        excess = _total(widths) - self.width
        widths[_TARGET] = max(_SHORTEST_TARGET, widths[_TARGET] - excess)
        return decimals, seconds, widths

    def _count(self, row: Row) -> None:
        state = str(row["state"])
        self.states[state] = self.states.get(state, 0) + 1
        if row["path"] is not None and isinstance(size := row["size"], int):
            self.size += size

    @property
    def summary(self) -> str:
        """How many products were drawn, by state, in one line."""
        total = sum(self.states.values())
        states = ", ".join(f"{count} {state}" for state, count in self.states.items())
        size = f"; {show_size(self.size)} here" if self.size else ""
        return f"{total} product{'' if total == 1 else 's'}: {states}{size}."


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(widths) - 1


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    fitted = (
        cell.rjust(width) if heading in _RIGHT else _cut(cell, width).ljust(width)
        for heading, cell, width in zip(_HEADINGS, cells, widths, strict=True)
    )
    return " ".join(fitted).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _cells(row: Row, decimals: int, *, seconds: bool) -> list[str]:
    started, size = row["started_at"], row["size"]
    return [
        str(row["night"]),
        f"{started:{'%H:%M:%S' if seconds else '%H:%M'}}" if isinstance(started, datetime) else "-",
        escape_unprintable(str(row["target"] or "-")),
        escape_unprintable(str(row["filter"] or "-")),
        _degrees(row["ra"], f".{decimals}f"),
        _degrees(row["dec"], f"+.{decimals}f"),
        str(row["image_type"]),
        str(row["state"]),
        show_size(size) if isinstance(size, int) else "-",
    ]


def _degrees(value: object, form: str) -> str:
    return format(value, form) if isinstance(value, float) else "-"
