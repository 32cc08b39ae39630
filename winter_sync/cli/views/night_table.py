"""A small table of nights or months: what of each image type is here, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.cli.views.table import Table
from winter_sync.core import ImageType, show_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog import NightCount

MOST_NIGHTS = 30
"""More nights than this are shown by month."""


def night_table(counts: Sequence[NightCount]) -> Table:
    """Return a table with a line for each night or month, and a column for each image type.

    The column of a type shows how many products are here, and out of how many if some are not; the
    two cameras are added up.
    """
    counts = [count for count in counts if _listed(count)]
    by_month = len({count.night for count in counts}) > MOST_NIGHTS
    types = [kind for kind in ImageType if any(count.image_type is kind for count in counts)]
    spans: dict[str, list[NightCount]] = {}
    for count in sorted(counts, key=lambda count: count.night):
        spans.setdefault(_span(count, by_month=by_month), []).append(count)
    headings = ["month" if by_month else "night", *types, "missing", "pending", "size"]
    return Table([headings, *([name, *_cells(some, types)] for name, some in spans.items())])


def _span(count: NightCount, *, by_month: bool) -> str:
    name = count.night.name
    return f"{name[:4]}-{name[4:6]}" if by_month else name


def _cells(counts: Sequence[NightCount], types: Iterable[ImageType]) -> list[str]:
    return [
        *(_here_of([count for count in counts if count.image_type is kind]) for kind in types),
        str(sum(count.missing for count in counts) or "-"),
        str(sum(count.wanted for count in counts) or "-"),
        show_size(sum(count.size for count in counts)),
    ]


def _here_of(counts: Sequence[NightCount]) -> str:
    here, listed = sum(count.published for count in counts), sum(map(_listed, counts))
    return (str(here) if here == listed else f"{here}/{listed}") if listed else "-"


def _listed(count: NightCount) -> int:
    return count.published + count.wanted + count.missing
