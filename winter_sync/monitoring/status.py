"""What a mirror has and lacks: read from the catalog at one moment, and written for a machine."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from winter_sync.catalog import PollState, QueueCount, Scope
from winter_sync.core import Damage, State
from winter_sync.monitoring.completeness import (
    NightState,
    Numbers,
    Reach,
    by_program,
    last_night,
    never_answered,
    tonight,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from winter_sync.catalog import Catalog, CatalogThread, Damaged, LastPoll, NightCount, Trouble
    from winter_sync.core import ImageType, Instrument, Night, Product, Selection, Subject

_TROUBLES_READ = 10_000
_NOTHING = QueueCount(None)
_COUNTED = ("published", "wanted", "missing", "withdrawn", "size", "damaged")


@dataclass(frozen=True, slots=True)
class Status:
    """A look at the catalog at one moment.

    Parameters
    ----------
    now
        That moment.
    counts
        Products by night, camera and type, the newest night first.
    troubles
        Products that failed or are missing, the newest night first.
    polls
        The latest poll of each program, camera and type.
    states
        How the polls of everything that is mirrored went, as seen from the last night.
    queue, queue_of_last_night
        What is not here of all programs together.
    programs, programs_of_last_night
        The same by program.
    damaged
        Downloaded products whose files are missing here or changed, the newest night first.
    """

    now: datetime
    counts: tuple[NightCount, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    polls: tuple[LastPoll, ...] = ()
    states: tuple[PollState, ...] = ()
    queue: QueueCount = _NOTHING
    queue_of_last_night: QueueCount = _NOTHING
    programs: tuple[QueueCount, ...] = ()
    programs_of_last_night: tuple[QueueCount, ...] = ()
    damaged: tuple[Damaged, ...] = ()

    @property
    def last_night(self) -> Night:
        """The archive's own last night, by the calendar."""
        return last_night(self.now)

    @property
    def tonight(self) -> Night | None:
        """The night under way, or the coming one once something of it is listed; else None."""
        coming = last_night(self.now).plus(1)
        return coming if self.numbers_of(coming).listed else tonight(self.now)

    @property
    def latest_with_data(self) -> Night | None:
        """The newest night of which something is listed now."""
        nights = (night for night, counts in self.nights.items() if _is_listed(counts))
        return max(nights, default=None)

    @property
    def last(self) -> NightState:
        """How the last night stands."""
        return _night_state(
            self.last_night,
            self.numbers_of(self.last_night),
            self.states,
            self.programs_of_last_night,
        )

    @property
    def numbers(self) -> Numbers:
        """The numbers of all nights together."""
        return Numbers.of(self.counts)

    @property
    def nights(self) -> dict[Night, tuple[NightCount, ...]]:
        """The counts by night, in order."""
        nights: dict[Night, tuple[NightCount, ...]] = {}
        for count in self.counts:
            nights[count.night] = (*nights.get(count.night, ()), count)
        return nights

    def of_night(self, night: Night) -> tuple[NightCount, ...]:
        """Return the counts of one night."""
        return tuple(count for count in self.counts if count.night == night)

    def numbers_of(self, night: Night) -> Numbers:
        """Return the numbers of one night."""
        return Numbers.of(self.of_night(night))


def _is_listed(counts: Iterable[NightCount]) -> bool:
    numbers = Numbers.of(counts)
    return numbers.listed + numbers.not_kept > 0


def _night_state(
    night: Night, numbers: Numbers, states: Sequence[PollState], programs: Iterable[QueueCount]
) -> NightState:
    listing = frozenset(str(one.program) for one in programs if one.listed)
    return NightState(night, numbers, states, listing)


# --- reading -------------------------------------------------------------------------------------


async def read_status(
    catalog: CatalogThread, selections: Sequence[Selection], now: datetime
) -> Status:
    """Read how the selections stand.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    return await catalog(_look, selections, now)


async def read_last_night(
    catalog: CatalogThread, selections: Sequence[Selection], now: datetime
) -> NightState:
    """Read how the last night stands: cheap enough to be asked all the time.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    return await catalog(_look_at_last_night, selections, now)


def _look(catalog: Catalog, selections: Sequence[Selection], now: datetime) -> Status:
    programs, night = _programs(selections), last_night(now)
    scope = Scope(programs=programs)
    with catalog.snapshot():
        return Status(
            now=now,
            counts=tuple(catalog.views.night_counts(scope)),
            troubles=tuple(catalog.views.troubles(scope, _TROUBLES_READ)),
            polls=tuple(poll for poll in catalog.polls.last() if poll.program in programs),
            states=tuple(catalog.polls.states(_subjects(selections), night)),
            queue=catalog.views.queue_count(programs),
            queue_of_last_night=catalog.views.queue_count(programs, night),
            programs=tuple(catalog.views.program_counts(programs)),
            programs_of_last_night=tuple(catalog.views.program_counts(programs, night)),
            damaged=tuple(
                one
                for one in catalog.files.damaged(scope, _TROUBLES_READ)
                if one.state is State.PUBLISHED
            ),
        )


def _look_at_last_night(
    catalog: Catalog, selections: Sequence[Selection], now: datetime
) -> NightState:
    programs, night = _programs(selections), last_night(now)
    scope = Scope(programs=programs, first_night=night, last_night=night)
    with catalog.snapshot():
        return _night_state(
            night,
            Numbers.of(catalog.views.night_counts(scope)),
            catalog.polls.states(_subjects(selections), night),
            catalog.views.program_counts(programs, night),
        )


def with_damaged(status: Status, found: Iterable[Damaged]) -> Status:
    """Correct a status by what a look at files found that the catalog does not know yet."""
    known = {one.path for one in status.damaged}
    news = [one for one in found if one.path not in known]
    last = [one for one in news if one.product.night == status.last_night]
    return replace(
        status,
        counts=tuple(_count_without(count, news) for count in status.counts),
        programs=tuple(_queue_without(count, news) for count in status.programs),
        programs_of_last_night=tuple(
            _queue_without(count, last) for count in status.programs_of_last_night
        ),
        damaged=(*status.damaged, *news),
    )


def _count_without(count: NightCount, damaged: Iterable[Damaged]) -> NightCount:
    kind = (count.night, count.instrument, count.image_type)
    here = [one for one in damaged if _kind(one.product) == kind]
    withdrawn = [one for one in here if one.withdrawn]
    return replace(
        count,
        published=count.published - len(here),
        withdrawn_here=count.withdrawn_here - len(withdrawn),
        damaged=count.damaged + len(here) - len(withdrawn),
        size=count.size - _gone(here),
        withdrawn_size=count.withdrawn_size - _gone(withdrawn),
    )


def _kind(product: Product) -> tuple[Night, Instrument, ImageType]:
    return product.night, product.instrument, product.image_type


def _gone(damaged: Iterable[Damaged]) -> int:
    return sum(one.size for one in damaged if one.damage is Damage.MISSING)


def _queue_without(count: QueueCount, damaged: Iterable[Damaged]) -> QueueCount:
    more = sum(count.program in one.programs for one in damaged)
    return replace(count, damaged=count.damaged + more)


def _programs(selections: Iterable[Selection]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.program for one in selections))


def _subjects(selections: Iterable[Selection]) -> list[Subject]:
    return [subject for selection in selections for subject in selection.subjects]


# --- for a machine -------------------------------------------------------------------------------


def status_as_json(status: Status) -> str:
    """Write a status for a machine. These keys stay; more may come.

    Times are ISO 8601, UTC; a night is eight digits.

    - `as_of`: when this was read.
    - `last_night`: the archive's own last night, by the calendar: the newest that is over. A night
      is over at 16:00 UTC (08:00 standard time at Palomar) of the day after its evening.
    - `last_night_complete`: true only when something is listed of it and all of that is here, all
      that is mirrored was listed and nothing failed when it was last asked, and every program that
      lists something of it was listed since the night ended. `science` that the archive does not
      keep does not count.
    - `last_night_numbers`: `listed`, `here`, `pending`, `missing`, `not_kept` and `damaged`
      (products), `size` (bytes of those that are here), `next_asked` (when the first of the
      missing is asked for again) and `next_retry` (of the failed; each null for none, or a time
      that may have passed).
      `listed` is `here` + `pending` + `missing` + `damaged`; `not_kept` is `science` without a
      file; `damaged` was downloaded, and its file is missing here or changed since.
    - `latest_night_with_data`: the newest night of which something is listed; null for none.
    - `tonight`: the night under way, or null.
    - `archive`: `last_answer` (null for never), and, when everything fails that was ever asked,
      `failing_since` and `error` (else null).
    - `programs`: the same keys and `program`, `never_listed` and `failing` (lists of what was never
      asked and of what fails: `instrument`, `image_type`, and of the latter `since` and `error`),
      `totals` and `last_night` (`listed`, `here`, `pending`, `missing`, `not_kept`, `damaged`,
      `next_asked`, `next_retry`). A product of two programs counts in both.
    - `totals`: `published`, `wanted`, `missing`, `withdrawn`, `damaged` (products) and `size`
      (bytes), each product once; what was published and withdrawn since counts in both, and
      `missing` has what is `not_kept`, too.
    - `nights`: a list of `night`, `instrument`, `image_type` and the keys of `totals`, the newest
      night first.
    - `troubles`: what could not be downloaded yet, at most 10 000, the newest night first:
      `instrument`, `savepath`, `night`, `state` (`wanted` or `missing`), `attempts`, `not_before`
      (null for at once), `last_error` (or null).
    - `polls`: the latest of each selection: `program`, `instrument`, `image_type`, `at`, `listed`,
      `error` (or null).
    - `damaged`: files that are missing here or changed, at most 10 000: `path` (relative to the
      root), `instrument`, `savepath`, `night`, `damage` (`missing` or `changed`), `reason`.
    """
    last, latest, tonight_ = status.last, status.latest_with_data, status.tonight
    return json.dumps(
        {
            "as_of": _instant(status.now),
            "last_night": last.night.name,
            "last_night_complete": last.is_complete,
            "last_night_numbers": {
                **_numbers_record(last.numbers, status.queue_of_last_night),
                "size": last.numbers.size,
            },
            "latest_night_with_data": latest.name if latest else None,
            "tonight": tonight_.name if tonight_ else None,
            "archive": _reach_record(Reach.of(status.states)),
            "programs": _program_records(status),
            "totals": _totals(status.counts),
            "nights": [_count_record(count) for count in status.counts],
            "troubles": [_trouble_record(trouble) for trouble in status.troubles],
            "polls": [_poll_record(poll) for poll in status.polls],
            "damaged": [_damaged_record(one) for one in status.damaged],
        },
        indent=2,
    )


def _instant(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def _numbers_record(numbers: Numbers, queue: QueueCount) -> dict[str, Any]:
    return {
        "listed": numbers.listed,
        "here": numbers.here,
        "pending": numbers.pending,
        "missing": numbers.missing,
        "not_kept": numbers.not_kept,
        "damaged": numbers.damaged,
        "next_asked": queue.asked_at or None,
        "next_retry": queue.retried_at or None,
    }


def _reach_record(reach: Reach) -> dict[str, Any]:
    return {
        "last_answer": _instant(reach.last_answer),
        "failing_since": _instant(reach.failing_since),
        "error": reach.error,
    }


def _program_records(status: Status) -> list[dict[str, Any]]:
    states = by_program(status.states)
    nights = {one.program: one for one in status.programs_of_last_night}
    return [
        {
            "program": one.program,
            **_reach_record(Reach.of(states.get(str(one.program), []))),
            **_listing_record(states.get(str(one.program), [])),
            "totals": _numbers_record(Numbers.of_program(one), one),
            "last_night": _numbers_record(
                Numbers.of_program(nights[one.program]), nights[one.program]
            ),
        }
        for one in status.programs
    ]


def _listing_record(states: Sequence[PollState]) -> dict[str, Any]:
    return {
        "never_listed": [_subject_record(one) for one in never_answered(states)],
        "failing": [
            {**_subject_record(one), "since": _instant(one.failing_since), "error": one.error}
            for one in states
            if one.failing_since is not None
        ],
    }


def _subject_record(state: PollState) -> dict[str, Any]:
    subject = state.subject
    return {"instrument": subject.instrument.value, "image_type": subject.image_type.value}


def _totals(counts: Iterable[NightCount]) -> dict[str, int]:
    counts = tuple(counts)
    return {name: sum(getattr(one, name) for one in counts) for name in _COUNTED}


def _count_record(count: NightCount) -> dict[str, Any]:
    return {
        "night": count.night.name,
        "instrument": count.instrument.value,
        "image_type": count.image_type.value,
        **_totals([count]),
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


def _damaged_record(one: Damaged) -> dict[str, Any]:
    return {
        "path": one.path,
        "instrument": one.product.instrument.value,
        "savepath": one.product.savepath,
        "night": one.product.night.name,
        "damage": one.damage.value,
        "reason": one.reason,
    }
