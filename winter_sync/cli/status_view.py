"""The status as a person reads it: first whether the last night is here, then what is not."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from rich.text import Text

from winter_sync.cli.night_table import Overview
from winter_sync.core import (
    Damage,
    ImageType,
    Instrument,
    State,
    escape_unprintable,
    show_duration,
    show_instant,
    show_size,
)
from winter_sync.monitoring import (
    Numbers,
    Reach,
    all_here,
    by_program,
    end_of,
    failing,
    headline,
    never_answered,
    remainder,
    when,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from rich.console import Console

    from winter_sync.catalog import Damaged, NightCount, PollState, Trouble
    from winter_sync.core import Night
    from winter_sync.monitoring import Status

T = TypeVar("T")

_REASONS_SHOWN = 5
_PRODUCTS_NAMED = 3
_FILES_NAMED = 5
_NIGHTS_SHOWN = 14
_CAMERAS = list(Instrument)
_TYPES = list(ImageType)
_HEADINGS = ("here", "pending", "damaged", "missing", "not kept", "withdrawn", "size")
_ALWAYS_SHOWN = ("here", "size")
_INDENT = "  "
_MINUTE = timedelta(minutes=1)


def show(console: Console, status: Status) -> None:
    """Print a status for a person: first, in a line, whether the last night is here."""
    _show_last_night(console, status)
    _show_tonight(console, status)
    _show_reach(console, status)
    _show_nights(console, status)
    _show_programs(console, status)
    _show_troubles(console, status)
    _show_damaged(console, status.damaged)


def _show_damaged(console: Console, damaged: Sequence[Damaged]) -> None:
    """Name files that are missing here or changed, and say what to do."""
    for kind, what in ((Damage.MISSING, "Deleted here"), (Damage.CHANGED, "Changed here")):
        these = [one for one in damaged if one.damage is kind]
        if these:
            _say(console, f"{what} after the download: {len(these)}", "red")
        for one in these[:_FILES_NAMED]:
            console.print(Text(f"{_INDENT}{one.path}"), soft_wrap=True)
    if damaged:
        _say(console, "Run `winter-sync verify --repair` to download them again.")


def _say(console: Console, text: str, style: str = "") -> None:
    """Print a sentence, broken between words where the terminal is too narrow for it."""
    lines = textwrap.wrap(
        escape_unprintable(text),
        max(console.width, 20),
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        console.print(Text(line, style=style))


# --- nights --------------------------------------------------------------------------------------


def _show_last_night(console: Console, status: Status) -> None:
    last, latest = status.last, status.latest_with_data
    parts = [
        headline(last.numbers, may_say_all=last.is_all_here),
        *remainder(last.numbers, status.queue_of_last_night, status.now),
    ]
    said = f"Last night ({last.night}): {', '.join(parts)}"
    if not last.numbers.listed and latest is not None and latest != last.night:
        said += f"; latest with data {latest}"
    _say(console, f"{said}.", "bold")
    if last.is_all_here and not last.is_listed_since:
        ended = show_instant(end_of(last.night), status.now)
        _say(console, f"It was not listed again since that night ended ({ended}): more may come.")


def _show_tonight(console: Console, status: Status) -> None:
    if (night := status.tonight) is None:
        return
    numbers = status.numbers_of(night)
    parts = [headline(numbers, may_say_all=False), *remainder(numbers, None, status.now)]
    _say(console, f"Tonight ({night}) so far: {', '.join(parts)}.")


def _show_nights(console: Console, status: Status) -> None:
    nights = status.nights
    if not nights:
        return
    detailed = status.last_night if status.last_night in nights else status.latest_with_data
    others = [night for night in nights if night != detailed]
    shown = others[:_NIGHTS_SHOWN]
    if detailed is not None and detailed != status.last_night:
        numbers = status.numbers_of(detailed)
        may = all_here(numbers, status.states)
        parts = [headline(numbers, may_say_all=may), *remainder(numbers, None, status.now)]
        _say(console, f"Night {detailed}: {', '.join(parts)}.")
    tabled = {night: nights[night] for night in nights if night == detailed or night in shown}
    console.print(_nights_table(detailed, tabled, console.width), crop=False)
    if older := others[_NIGHTS_SHOWN:]:
        rest = [Numbers.of(nights[night]) for night in older]
        lacking = sum(one.here < one.listed for one in rest)
        told = f"of {lacking} not all listed is here" if lacking else "all listed of them is here"
        size = show_size(sum(one.size for one in rest))
        _say(console, f"And {len(older)} older nights, {size}: {told}.")
    if len(nights) == 1:
        return
    parts = [
        headline(status.numbers, may_say_all=all_here(status.numbers, status.states)),
        *remainder(status.numbers, status.queue, status.now),
    ]
    _say(console, f"All {len(nights)} nights: {', '.join(parts)}.")


def _nights_table(
    detailed: Night | None, nights: dict[Night, tuple[NightCount, ...]], width: int
) -> Overview:
    """Make a table: a line for each camera and type of one night, and one for each other night."""
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
) -> Overview:
    rows = [[str(detailed or "night"), *columns]]
    if detailed is not None:
        rows += rows_of(nights[detailed], columns)
    headings = {0}
    others = [night for night in nights if night != detailed]
    if others and detailed is not None:
        headings.add(len(rows))
        rows.append(["others", *[""] * len(columns)])
    rows += [[night.name, *_cells(nights[night], columns)] for night in others]
    return Overview(rows, frozenset(headings))


def _type_rows(counts: Sequence[NightCount], columns: Sequence[str]) -> list[list[str]]:
    """Make a line for each camera and type; the camera stands in its first."""
    rows, above = [], None
    for count in sorted(counts, key=_place):
        camera = "" if count.instrument is above else count.instrument.value
        rows.append([f"{camera:6} {count.image_type}", *_cells([count], columns)])
        above = count.instrument
    return rows


def _narrow_type_rows(counts: Sequence[NightCount], columns: Sequence[str]) -> list[list[str]]:
    """Make the same, with each camera on a line of its own."""
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
    """Write a number as it stands in the table; a dash for none."""
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


# --- programs and polls --------------------------------------------------------------------------


def _show_reach(console: Console, status: Status) -> None:
    """Say when the archive last answered, what fails, and what was never asked."""
    reach = Reach.of(status.states)
    now = status.now
    if reach.last_answer is None:
        _say(console, "The archive has not answered yet: no listing was ever read.")
    else:
        _say(console, f"The archive last answered {_full(reach.last_answer)}{_ago(reach, now)}.")
    if reach.failing_since is not None:
        since = _full(reach.failing_since)
        _say(console, f"Every poll has failed since {since}: {reach.error}", "red")
    else:
        _show_failing(console, status.states)
    for program, states in by_program(never_answered(status.states)).items():
        _say(console, f"Never polled yet: {program} {_kinds(states)}.", "red")
    if unusable := max((one.unusable for one in status.states), default=0):
        _say(console, f"At least {unusable} rows of the last listings made no sense: see the log.")


def _full(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _ago(reach: Reach, now: datetime) -> str:
    minutes = (now - reach.last_answer) // _MINUTE if reach.last_answer else 0
    if minutes < 1:
        return ""
    return f" ({show_duration(minutes * 60).removesuffix(' 0 s')} ago)"


def _show_failing(console: Console, states: Sequence[PollState]) -> None:
    """Say which polls fail, since when and why; alike ones of a program together."""
    for program, failed in by_program(failing(states)).items():
        for error, alike in _grouped(failed, lambda one: one.error).items():
            since = min(one.failing_since for one in alike if one.failing_since is not None)
            what = f"Polls of {program} {_kinds(alike)} have failed since {_full(since)}"
            _say(console, f"{what}: {error}", "red")


def _kinds(states: Sequence[PollState]) -> str:
    """Name the camera and type of a poll, and count the others."""
    kinds = list(dict.fromkeys((one.subject.instrument, one.subject.image_type) for one in states))
    first = " ".join(kinds[0])
    return f"{first} and {len(kinds) - 1} more" if len(kinds) > 1 else first


def _show_programs(console: Console, status: Status) -> None:
    """Show a line for each program, where there are several."""
    if len(status.programs) < 2:  # noqa: PLR2004 - one is all
        return
    states = by_program(status.states)
    nights = {one.program: one for one in status.programs_of_last_night}
    rows = [["program", "last night", "all nights", "pending", "missing", "last answer"]]
    for one in status.programs:
        reach = Reach.of(states.get(str(one.program), []))
        numbers = Numbers.of_program(nights[one.program]), Numbers.of_program(one)
        rows.append([str(one.program), *_program_cells(*numbers, reach, status.now)])
    together = status.last.numbers, status.numbers
    rows.append(["together", *_program_cells(*together, Reach.of(status.states), status.now)])
    console.print(Overview(rows), crop=False)


def _program_cells(night: Numbers, every: Numbers, reach: Reach, now: datetime) -> list[str]:
    return [
        *(f"{one.here}/{one.listed}" if one.listed else "-" for one in (night, every)),
        *(str(number or "-") for number in (every.pending, every.missing)),
        _answered(reach, now),
    ]


def _answered(reach: Reach, now: datetime) -> str:
    """Write when a program last answered, in eleven columns, UTC."""
    at = reach.last_answer
    if at is None:
        return "never"
    return f"{at:%m-%d %H:%M}" if at.year == now.year else f"{at:%Y-%m-%d}"


# --- troubles ------------------------------------------------------------------------------------


def _show_troubles(console: Console, status: Status) -> None:
    """Show what could not be downloaded yet, by reason; products are named where they are few."""
    missing = [one for one in status.troubles if _is_missing(one)]
    if count := status.numbers.missing:
        asked = when(status.queue.asked_at, status.now)
        _say(console, f"Missing on the server, retried periodically (next {asked}): {count}")
        _name_products(console, missing)
    failed = _grouped(
        (one for one in status.troubles if one.state is not State.MISSING),
        lambda one: one.last_error,
    )
    commonest = sorted(failed, key=lambda reason: len(failed[reason]), reverse=True)
    for reason in commonest[:_REASONS_SHOWN]:
        soonest = when(min(one.not_before for one in failed[reason]), status.now)
        _say(console, f"Failed, next retried {soonest}: {len(failed[reason])}")
        _say(console, f"{_INDENT}{reason}", "red")
        _name_products(console, failed[reason])
    if rarer := commonest[_REASONS_SHOWN:]:
        count = sum(len(failed[reason]) for reason in rarer)
        _say(console, f"Failed for {len(rarer)} other reasons: {count}")


def _is_missing(trouble: Trouble) -> bool:
    return trouble.state is State.MISSING and trouble.product.image_type.traits.is_kept


def _name_products(console: Console, troubles: Sequence[Trouble]) -> None:
    if len(troubles) <= _PRODUCTS_NAMED:
        for trouble in troubles:
            name = (
                f"{_INDENT}{trouble.product.night} {escape_unprintable(trouble.product.filename)}"
            )
            console.print(Text(name), soft_wrap=True)


def _grouped(things: Iterable[T], reason: Callable[[T], str | None]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for thing in things:
        if why := reason(thing):
            groups[why].append(thing)
    return groups
