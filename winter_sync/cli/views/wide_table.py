"""Tables of many columns on a terminal: those that fit, the most telling first."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

from winter_sync.core import escape_unprintable
from winter_sync.science import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from winter_sync.science import Column

    Row = Mapping[str, object]

_MEASURED = 2000
"""Rows that are read before the first is drawn, to know how wide the columns are."""
_UNKNOWN = "-"
_WIDEST = 18
"""Characters of a text; what is longer is cut."""
_SECONDS = 19
"""Characters of a time to the second."""


@dataclass(slots=True)
class WideTable:
    """A table for a terminal of a given width.

    Parameters
    ----------
    width
        The columns of the terminal.
    columns
        The columns of the table, in the order in which they are drawn.
    telling
        Names of columns, the most telling first: as many are drawn as fit.

    Attributes
    ----------
    drawn
        How many rows were drawn.
    """

    width: int
    columns: Sequence[Column]
    telling: Sequence[str]
    drawn: int = field(default=0, init=False)

    def lines(self, rows: Iterable[Row]) -> Iterator[str]:
        """Yield the heading, a line for each row, and what is not shown; none without rows."""
        rest = iter(rows)
        first = list(islice(rest, _MEASURED))
        if not first:
            return
        chosen = self._chosen(first)
        yield _line(chosen, [column.name for column, _ in chosen])
        for row in chain(first, rest):
            self.drawn += 1
            yield _line(chosen, [_cell(column, row) for column, _ in chosen])
        if len(chosen) < len(self.columns):
            yield (
                f"{len(chosen)} of {len(self.columns)} columns; "
                "all are in files and pipes: --output FILE"
            )

    def _chosen(self, rows: Sequence[Row]) -> list[tuple[Column, int]]:
        """Return the columns that are drawn, and how wide each is."""
        named = {column.name: column for column in self.columns}
        chosen = dict[str, int]()
        left = self.width + 1
        for column in (named[name] for name in self.telling):
            width = max(len(column.name), *(len(_cell(column, row)) for row in rows))
            if width + 1 <= left:
                chosen[column.name] = width
                left -= width + 1
        return [(column, chosen[column.name]) for column in self.columns if column.name in chosen]


def _line(chosen: Sequence[tuple[Column, int]], cells: Sequence[str]) -> str:
    return " ".join(
        cell.rjust(width) if column.kind in {Kind.INTEGER, Kind.REAL} else cell.ljust(width)
        for (column, width), cell in zip(chosen, cells, strict=True)
    ).rstrip()


def _cell(column: Column, row: Row) -> str:
    value = column.value(row.get(column.name))
    if value is None:
        return _UNKNOWN
    if isinstance(value, float):
        return f"{value:.10g}"
    text = escape_unprintable(str(value))
    if column.kind is Kind.TIME:
        return text.replace("T", " ")[:_SECONDS]
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
