"""The metrics that are read on request: from the catalog and from the disk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from winter_sync.catalog import CatalogThread, Facts, Nights, Polls, Views, Withdrawals
from winter_sync.core import StorageError, free_space
from winter_sync.monitoring.metric_definitions import (
    AGE,
    CALENDAR_NIGHT,
    DELIVERED,
    DELIVERY_FAILING,
    EVENTS_WAITING,
    FACTS_DUE,
    FREE,
    HELD_WITHDRAWALS,
    LAST_COMPLETE,
    LAST_NIGHT,
    MIN_FREE,
    NAMESPACE,
    NEWEST_SETTLED,
    NIGHT_COMPLETE,
    NIGHT_PRODUCTS,
    PREVIEW_BYTES,
    PREVIEWS,
    PRODUCTS,
    SETTLED_NIGHTS,
    SUCCESS,
    Metric,
)
from winter_sync.monitoring.sink_states import read_sinks
from winter_sync.monitoring.status import read_last_night
from winter_sync.previews import PreviewCounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from prometheus_client import Metric as Family

    from winter_sync.catalog import ProgramSummary, SettledNight
    from winter_sync.core import EventFilter, Night, Selection, Subject
    from winter_sync.monitoring.completeness import NightState
    from winter_sync.monitoring.sink_states import SinkState

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Watched:
    """What is read when the metrics are requested.

    Parameters
    ----------
    catalog
        Preferably one that only reads (`CatalogThread(..., reading=True)`): the mirror need not
        wait for it then. None while there is none.
    selections
        What is mirrored.
    root
        A directory on the file system of the tree.
    min_free
        Bytes that are always left free there.
    sinks
        Which events each sink takes, by its name.
    previews
        What came of the previews of the pages.
    """

    catalog: CatalogThread | None
    selections: Sequence[Selection]
    root: Path
    min_free: int
    sinks: Mapping[str, EventFilter] = field(default_factory=dict)
    previews: PreviewCounts = field(default_factory=PreviewCounts)

    @property
    def programs(self) -> list[str]:
        """The programs that are mirrored, sorted."""
        return sorted({selection.program for selection in self.selections})


async def from_catalog(watched: Watched, now: datetime) -> Sequence[Family]:
    """Read the metrics of the catalog; nothing if it cannot be read."""
    if watched.catalog is None:
        return ()
    subjects = [subject for selection in watched.selections for subject in selection.subjects]
    try:
        summary = await watched.catalog.views(Views.summary, watched.programs)
        successes = await watched.catalog.polls(Polls.last_successes, subjects)
        night = await read_last_night(watched.catalog, watched.selections, now)
        facts_due = await watched.catalog.facts(Facts.count_due)
        held = await watched.catalog.withdrawals(Withdrawals.held)
        settled = await watched.catalog.nights(Nights.settled, watched.programs)
        sinks = await watched.catalog(read_sinks, watched.sinks)
    except StorageError:
        return ()
    return (
        *_program_summary(summary),
        *_last_night(night),
        gauge(FACTS_DUE, {(): facts_due}),
        gauge(HELD_WITHDRAWALS, {(): sum(each.products for each in held)}),
        *_settled(watched.programs, settled),
        *_successes(subjects, successes, now),
        *_sinks(sinks),
    )


async def from_disk(watched: Watched) -> Sequence[Family]:
    """Read the metrics of the disk in a thread: a remote file system may never answer."""
    try:
        free = await asyncio.to_thread(free_space, watched.root)
    except OSError:
        return ()
    return gauge(FREE, {(): free}), gauge(MIN_FREE, {(): watched.min_free})


def from_pages(previews: PreviewCounts) -> Iterator[Family]:
    """Yield the metrics of the pages."""
    name = f"{NAMESPACE}_{PREVIEWS.name}"
    counted = CounterMetricFamily(name, PREVIEWS.about, labels=PREVIEWS.labels)
    counted.add_metric(("drawn",), previews.made)
    counted.add_metric(("failed",), previews.failed)
    yield counted
    yield gauge(PREVIEW_BYTES, {(): previews.kept_bytes})


def gauge(metric: Metric, values: dict[tuple[str, ...], float]) -> Family:
    """Return a gauge with a value for each tuple of labels."""
    family = GaugeMetricFamily(metric.full_name, metric.about, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _program_summary(summary: ProgramSummary) -> Iterator[Family]:
    states = ("wanted", "claimed", "missing", "published", "damaged", "withdrawn")
    yield gauge(PRODUCTS, {(state,): getattr(summary, state) for state in states})
    yield gauge(LAST_NIGHT, {(): _number(summary.last_night)})
    yield gauge(LAST_COMPLETE, {(): _number(summary.last_complete_night)})


def _last_night(state: NightState) -> Iterator[Family]:
    parts = ("here", "pending", "missing", "damaged", "not_kept")
    yield gauge(CALENDAR_NIGHT, {(): _number(state.night)})
    yield gauge(NIGHT_PRODUCTS, {(part,): getattr(state.numbers, part) for part in parts})
    yield gauge(NIGHT_COMPLETE, {(): state.is_complete})


def _settled(programs: Sequence[str], nights: Sequence[SettledNight]) -> Iterator[Family]:
    by_program = {name: [n.night for n in nights if n.program == name] for name in programs}
    yield gauge(SETTLED_NIGHTS, {(name,): len(found) for name, found in by_program.items()})
    newest = {name: _number(max(found, default=None)) for name, found in by_program.items()}
    yield gauge(NEWEST_SETTLED, {(name,): night for name, night in newest.items()})


def _successes(
    subjects: Sequence[Subject], successes: dict[Subject, datetime], now: datetime
) -> Iterator[Family]:
    """Yield when the last region of each program, instrument and type to succeed did so."""
    oldest: dict[tuple[str, ...], datetime | None] = {}
    for subject in subjects:
        labels = (subject.program, subject.instrument.value, subject.image_type.value)
        at, other = successes.get(subject), oldest.get(labels, now)
        oldest[labels] = min(at, other) if at and other else None
    times = {labels: at.timestamp() if at else 0 for labels, at in oldest.items()}
    yield gauge(SUCCESS, times)
    ages = {labels: (now - at).total_seconds() if at else _NEVER for labels, at in oldest.items()}
    yield gauge(AGE, ages)


def _sinks(sinks: Sequence[SinkState]) -> Iterator[Family]:
    """Yield what waits for each sink, and how its deliveries go."""
    yield gauge(EVENTS_WAITING, {(sink.name,): sink.waiting for sink in sinks})
    yield gauge(DELIVERED, {(sink.name,): _unix(sink.last_success) for sink in sinks})
    yield gauge(DELIVERY_FAILING, {(sink.name,): _unix(sink.failing_since) for sink in sinks})


def _unix(at: datetime | None) -> float:
    return at.timestamp() if at else 0


def _number(night: Night | None) -> int:
    return int(night.name) if night else 0
