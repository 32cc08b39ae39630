"""One night on a terminal: a line for each program, camera and type, and what is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.cli.views.sentences import print_sentence
from winter_sync.cli.views.table import Table
from winter_sync.core import Numbers

if TYPE_CHECKING:
    from rich.console import Console

    from winter_sync.catalog import KindOfNight
    from winter_sync.monitoring import NightDetail

_HEADINGS = (
    *("program", "camera", "type", "here", "pending", "failing", "missing", "not kept"),
    *("withdrawn", "last change"),
)


def show_night(console: Console, detail: NightDetail) -> None:
    """Print how a night stands; times are UTC."""
    if not detail.kinds:
        print_sentence(console, f"Nothing is listed of {detail.night}.")
        return
    console.print(Table([_HEADINGS, *map(_cells, detail.kinds)]), crop=False)
    since = {settled.program: settled.settled_at for settled in detail.settled}
    for program in sorted({kind.program for kind in detail.kinds}):
        at = since.get(program)
        said = f"settled since {at:%Y-%m-%d %H:%M} UTC" if at else "not settled"
        print_sentence(console, f"{program}: {said}.")


def _cells(kind: KindOfNight) -> list[str]:
    count, numbers = kind.count, Numbers.of([kind.count])
    here, listed = numbers.here, numbers.listed
    others = (numbers.pending, kind.failing, numbers.missing, numbers.not_kept, count.withdrawn)
    return [
        kind.program,
        count.instrument.value,
        count.image_type.value,
        str(here) if here == listed else f"{here}/{listed}",
        *(str(number or "-") for number in others),
        f"{kind.changed_at:%Y-%m-%d %H:%M}" if kind.changed_at else "-",
    ]
