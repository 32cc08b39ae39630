"""What a mirror has and lacks, in numbers: read from the catalog at one moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winter_sync.catalog import PollState, QueueCount, RefetchStatus, Scope
from winter_sync.core import Numbers, State
from winter_sync.monitoring.completeness import (
    NightState,
    last_night,
    tonight,
)
from winter_sync.monitoring.sink_states import read_sinks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from winter_sync.catalog import (
        Catalog,
        CatalogThread,
        Damaged,
        LastPoll,
        NightCount,
        SettledNight,
        Trouble,
    )
    from winter_sync.core import (
        EventFilter,
        HeldWithdrawal,
        ImageType,
        Instrument,
        Night,
        Product,
        Selection,
        Subject,
        ToOProgress,
    )
    from winter_sync.monitoring.sink_states import SinkState

_TROUBLES_READ = 10_000
_NOTHING = QueueCount(None)
_NONE_AGAIN = RefetchStatus()


@dataclass(frozen=True, slots=True)
class Only:
    """The programs and image types that a status is narrowed to; an empty tuple means all."""

    programs: tuple[str, ...] = ()
    image_types: tuple[ImageType, ...] = ()

    def includes(self, image_type: ImageType) -> bool:
        """Return whether this image type is wanted."""
        return not self.image_types or image_type in self.image_types

    def subjects(self, selections: Iterable[Selection]) -> list[Subject]:
        """Return what of these selections is polled."""
        return [
            subject
            for selection in selections
            for subject in selection.subjects
            if self.includes(subject.image_type)
        ]


EVERYTHING = Only()


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the catalog at one moment.

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
    refetches
        What waits to be fetched again because its marks changed, and what was in the last week.
    damaged
        Downloaded products whose files are missing here or changed, the newest night first.
    settled
        Nights of programs that are settled, the newest first.
    sinks
        How the delivery to each sink stands.
    held
        Products that vanished from a listing at once, and do not count as withdrawn yet.
    too
        Requests in the observatory's queue that still wait, the earliest first.
    only
        The programs and image types that this was narrowed to.
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
    too: tuple[ToOProgress, ...] = ()
    settled: tuple[SettledNight, ...] = ()
    held: tuple[HeldWithdrawal, ...] = ()
    refetches: RefetchStatus = _NONE_AGAIN
    sinks: tuple[SinkState, ...] = ()
    only: Only = EVERYTHING

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
        nights: dict[Night, list[NightCount]] = {}
        for count in self.counts:
            nights.setdefault(count.night, []).append(count)
        return {night: tuple(counts) for night, counts in nights.items()}

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
    listing = frozenset(str(count.program) for count in programs if count.listed)
    return NightState(night, numbers, states, listing)


# --- reading -------------------------------------------------------------------------------------


async def read_status(
    catalog: CatalogThread,
    selections: Sequence[Selection],
    now: datetime,
    sinks: Mapping[str, EventFilter] | None = None,
    only: Only = EVERYTHING,
) -> Status:
    """Read how the selections stand, and how the delivery to sinks of these events does.

    The selections are those of the programs that it is narrowed to.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    return await catalog(_read, selections, now, sinks, only)


async def read_last_night(
    catalog: CatalogThread, selections: Sequence[Selection], now: datetime
) -> NightState:
    """Read how the last night stands: cheap enough to be asked all the time.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    return await catalog(_last_night_state, selections, now)


def _read(
    catalog: Catalog,
    selections: Sequence[Selection],
    now: datetime,
    sinks: Mapping[str, EventFilter] | None = None,
    only: Only = EVERYTHING,
) -> Status:
    programs, night = _programs(selections), last_night(now)
    types = only.image_types
    scope = Scope(programs=programs, image_types=types)
    with catalog.snapshot():
        return Status(
            now=now,
            counts=tuple(catalog.views.night_counts(scope)),
            troubles=tuple(catalog.views.troubles(scope, _TROUBLES_READ)),
            polls=tuple(
                poll
                for poll in catalog.polls.last()
                if poll.program in programs and only.includes(poll.image_type)
            ),
            states=tuple(catalog.polls.states(only.subjects(selections), night)),
            queue=catalog.views.queue_count(programs, None, types),
            queue_of_last_night=catalog.views.queue_count(programs, night, types),
            programs=tuple(catalog.views.program_counts(programs, None, types)),
            programs_of_last_night=tuple(catalog.views.program_counts(programs, night, types)),
            refetches=catalog.refetches.status(scope),
            too=tuple(catalog.too.awaited(programs, now)),
            damaged=tuple(
                file
                for file in catalog.files.damaged(scope, _TROUBLES_READ)
                if file.state is State.PUBLISHED
            ),
            held=tuple(
                held
                for held in catalog.withdrawals.held()
                if held.subject.program in programs and only.includes(held.subject.image_type)
            ),
            settled=tuple(catalog.nights.settled(programs)),
            sinks=read_sinks(catalog, sinks or {}),
            only=only,
        )


def _last_night_state(
    catalog: Catalog, selections: Sequence[Selection], now: datetime
) -> NightState:
    with catalog.snapshot():
        return state_of_last_night(
            catalog, _programs(selections), EVERYTHING.subjects(selections), now
        )


def state_of_last_night(
    catalog: Catalog, programs: Sequence[str], subjects: Sequence[Subject], now: datetime
) -> NightState:
    """Return how the last night of programs stands, by the polls of these subjects.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    night = last_night(now)
    scope = Scope(programs=tuple(programs), first_night=night, last_night=night)
    kinds = catalog.nights.kinds(night, programs)
    return NightState(
        night,
        Numbers.of(catalog.views.night_counts(scope)),
        catalog.polls.states(subjects, night),
        frozenset(kind.program for kind in kinds if _is_listed([kind.count])),
    )


def with_damaged(status: Status, found: Iterable[Damaged]) -> Status:
    """Correct a status by what a check of files found that the catalog does not know yet."""
    known = {file.path for file in status.damaged}
    news = [file for file in found if file.path not in known]
    last = [file for file in news if file.product.night == status.last_night]
    by_kind: dict[tuple[Night, Instrument, ImageType], list[Damaged]] = {}
    for file in news:
        by_kind.setdefault(_kind(file.product), []).append(file)
    lost = {(program, file.product.night) for file in news for program in file.programs}
    return replace(
        status,
        counts=tuple(_count_without(count, by_kind) for count in status.counts),
        programs=tuple(_queue_without(count, news) for count in status.programs),
        programs_of_last_night=tuple(
            _queue_without(count, last) for count in status.programs_of_last_night
        ),
        damaged=(*status.damaged, *news),
        settled=tuple(each for each in status.settled if (each.program, each.night) not in lost),
    )


def _count_without(
    count: NightCount, damaged: Mapping[tuple[Night, Instrument, ImageType], list[Damaged]]
) -> NightCount:
    here = damaged.get((count.night, count.instrument, count.image_type))
    if here is None:
        return count
    withdrawn = [file for file in here if file.withdrawn]
    return replace(
        count,
        published=count.published - len(here),
        withdrawn_here=count.withdrawn_here - len(withdrawn),
        damaged=count.damaged + len(here) - len(withdrawn),
        size=count.size - _bytes_of(here),
        withdrawn_size=count.withdrawn_size - _bytes_of(withdrawn),
    )


def _kind(product: Product) -> tuple[Night, Instrument, ImageType]:
    return product.night, product.instrument, product.image_type


def _bytes_of(damaged: Iterable[Damaged]) -> int:
    return sum(file.size for file in damaged)


def _queue_without(count: QueueCount, damaged: Iterable[Damaged]) -> QueueCount:
    more = sum(count.program in file.programs for file in damaged)
    return replace(count, damaged=count.damaged + more)


def _programs(selections: Iterable[Selection]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(selection.program for selection in selections))
