"""Spans of nights in a small table: what of each type is here, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from winter_sync.models import ImageType
from winter_sync.units import show_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.records import NightCount

MOST_NIGHTS = 30
"""More nights than these are shown by month."""


def overview(counts: Sequence[NightCount]) -> Table:
    """Make a table with a line for each night, or each month, and a column for each type.

    Of a type it tells how many products are here, and of how many if some are not; both cameras
    count together.
    """
    counts = [one for one in counts if _listed(one)]
    by_month = len({one.night for one in counts}) > MOST_NIGHTS
    types = [one for one in ImageType if any(count.image_type is one for count in counts)]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("month" if by_month else "night", no_wrap=True)
    for heading in (*types, "missing", "to come", "size"):
        table.add_column(heading, justify="right", no_wrap=True)
    spans: dict[str, list[NightCount]] = {}
    for count in sorted(counts, key=lambda one: one.night):
        spans.setdefault(_span(count, by_month=by_month), []).append(count)
    for name, some in spans.items():
        table.add_row(name, *_cells(some, types))
    return table


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
