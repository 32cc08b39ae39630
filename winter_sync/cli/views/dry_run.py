"""What a backfill would download, as a table and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.cli.views.night_table import MOST_NIGHTS
from winter_sync.cli.views.sentences import ABOUT_SHARED
from winter_sync.cli.views.table import Table
from winter_sync.core import FETCH_ORDER, Instrument, show_size
from winter_sync.sync import Expected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.sync import DryRun, Group

_CAMERAS = list(Instrument)


def dry_run_table(found: DryRun) -> Table:
    """Return a line for each program, night or month, camera and type, and one for all together."""
    by_month = len({group.night for group in found.groups}) > MOST_NIGHTS
    lines: dict[tuple[str, ...], Expected] = {}
    for group in sorted(found.groups, key=_place):
        key = _key(group, by_month=by_month)
        lines[key] = lines.get(key, Expected()) + found.groups[group]
    headings = ["program", "month" if by_month else "night", "camera", "type"]
    rows = [[*headings, "listed", "here", "to fetch", "about"]]
    rows += [[*key, *_cells(expected)] for key, expected in lines.items()]
    rows.append(["together", "", "", "", *_cells(found.together)])
    return Table(rows)


def _key(group: Group, *, by_month: bool) -> tuple[str, ...]:
    name = group.night.name
    night = f"{name[:4]}-{name[4:6]}" if by_month else name
    return group.program, night, group.instrument.value, group.image_type.value


def _place(group: Group) -> tuple[str, str, int, int]:
    kind = FETCH_ORDER.index(group.image_type)
    return group.program, group.night.name, _CAMERAS.index(group.instrument), kind


def _cells(expected: Expected) -> list[str]:
    numbers = (expected.listed, expected.here, expected.to_fetch)
    return [*(str(number or "-") for number in numbers), show_size(expected.size)]


def dry_run_lines(found: DryRun, *, recheck: bool) -> Iterator[str]:
    """Yield what is said below the table, a sentence each."""
    together = found.together
    if sum(expected.listed for expected in found.groups.values()) > together.listed:
        yield ABOUT_SHARED
    least = "At least " if found.cut or found.failed else ""
    most = "At most " if recheck and not least else ""
    fetched = f"{least or most}{together.to_fetch} of {together.listed} products would be fetched"
    yield f"{fetched}, about {show_size(together.size)} by the usual sizes of their types."
    if together.missing:
        yield (
            f"{together.missing} of these the server did not have when it was last asked; they "
            "are asked for again, and not in that size."
        )
    if recheck:
        yield "With --recheck, what the archive sent within a day is not fetched again."
    if found.cut:
        yield (
            f"The archive found {sum(found.cut.values())} more images of these dates than it "
            "listed: they are not counted."
        )
    if found.failed:
        number = len(found.failed)
        queries = "1 query was" if number == 1 else f"{number} queries were"
        yield f"{queries} not answered: what they are about is not counted."
    yield "Nothing was downloaded. Without --dry-run it is."
