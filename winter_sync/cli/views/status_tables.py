"""The tables of a status: the nights, and the programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.cli.views.table import Table
from winter_sync.core import ImageType, Instrument, Numbers, show_size
from winter_sync.monitoring import ArchiveState, by_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from winter_sync.catalog import NightCount
    from winter_sync.core import Night
    from winter_sync.monitoring import Status

_CAMERAS = list(Instrument)
_TYPES = list(ImageType)
_HEADINGS = ("here", "pending", "damaged", "missing", "not kept", "withdrawn", "size")
_ALWAYS_SHOWN = ("here", "size")


def nights_table(
    detailed: Night | None, nights: dict[Night, tuple[NightCount, ...]], width: int
) -> Table:
    """Return a table: a line for each camera and type of one night, one for each other night."""
    counts = [count for night in nights.values() for count in night]
    columns = [name for name in _HEADINGS if name in _ALWAYS_SHOWN or _has(counts, name)]
    roomy = _table(detailed, nights, columns, _type_rows)
    if roomy.narrowest <= width:
        return roomy
    return _table(detailed, nights, columns, _narrow_type_rows)


def _table(
    detailed: Night | None,
    nights: dict[Night, tuple[NightCount, ...]],
    columns: Sequence[str],
    rows_of: Callable[[Sequence[NightCount], Sequence[str]], list[list[str]]],
) -> Table:
    rows = [[str(detailed or "night"), *columns]]
    if detailed is not None:
        rows += rows_of(nights[detailed], columns)
    headings = {0}
    others = [night for night in nights if night != detailed]
    if others and detailed is not None:
        headings.add(len(rows))
        rows.append(["others", *[""] * len(columns)])
    rows += [[night.name, *_cells(nights[night], columns)] for night in others]
    return Table(rows, frozenset(headings))


def _type_rows(counts: Sequence[NightCount], columns: Sequence[str]) -> list[list[str]]:
    """Return a line for each camera and type; the camera is named in its first line."""
    rows, above = [], None
    for count in sorted(counts, key=_place):
        camera = "" if count.instrument is above else count.instrument.value
        rows.append([f"{camera:6} {count.image_type}", *_cells([count], columns)])
        above = count.instrument
    return rows


def _narrow_type_rows(counts: Sequence[NightCount], columns: Sequence[str]) -> list[list[str]]:
    """Return the same, with each camera on a line of its own."""
    rows: list[list[str]] = []
    above = None
    for count in sorted(counts, key=_place):
        if count.instrument is not above:
            rows.append([count.instrument.value, *[""] * len(columns)])
        rows.append([f" {count.image_type}", *_cells([count], columns)])
        above = count.instrument
    return rows


def _has(counts: Iterable[NightCount], column: str) -> bool:
    return any(_cell([count], column) != "-" for count in counts)


def _cells(counts: Sequence[NightCount], columns: Iterable[str]) -> list[str]:
    return [_cell(counts, column) for column in columns]


def _cell(counts: Sequence[NightCount], column: str) -> str:
    """Return a number as the table shows it; a dash for none."""
    numbers = Numbers.of(counts)
    match column:
        case "size":
            return show_size(numbers.size)
        case "withdrawn":
            return str(sum(count.withdrawn for count in counts) or "-")
        case _:
            return str(getattr(numbers, column.replace(" ", "_")) or "-")


def _place(count: NightCount) -> tuple[int, int]:
    return _CAMERAS.index(count.instrument), _TYPES.index(count.image_type)


def programs_table(status: Status) -> Table:
    """Return a table with a line for each program, and one for all of them together."""
    states = by_program(status.states)
    nights = {program.program: program for program in status.programs_of_last_night}
    rows = [["program", "last night", "all nights", "pending", "missing", "last answer"]]
    for program in status.programs:
        name = str(program.program)
        reach = ArchiveState.of(states.get(name, []))
        numbers = Numbers.of_program(nights[program.program]), Numbers.of_program(program)
        rows.append([name, *_program_cells(*numbers, reach, status.now)])
    together = status.last.numbers, status.numbers
    rows.append(
        ["together", *_program_cells(*together, ArchiveState.of(status.states), status.now)]
    )
    return Table(rows)


def adds_up_to_more(status: Status) -> bool:
    """Return whether several programs list the same product."""
    return sum(program.listed for program in status.programs) > (
        status.numbers.listed + status.numbers.not_kept
    )


def _program_cells(night: Numbers, every: Numbers, reach: ArchiveState, now: datetime) -> list[str]:
    return [
        *(f"{span.here}/{span.listed}" if span.listed else "-" for span in (night, every)),
        *(str(number or "-") for number in (every.pending, every.missing)),
        _answered(reach, now),
    ]


def _answered(reach: ArchiveState, now: datetime) -> str:
    """Return when the archive last answered for a program, in eleven columns, UTC."""
    at = reach.last_answer
    if at is None:
        return "never"
    return f"{at:%m-%d %H:%M}" if at.year == now.year else f"{at:%Y-%m-%d}"
