"""What happens, counted for Prometheus, and how the mirror stands at the moment it is asked."""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from winter_sync import __version__
from winter_sync.catalog import CatalogThread, Polls, Views
from winter_sync.core import (
    BatchEnded,
    BatchStarted,
    Cause,
    CheckPaused,
    ClockJumped,
    ClocksDiffer,
    DownloadsPaused,
    Event,
    Failed,
    FileChecked,
    FilesChanged,
    FilesLost,
    FilesUnreadable,
    Outcome,
    Polled,
    PollFailed,
    ProductFinished,
    ProductsLeftOut,
    ProgramRefused,
    Published,
    Received,
    Recovered,
    Reloading,
    ReloadRefused,
    Retrying,
    RowsLeftOut,
    ServerFailing,
    ServerRecovered,
    Started,
    StorageError,
    StorageFailing,
    WindowHalved,
    free_space,
)
from winter_sync.monitoring import metric_definitions as table
from winter_sync.monitoring.status import read_last_night

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from prometheus_client import Metric as Family

    from winter_sync.catalog import Standing
    from winter_sync.core import Night, Query, Selection, Subject
    from winter_sync.monitoring.completeness import NightState

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at when somebody asks.

    Parameters
    ----------
    catalog
        Best one that only reads (`CatalogThread(..., reading=True)`): the mirror need not wait
        for it then. None while there is none.
    selections
        What is mirrored.
    root
        A directory on the file system of the tree.
    min_free
        Bytes that are always left free there.
    """

    catalog: CatalogThread | None
    selections: Sequence[Selection]
    root: Path
    min_free: int


class Metrics:
    """Counts events, and writes the page that Prometheus reads.

    What is kept grows with the programs and never with what happens.

    Parameters
    ----------
    clock
        Gives the current UTC time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._counters = {
            one: Counter(one.name, one.about, one.labels, table.NAMESPACE, registry=self._registry)
            for one in table.METRICS
            if one.kind == "counter"
        }
        self._gauges = {
            one: Gauge(one.name, one.about, one.labels, table.NAMESPACE, registry=self._registry)
            for one in (table.UNWELL, table.BUILD)
        }
        self._refused: set[str] = set()
        self._seconds = {
            one: Histogram(
                one.name,
                one.about,
                one.labels,
                table.NAMESPACE,
                registry=self._registry,
                buckets=one.buckets,
            )
            for one in table.METRICS
            if one.kind == "histogram"
        }
        self._gauges[table.BUILD].labels(__version__, platform.python_version()).set(1)
        self._begin_at_nothing()

    def _begin_at_nothing(self) -> None:
        """Show what is counted before it first happens, so that its first time is a change."""
        for cause in Cause:
            self._count(table.FAILURES, cause, by=0)
        for result in (table.SUCCEEDED, *Cause):
            self._count(table.DOWNLOADS, result, by=0)
        for result in ("taken", "refused"):
            self._count(table.RELOADS, result, by=0)
        for how in ("adopted", "released"):
            self._count(table.RECOVERED, how, by=0)
        for damage in ("missing", "changed", "unreadable"):
            self._count(table.DAMAGED, damage, by=0)

    def handle(self, event: Event) -> None:
        """Count what happened."""
        self._hear(event)

    def _count(self, one: table.Metric, *labels: str, by: float = 1) -> None:
        counter = self._counters[one]
        (counter.labels(*labels) if labels else counter).inc(by)

    # --- events --------------------------------------------------------------------------------

    @singledispatchmethod
    def _hear(self, event: object) -> None:
        """Count nothing of events that tell what the catalog tells better."""

    @_hear.register
    def _(self, event: Polled) -> None:
        subject = _labels(event.query)
        self._count(table.POLLS, *subject, table.SUCCEEDED)
        self._count(table.ROWS, *subject, by=event.listed)
        for change in ("new", "changed", "returned", "withdrawn"):
            self._count(table.CHANGES, *subject, change, by=getattr(event, change))
        self._seconds[table.POLL_SECONDS].observe(event.seconds)
        self._refused.discard(event.query.subject.program)

    @_hear.register
    def _(self, event: PollFailed) -> None:
        self._count(table.POLLS, *_labels(event.query), event.cause)

    @_hear.register
    def _(self, event: WindowHalved) -> None:
        self._count(table.HALVED, *_labels(event.query))

    @_hear.register
    def _(self, event: RowsLeftOut) -> None:
        self._count(table.ROWS_REFUSED, *_labels(event.query), by=event.rows)

    @_hear.register
    def _(self, event: ProductsLeftOut) -> None:
        self._count(table.LEFT_OUT, by=len(event.products))

    @_hear.register
    def _(self, event: BatchStarted) -> None:
        del event
        self._count(table.BEGUN)

    @_hear.register
    def _(self, event: Received) -> None:
        batch = event.batch
        self._count(table.RECEIVED, batch.instrument, batch.image_type, by=event.size)

    @_hear.register
    def _(self, event: BatchEnded) -> None:
        self._count(table.DOWNLOADS, table.SUCCEEDED if event.trouble is None else event.cause)
        self._seconds[table.DOWNLOAD_SECONDS].observe(event.seconds)

    @_hear.register
    def _(self, event: ProductFinished) -> None:
        outcome = event.outcome
        product = outcome.candidate.product
        kind = (product.instrument, product.image_type)
        self._count(table.SETTLED, *kind, _outcome(outcome))
        if isinstance(outcome, Published):
            self._count(table.PUBLISHED, *kind, by=outcome.evidence.size)
        if isinstance(outcome, Failed):
            self._count(table.FAILURES, outcome.cause)

    @_hear.register
    def _(self, event: Retrying) -> None:
        del event
        self._count(table.RETRIES)

    @_hear.register
    def _(self, event: ServerFailing) -> None:
        del event
        self._gauges[table.UNWELL].set(1)
        self._count(table.UNWELL_TIMES)

    @_hear.register
    def _(self, event: ServerRecovered) -> None:
        del event
        self._gauges[table.UNWELL].set(0)

    @_hear.register
    def _(self, event: Started) -> None:
        del event
        self._gauges[table.UNWELL].set(0)

    @_hear.register
    def _(self, event: ProgramRefused) -> None:
        self._refused.add(event.program)
        self._count(table.REFUSALS, event.program)

    @_hear.register
    def _(self, event: StorageFailing) -> None:
        del event
        self._count(table.STORAGE)

    @_hear.register
    def _(self, event: DownloadsPaused) -> None:
        del event
        self._count(table.RESTS)

    @_hear.register
    def _(self, event: Reloading) -> None:
        del event
        self._count(table.RELOADS, "taken")

    @_hear.register
    def _(self, event: ReloadRefused) -> None:
        del event
        self._count(table.RELOADS, "refused")

    @_hear.register
    def _(self, event: ClockJumped) -> None:
        del event
        self._count(table.JUMPS)

    @_hear.register
    def _(self, event: ClocksDiffer) -> None:
        del event
        self._count(table.CLOCKS)

    @_hear.register
    def _(self, event: Recovered) -> None:
        self._count(table.RECOVERED, "adopted", by=event.adopted)
        self._count(table.RECOVERED, "released", by=event.released)

    @_hear.register
    def _(self, event: FilesLost) -> None:
        self._count(table.DAMAGED, "missing", by=event.files)

    @_hear.register
    def _(self, event: FilesChanged) -> None:
        self._count(table.DAMAGED, "changed", by=event.files)

    @_hear.register
    def _(self, event: FilesUnreadable) -> None:
        self._count(table.DAMAGED, "unreadable", by=event.files)

    @_hear.register
    def _(self, event: FileChecked) -> None:
        self._count(table.CHECKED)
        self._count(table.CHECKED_BYTES, by=event.size)

    @_hear.register
    def _(self, event: CheckPaused) -> None:
        del event
        self._count(table.CHECKS_PAUSED)

    # --- the page ------------------------------------------------------------------------------

    async def page(self, watched: Watched) -> bytes:
        """Write all metrics as Prometheus reads them (text format 0.0.4).

        What cannot be read is left out and told by `unreadable`: a full disk or a locked catalog
        is when the rest is wanted most.
        """
        programs = sorted({one.program for one in watched.selections})
        parts = {
            "catalog": await _from_catalog(watched, programs, self._clock()),
            "disk": await _from_disk(watched),
        }
        read = [family for families in parts.values() for family in families]
        read.append(_gauge(table.REFUSED, {(one,): one in self._refused for one in programs}))
        read.append(_gauge(table.UNREADABLE, {(part,): not found for part, found in parts.items()}))
        return generate_latest(_Page(self._registry, read))


class _Page(Collector):
    """All that one page shows: what was counted, and what was read for it."""

    def __init__(self, counted: Collector, read: Iterable[Family]) -> None:
        self._counted = counted
        self._read = read

    def collect(self) -> Iterator[Family]:
        """Give all metrics, without the times since when they are counted."""
        for family in self._counted.collect():
            family.samples = [one for one in family.samples if not one.name.endswith("_created")]
            yield family
        yield from self._read


async def _from_catalog(
    watched: Watched, programs: Sequence[str], now: datetime
) -> Sequence[Family]:
    """Read what the catalog tells; nothing if it cannot be read."""
    if watched.catalog is None:
        return ()
    subjects = [one for selection in watched.selections for one in selection.subjects]
    try:
        standing = await watched.catalog.views(Views.standing, programs)
        successes = await watched.catalog.polls(Polls.last_successes, subjects)
        night = await read_last_night(watched.catalog, watched.selections, now)
    except StorageError:
        return ()
    return (*_standing(standing), *_last_night(night), *_successes(subjects, successes, now))


async def _from_disk(watched: Watched) -> Sequence[Family]:
    """Ask the file system, in a thread: one that is far away and gone may never answer."""
    try:
        free = await asyncio.to_thread(free_space, watched.root)
    except OSError:
        return ()
    return _gauge(table.FREE, {(): free}), _gauge(table.MIN_FREE, {(): watched.min_free})


def _standing(standing: Standing) -> Iterator[Family]:
    states = ("wanted", "claimed", "missing", "published", "damaged", "withdrawn")
    yield _gauge(table.PRODUCTS, {(state,): getattr(standing, state) for state in states})
    yield _gauge(table.LAST_NIGHT, {(): _number(standing.last_night)})
    yield _gauge(table.LAST_COMPLETE, {(): _number(standing.last_complete_night)})


def _last_night(state: NightState) -> Iterator[Family]:
    parts = ("here", "pending", "missing", "damaged", "not_kept")
    yield _gauge(table.CALENDAR_NIGHT, {(): _number(state.night)})
    yield _gauge(table.NIGHT_PRODUCTS, {(part,): getattr(state.numbers, part) for part in parts})
    yield _gauge(table.NIGHT_COMPLETE, {(): state.is_complete})


def _successes(
    subjects: Sequence[Subject], successes: dict[Subject, datetime], now: datetime
) -> Iterator[Family]:
    """Tell of each program, instrument and type when the last of its regions to succeed did."""
    oldest: dict[tuple[str, ...], datetime | None] = {}
    for subject in subjects:
        labels = (subject.program, subject.instrument.value, subject.image_type.value)
        at, other = successes.get(subject), oldest.get(labels, now)
        oldest[labels] = min(at, other) if at and other else None
    yield _gauge(table.SUCCESS, {one: at.timestamp() if at else 0 for one, at in oldest.items()})
    yield _gauge(
        table.AGE, {one: (now - at).total_seconds() if at else _NEVER for one, at in oldest.items()}
    )


def _gauge(one: table.Metric, values: dict[tuple[str, ...], float]) -> Family:
    family = GaugeMetricFamily(one.full_name, one.about, labels=one.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _number(night: Night | None) -> int:
    return int(night.name) if night else 0


def _labels(query: Query) -> tuple[str, str, str]:
    subject = query.subject
    return subject.program, subject.instrument.value, subject.image_type.value


def _outcome(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()
