"""Spans of nights in a small table: what of each type is here, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.core import ImageType, show_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from winter_sync.catalog import NightCount

MOST_NIGHTS = 30
"""More nights than these are shown by month."""
_GAP = "  "


@dataclass(frozen=True, slots=True)
class Overview:
    """A table whose numbers are whole on every terminal.

    Where there is little room its columns move together; where that is not enough, the terminal
    itself breaks the lines. To be printed with `crop=False`.

    Parameters
    ----------
    rows
        The headings and then each line, in cells.
    headings
        Which of the rows are headings.
    """

    rows: Sequence[Sequence[str]]
    headings: frozenset[int] = frozenset({0})

    @property
    def narrowest(self) -> int:
        """How many columns of a terminal it needs at least."""
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        return sum(widths) + len(widths) - 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it, with as much between columns as there is room for."""
        del console
        widths = [max(map(len, column)) for column in zip(*self.rows, strict=True)]
        roomy = sum(widths) + (len(widths) - 1) * len(_GAP) <= options.max_width
        gap = _GAP if roomy else " "
        for number, (name, *cells) in enumerate(self.rows):
            line = [name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]
            style = "bold" if number in self.headings else ""
            yield Text(gap.join(line).rstrip(), style, no_wrap=True, overflow="ignore")


def overview(counts: Sequence[NightCount]) -> Overview:
    """Make a table with a line for each night, or each month, and a column for each type.

    Of a type it tells how many products are here, and of how many if some are not; both cameras
    count together.
    """
    counts = [one for one in counts if _listed(one)]
    by_month = len({one.night for one in counts}) > MOST_NIGHTS
    types = [one for one in ImageType if any(count.image_type is one for count in counts)]
    spans: dict[str, list[NightCount]] = {}
    for count in sorted(counts, key=lambda one: one.night):
        spans.setdefault(_span(count, by_month=by_month), []).append(count)
    headings = ["month" if by_month else "night", *types, "missing", "pending", "size"]
    return Overview([headings, *([name, *_cells(some, types)] for name, some in spans.items())])


def _span(count: NightCount, *, by_month: bool) -> str:
    name = count.night.name
    return f"{name[:4]}-{name[4:6]}" if by_month else name


def _cells(counts: Sequence[NightCount], types: Iterable[ImageType]) -> list[str]:
    return [
        *(_here_of([one for one in counts if one.image_type is kind]) for kind in types),
        str(sum(one.missing for one in counts) or "-"),
        str(sum(one.wanted for one in counts) or "-"),
        show_size(sum(one.size for one in counts)),
    ]


def _here_of(counts: Sequence[NightCount]) -> str:
    here, listed = sum(one.published for one in counts), sum(map(_listed, counts))
    return (str(here) if here == listed else f"{here}/{listed}") if listed else "-"


def _listed(count: NightCount) -> int:
    return count.published + count.wanted + count.missing
