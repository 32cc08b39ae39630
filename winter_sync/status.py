"""What a mirror has and lacks, for a glance and for a machine."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from rich.table import Table
from rich.text import Text

from winter_sync.catalog import Catalog, CatalogThread
from winter_sync.models import ImageType, Instrument, State
from winter_sync.units import show_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console

    from winter_sync.models import Night
    from winter_sync.records import LastPoll, NightCount, Scope, Trouble

T = TypeVar("T")

_TROUBLES_READ = 10_000
_REASONS_SHOWN = 5
_PRODUCTS_NAMED = 3
_NIGHTS_SHOWN = 14
_COUNTED = ("published", "wanted", "missing", "withdrawn")
_HEADINGS = ("here", "to come", "missing", "withdrawn", "size")
_CAMERAS = list(Instrument)
_TYPES = list(ImageType)


@dataclass(frozen=True, slots=True)
class Status:
    """A look at the catalog: counts by night, what is in trouble, when was last polled."""

    counts: tuple[NightCount, ...]
    """The newest night first."""
    troubles: tuple[Trouble, ...]
    polls: tuple[LastPoll, ...]

    @property
    def last_night(self) -> Night | None:
        """The newest night of which anything is listed."""
        return self.counts[0].night if self.counts else None

    @property
    def nights(self) -> dict[Night, tuple[NightCount, ...]]:
        """The counts by night, in order."""
        nights: dict[Night, tuple[NightCount, ...]] = {}
        for count in self.counts:
            nights[count.night] = (*nights.get(count.night, ()), count)
        return nights

    def of_night(self, night: Night | None) -> tuple[NightCount, ...]:
        """Give the counts of one night."""
        return tuple(count for count in self.counts if count.night == night)


@dataclass(frozen=True, slots=True)
class Total:
    """Counts summed up: products by state, and the bytes in the tree."""

    published: int
    wanted: int
    missing: int
    withdrawn: int
    size: int

    @classmethod
    def of(cls, counts: Iterable[NightCount]) -> Total:
        """Sum counts up."""
        counts = tuple(counts)
        names = (*_COUNTED, "size")
        return cls(**{name: sum(getattr(one, name) for one in counts) for name in names})

    @property
    def cells(self) -> tuple[str, ...]:
        """The numbers as they stand in a table; a dash for none."""
        return (*(str(getattr(self, name) or "-") for name in _COUNTED), show_size(self.size))

    @property
    def record(self) -> dict[str, int]:
        """The numbers by their names."""
        return {name: getattr(self, name) for name in (*_COUNTED, "size")}


async def look(catalog: CatalogThread, scope: Scope) -> Status:
    """Read the status of a scope from the catalog."""
    polls = await catalog(Catalog.last_polls)
    return Status(
        counts=tuple(await catalog(Catalog.night_counts, scope)),
        troubles=tuple(await catalog(Catalog.troubles, scope, _TROUBLES_READ)),
        polls=tuple(poll for poll in polls if poll.program in scope.programs),
    )


def verdict(counts: Iterable[NightCount]) -> str:
    """Say in one line whether what is listed is here."""
    counts = tuple(counts)
    if not counts:
        return "nothing is listed yet"
    total = Total.of(counts)
    said = f"{total.wanted} to come" if total.wanted else "complete"
    said += f", {total.published} here ({show_size(total.size)})"
    return f"{said}, {total.missing} missing on the server" if total.missing else said


# --- for a person --------------------------------------------------------------------------------


def show(console: Console, status: Status) -> None:
    """Print a status for a person: first, in a line, whether the last night is here."""
    if status.last_night is None:
        console.print("Nothing is listed yet.")
    else:
        _show_nights(console, status)
    _show_polls(console, status.polls)
    _show_troubles(console, status)


def _show_nights(console: Console, status: Status) -> None:
    nights = status.nights
    latest, *earlier = nights
    console.print(Text(f"Night {latest}: {verdict(nights[latest])}.", style="bold"))
    console.print(night_table(nights[latest]))
    if not earlier:
        return
    console.print(nights_table({night: nights[night] for night in earlier[:_NIGHTS_SHOWN]}))
    if older := earlier[_NIGHTS_SHOWN:]:
        rest = Total.of(count for night in older for count in nights[night])
        lacking = sum(Total.of(nights[night]).wanted > 0 for night in older)
        told = f"{lacking} of them incomplete" if lacking else "all complete"
        console.print(f"And {len(older)} older nights, {show_size(rest.size)}, {told}.")
    console.print(Text(f"All {len(nights)} nights: {verdict(status.counts)}."))


def night_table(counts: Sequence[NightCount]) -> Table:
    """Make a table of one night: a line for each camera and type."""
    table = _table("camera", "type")
    above = None
    for count in sorted(counts, key=_place):
        camera = "" if count.instrument is above else count.instrument.value
        table.add_row(camera, count.image_type.value, *Total.of([count]).cells)
        above = count.instrument
    return table


def nights_table(nights: dict[Night, tuple[NightCount, ...]]) -> Table:
    """Make a table of several nights: a line for each."""
    # As wide as a camera and a type, so that the numbers stand below those of the other table.
    table = _table("earlier night".ljust(len("camera  exposure")))
    for night, counts in nights.items():
        table.add_row(night.name, *Total.of(counts).cells)
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", min_width=len("withdrawn"))
    return table


def _place(count: NightCount) -> tuple[int, int]:
    return _CAMERAS.index(count.instrument), _TYPES.index(count.image_type)


def _show_polls(console: Console, polls: Sequence[LastPoll]) -> None:
    if polls:
        console.print(f"Last poll: {_minute(max(poll.at for poll in polls))}.")
    failed = _grouped(polls, lambda poll: poll.error)
    for error, alike in failed.items():
        first = f"{alike[0].program} {alike[0].instrument} {alike[0].image_type}"
        others = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        console.print(Text(f"The last poll of {first}{others} failed: {error}", style="red"))


def _show_troubles(console: Console, status: Status) -> None:
    """Show what could not be had yet, by reason; products are named where they are few."""
    missing = [one for one in status.troubles if one.state is State.MISSING]
    if missing:
        count = Total.of(status.counts).missing
        console.print(f"Missing on the server, asked for again now and then: {count}")
        _name_products(console, missing)
    failed = _grouped(
        (one for one in status.troubles if one.state is not State.MISSING),
        lambda one: one.last_error,
    )
    commonest = sorted(failed, key=lambda reason: len(failed[reason]), reverse=True)
    for reason in commonest[:_REASONS_SHOWN]:
        soonest = min(one.not_before for one in failed[reason])
        console.print(Text(f"Failed, tried again from {_minute(soonest)}: {len(failed[reason])}"))
        console.print(Text(f"  {reason}", style="red"))
        _name_products(console, failed[reason])
    if rarer := commonest[_REASONS_SHOWN:]:
        count = sum(len(failed[reason]) for reason in rarer)
        console.print(f"Failed for {len(rarer)} other reasons: {count}")


def _name_products(console: Console, troubles: Sequence[Trouble]) -> None:
    if len(troubles) <= _PRODUCTS_NAMED:
        for trouble in troubles:
            console.print(Text(f"  {trouble.product.night} {trouble.product.filename}"))


def _grouped(things: Iterable[T], reason: Callable[[T], str | None]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for thing in things:
        if why := reason(thing):
            groups[why].append(thing)
    return groups


def _minute(at: str) -> str:
    """Write a time of the catalog to the minute."""
    return f"{at[:10]} {at[11:16]} UTC" if at else "now on"


# --- for a machine -------------------------------------------------------------------------------


def as_json(status: Status) -> str:
    """Write a status for a machine. These keys stay; more may come.

    - `last_night`: eight digits, or null while nothing is listed.
    - `last_night_complete`: whether all that is listed of it, and is not missing, is here.
    - `totals`: `published`, `wanted`, `missing`, `withdrawn` (products) and `size` (bytes).
    - `nights`: a list of `night`, `instrument`, `image_type` and the keys of `totals`, the newest
      night first.
    - `troubles`: what could not be had yet, at most 10 000, the newest night first: `instrument`,
      `savepath`, `night`, `state` (`wanted` or `missing`), `attempts`, `not_before` (ISO 8601,
      UTC, or null for at once), `last_error` (or null).
    - `polls`: the latest of each selection: `program`, `instrument`, `image_type`, `at` (ISO 8601,
      UTC), `listed`, `error` (or null).
    """
    night = status.last_night
    return json.dumps(
        {
            "last_night": night.name if night else None,
            "last_night_complete": bool(night) and not Total.of(status.of_night(night)).wanted,
            "totals": Total.of(status.counts).record,
            "nights": [_count_record(count) for count in status.counts],
            "troubles": [_trouble_record(trouble) for trouble in status.troubles],
            "polls": [_poll_record(poll) for poll in status.polls],
        },
        indent=2,
    )


def _count_record(count: NightCount) -> dict[str, Any]:
    return {
        "night": count.night.name,
        "instrument": count.instrument.value,
        "image_type": count.image_type.value,
        **Total.of([count]).record,
    }


def _trouble_record(trouble: Trouble) -> dict[str, Any]:
    return {
        "instrument": trouble.product.instrument.value,
        "savepath": trouble.product.savepath,
        "night": trouble.product.night.name,
        "state": trouble.state.value,
        "attempts": trouble.attempts,
        "not_before": trouble.not_before or None,
        "last_error": trouble.last_error,
    }


def _poll_record(poll: LastPoll) -> dict[str, Any]:
    return {
        "program": poll.program,
        "instrument": poll.instrument.value,
        "image_type": poll.image_type.value,
        "at": poll.at,
        "listed": poll.listed,
        "error": poll.error,
    }
