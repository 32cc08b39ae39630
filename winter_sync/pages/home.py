"""The first page: is the archive answering, what of the last nights is here, what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from winter_sync.catalog import Scope
from winter_sync.core import Numbers, WinterSyncError, end_of, free_space, show_instant
from winter_sync.monitoring import NightState, read_sinks, state_of_last_night
from winter_sync.pages.calendar import make_calendars
from winter_sync.pages.problems import MOST_READ, Condition, find_problems
from winter_sync.pages.words import said_of_archive, said_of_last_polls, said_of_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.catalog import Catalog, FoundProduct, NightCount
    from winter_sync.core import Night
    from winter_sync.pages.calendar import Calendar
    from winter_sync.pages.context import PageContext
    from winter_sync.pages.problems import Problem
    from winter_sync.pages.transfers import Transfer

_NIGHTS = 21
_ARRIVALS = 12


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the root: bytes free, and how many stay free; None where unknown."""

    free: int
    min_free: int | None


@dataclass(frozen=True, slots=True)
class HomePage:
    """What the first page shows.

    Parameters
    ----------
    now
        When it was read.
    archive
        Whether the archive answers, as the end of a sentence that begins with it.
    night
        The last night, by the calendar.
    last_night
        How much of it is here.
    tonight
        How much of the night after it is here; empty if nothing is listed of that yet.
    latest
        The newest night that has products, where the last night has none; None otherwise.
    is_listed
        Whether anything of it is.
    is_all_here
        Whether it may be said that all that is listed of it is here.
    note
        What must be said with it; empty for nothing.
    calendars
        The last nights that have products, by camera.
    transfers
        The downloads that are under way; None where no daemon says so.
    arrivals
        What was downloaded last.
    problems
        What is wrong, and what to do.
    disk
        The disk; None if it cannot be read.
    """

    now: datetime
    archive: str
    night: Night
    last_night: str
    tonight: str
    latest: Night | None
    is_listed: bool
    is_all_here: bool
    note: str
    calendars: tuple[Calendar, ...]
    transfers: tuple[Transfer, ...] | None
    arrivals: Sequence[FoundProduct]
    problems: tuple[Problem, ...]
    disk: Disk | None


def read_home(catalog: Catalog, context: PageContext, now: datetime) -> HomePage:
    """Read what the first page shows, at one moment.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    programs = context.programs(catalog)
    disk = _disk(context)
    with catalog.snapshot():
        last = state_of_last_night(catalog, programs, context.subjects, now)
        nights = catalog.views.nights(_NIGHTS)
        counts = read_counts(catalog, programs, nights)
        condition = _condition(catalog, context, last, disk, now)
        missing = Numbers.of(counts).missing
        return HomePage(
            now=now,
            archive=_archive(catalog, context, last, now),
            night=last.night,
            last_night=_last_night(catalog, programs, last, now),
            tonight=_tonight(last.night.plus(1), counts, now),
            latest=None if last.numbers.listed else next(iter(catalog.views.nights(1)), None),
            is_listed=last.numbers.listed + last.numbers.not_kept > 0,
            is_all_here=last.is_all_here,
            note=_note(last, now),
            calendars=make_calendars(nights, counts),
            transfers=context.transfers if context.has_daemon else None,
            arrivals=catalog.searches.latest(_ARRIVALS),
            problems=find_problems(replace(condition, missing=missing)),
            disk=disk,
        )


def read_calendars(
    catalog: Catalog, programs: Sequence[str], nights: Sequence[Night]
) -> tuple[Calendar, ...]:
    """Read what of these nights is here, the newest of them first."""
    return make_calendars(nights, read_counts(catalog, programs, nights))


def read_counts(
    catalog: Catalog, programs: Sequence[str], nights: Sequence[Night]
) -> list[NightCount]:
    """Count the products of these nights, the newest of them first."""
    if not nights:
        return []
    scope = Scope(tuple(programs), first_night=nights[-1], last_night=nights[0])
    return catalog.views.night_counts(scope)


def _disk(context: PageContext) -> Disk | None:
    try:
        return Disk(free_space(context.root), context.min_free)
    except (OSError, WinterSyncError):
        return None


def _archive(catalog: Catalog, context: PageContext, last: NightState, now: datetime) -> str:
    if context.selections is not None:
        return said_of_archive(last.states, now)
    polls = catalog.polls.last()
    answered = [datetime.fromisoformat(poll.at) for poll in polls if poll.error is None]
    return said_of_last_polls(polls, max(answered, default=None))


def _last_night(catalog: Catalog, programs: Sequence[str], last: NightState, now: datetime) -> str:
    lacks = last.numbers.pending or last.numbers.missing
    queue = catalog.views.queue_count(programs, last.night) if lacks else None
    return said_of_numbers(last.numbers, queue, now, may_say_all=last.is_all_here)


def _tonight(night: Night, counts: Sequence[NightCount], now: datetime) -> str:
    numbers = Numbers.of(count for count in counts if count.night == night)
    return said_of_numbers(numbers, None, now, may_say_all=False) if numbers.listed else ""


def _note(last: NightState, now: datetime) -> str:
    if not last.is_all_here or last.is_listed_since:
        return ""
    ended = show_instant(end_of(last.night), now)
    return f"It was not listed again since that night ended ({ended}): more may come."


def _condition(
    catalog: Catalog, context: PageContext, last: NightState, disk: Disk | None, now: datetime
) -> Condition:
    programs = context.programs(catalog)
    scope = Scope(tuple(programs))
    held = catalog.withdrawals.held()
    return Condition(
        now=now,
        daemon=context.troubles,
        states=tuple(last.states),
        failed=tuple(catalog.views.failed(scope, MOST_READ)),
        damaged=tuple(catalog.files.damaged(scope, MOST_READ)),
        held=tuple(each for each in held if each.subject.program in programs),
        sinks=read_sinks(catalog, context.sinks),
        free=disk.free if disk else None,
        min_free=context.min_free,
    )
