"""Tables on a terminal of any width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

_GAP = "  "


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose numbers are never cut off.

    On a narrow terminal its columns move closer together; if that is not enough, the terminal
    itself wraps the lines. Print it with `crop=False`.

    Parameters
    ----------
    rows
        The headings and then the lines, in cells.
    headings
        The numbers of the rows that are headings.
    """

    rows: Sequence[Sequence[str]]
    headings: frozenset[int] = frozenset({0})

    @property
    def narrowest(self) -> int:
        """The number of terminal columns that it needs at least."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        return sum(widths) + len(widths) - 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the table, with as wide a gap between columns as fits."""
        del console
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        roomy = sum(widths) + (len(widths) - 1) * len(_GAP) <= options.max_width
        gap = _GAP if roomy else " "
        for number, (name, *cells) in enumerate(self.rows):
            line = [name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]
            style = "bold" if number in self.headings else ""
            yield Text(gap.join(line).rstrip(), style, no_wrap=True, overflow="ignore")
