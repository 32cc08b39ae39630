"""What a mirror has and lacks, for a glance and for a machine."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from winter_sync.catalog import Catalog, CatalogThread, LastPoll, NightCount, Scope, Trouble
from winter_sync.models import State
from winter_sync.units import show_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from winter_sync.models import Night

_TROUBLES_SHOWN = 20
_NIGHTS_SHOWN = 14


@dataclass(frozen=True, slots=True)
class Status:
    """A look at the catalog: counts by night, what is in trouble, when was last polled."""

    counts: tuple[NightCount, ...]
    troubles: tuple[Trouble, ...]
    polls: tuple[LastPoll, ...]

    @property
    def last_night(self) -> Night | None:
        """The newest night of which anything is listed."""
        return self.counts[0].night if self.counts else None

    def of_night(self, night: Night | None) -> tuple[NightCount, ...]:
        """Give the counts of one night."""
        return tuple(count for count in self.counts if count.night == night)


async def look(catalog: CatalogThread, scope: Scope) -> Status:
    """Read the status of a scope from the catalog."""
    return Status(
        counts=tuple(await catalog(Catalog.night_counts, scope)),
        troubles=tuple(await catalog(Catalog.troubles, scope, _TROUBLES_SHOWN)),
        polls=tuple(await catalog(Catalog.last_polls)),
    )


def verdict(counts: Iterable[NightCount]) -> str:
    """Say in one line whether what is listed is here."""
    counts = tuple(counts)
    if not counts:
        return "nothing is listed yet"
    here, size = sum(one.published for one in counts), sum(one.size for one in counts)
    wanted, missing = sum(one.wanted for one in counts), sum(one.missing for one in counts)
    text = f"{here} products, {show_size(size)}"
    text = f"{wanted} still to come, {text} here" if wanted else f"complete, {text}"
    return f"{text}; {missing} listed but missing on the server" if missing else text


def show(console: Console, status: Status) -> None:
    """Print a status for a person."""
    night = status.last_night
    if night is None:
        console.print("Nothing is listed yet.")
    else:
        console.print(Text(f"Last night {night}: {verdict(status.of_night(night))}", style="bold"))
        console.print(night_table(status.counts))
    if status.polls:
        latest = max(status.polls, key=lambda poll: poll.at)
        console.print(f"Last poll {latest.at} ({latest.program} {latest.image_type}).")
    for poll in status.polls:
        if poll.error:
            where = f"{poll.program} {poll.instrument} {poll.image_type}"
            console.print(Text(f"The last poll of {where} failed: {poll.error}", style="red"))
    _show_troubles(console, status.troubles)


def night_table(counts: Iterable[NightCount]) -> Table:
    """Make a table of the newest nights: one line an instrument and type."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("night", "instrument", "type"):
        table.add_column(name)
    for name in ("here", "to come", "missing", "withdrawn", "size"):
        table.add_column(name, justify="right")
    nights: dict[Night, list[NightCount]] = defaultdict(list)
    for count in counts:
        nights[count.night].append(count)
    for night in list(nights)[:_NIGHTS_SHOWN]:
        for count in nights[night]:
            table.add_row(*_cells(count))
    return table


def _cells(count: NightCount) -> tuple[str, ...]:
    return (
        count.night.name,
        count.instrument.value,
        count.image_type.value,
        *(
            str(number or "-")
            for number in (count.published, count.wanted, count.missing, count.withdrawn)
        ),
        show_size(count.size),
    )


def _show_troubles(console: Console, troubles: tuple[Trouble, ...]) -> None:
    if not troubles:
        return
    console.print("In trouble:", style="bold")
    for trouble in troubles:
        why = trouble.last_error or "missing on the server"
        console.print(
            Text(f"  {trouble.product.savepath}: {why} (tried {trouble.attempts}x, ")
            + Text(f"again after {trouble.not_before})")
        )


def as_json(status: Status) -> str:
    """Write a status for a machine; every count as `status` shows it."""
    night = status.last_night
    return json.dumps(
        {
            "last_night": night.name if night else None,
            "last_night_complete": bool(night)
            and not any(count.wanted for count in status.of_night(night)),
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
        "published": count.published,
        "wanted": count.wanted,
        "missing": count.missing,
        "withdrawn": count.withdrawn,
        "size": count.size,
    }


def _trouble_record(trouble: Trouble) -> dict[str, Any]:
    return {
        "instrument": trouble.product.instrument.value,
        "savepath": trouble.product.savepath,
        "night": trouble.product.night.name,
        "state": State(trouble.state).value,
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
