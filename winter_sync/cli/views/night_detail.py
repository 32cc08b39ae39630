"""One night on a terminal: a line for each program, camera and type, and what is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.cli.views.sentences import ABOUT_SHARED, print_sentence
from winter_sync.cli.views.table import Table
from winter_sync.core import Numbers

if TYPE_CHECKING:
    from rich.console import Console

    from winter_sync.catalog import KindOfNight
    from winter_sync.monitoring import NightDetail, Only

_HEADINGS = (
    *("program", "camera", "type", "here", "pending", "failing", "missing", "not kept"),
    *("withdrawn", "last change"),
)


def show_night(console: Console, detail: NightDetail, only: Only) -> None:
    """Print how a night stands, of what it is narrowed to; times are UTC."""
    if not detail.kinds:
        print_sentence(console, f"Nothing is listed of {detail.night}{_narrowed(only)}.")
        return
    rows = [[*_HEADINGS], *map(_cells, detail.kinds)]
    if detail.shared:
        rows.append(_together(detail))
    console.print(Table(rows), crop=False)
    if detail.shared:
        print_sentence(console, ABOUT_SHARED)
    since = {settled.program: settled.settled_at for settled in detail.settled}
    for program in sorted({kind.program for kind in detail.kinds}):
        at = since.get(program)
        said = f"settled since {at:%Y-%m-%d %H:%M} UTC" if at else "not settled"
        print_sentence(console, f"{program}: {said}.")


def _narrowed(only: Only) -> str:
    said = "; ".join(filter(None, (", ".join(only.programs), ", ".join(only.image_types))))
    return f" ({said})" if said else ""


def _cells(kind: KindOfNight) -> list[str]:
    count, numbers = kind.count, Numbers.of([kind.count])
    return [
        *(kind.program, count.instrument.value, count.image_type.value),
        *_number_cells(numbers, failing=kind.failing, withdrawn=count.withdrawn),
        f"{kind.changed_at:%Y-%m-%d %H:%M}" if kind.changed_at else "-",
    ]


def _together(detail: NightDetail) -> list[str]:
    """Return the line of all programs, in which each product counts once."""
    withdrawn = sum(count.withdrawn for count in detail.counts)
    cells = _number_cells(detail.together, failing=detail.failing, withdrawn=withdrawn)
    return ["together", "", "", *cells, ""]


def _number_cells(numbers: Numbers, *, failing: int, withdrawn: int) -> list[str]:
    here, listed = numbers.here, numbers.listed
    others = (numbers.pending, failing, numbers.missing, numbers.not_kept, withdrawn)
    return [
        str(here) if here == listed else f"{here}/{listed}",
        *(str(number or "-") for number in others),
    ]
