"""What each kind of event changes in the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import (
    BatchEnded,
    BatchStarted,
    CheckPaused,
    ClockJumped,
    ClocksDiffer,
    ConnectionsChanged,
    DeliveryFailed,
    DownloadsPaused,
    EventsLost,
    EventTable,
    FactsPaused,
    FactsRead,
    Failed,
    FileChecked,
    FilesChanged,
    FilesLost,
    FilesUnreadable,
    ManifestsPaused,
    ManifestWritten,
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
    StorageFailing,
    WindowHalved,
)
from winter_sync.monitoring.metric_definitions import (
    BEGUN,
    CHANGES,
    CHECKED,
    CHECKED_BYTES,
    CHECKS_PAUSED,
    CLOCKS,
    DAMAGED,
    DELIVERY_FAILURES,
    DOWNLOAD_SECONDS,
    DOWNLOADS,
    EVENTS_LOST,
    FACTS,
    FACTS_PAUSED,
    FAILURES,
    HALVED,
    JUMPS,
    LEFT_OUT,
    MANIFESTS,
    MANIFESTS_PAUSED,
    PAUSES,
    POLL_SECONDS,
    POLLS,
    PUBLISHED,
    RECEIVED,
    RECOVERED,
    REFUSALS,
    REFUSED,
    RELOADS,
    RETRIES,
    ROWS,
    ROWS_LEFT_OUT,
    SERVER_FAILING,
    SERVER_FAILURES,
    SETTLED,
    STORAGE,
    SUCCEEDED,
    WITHHELD,
)

if TYPE_CHECKING:
    from winter_sync.core import Outcome, Query, Subject
    from winter_sync.monitoring.metric_definitions import Metric


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a metric: how much is added to a counter, observed, or the value of a gauge."""

    metric: Metric
    labels: tuple[str, ...] = ()
    value: float = 1


EFFECTS = EventTable[tuple[Change, ...]]()
"""The changes that each kind of event makes."""


def _change(metric: Metric, *labels: str, value: float = 1) -> tuple[Change, ...]:
    return (Change(metric, labels, value),)


def _labels(query: Query) -> tuple[str, str, str]:
    return _labels_of(query.subject)


def _labels_of(subject: Subject) -> tuple[str, str, str]:
    return subject.program, subject.instrument.value, subject.image_type.value


def _polled(event: Polled) -> tuple[Change, ...]:
    subject = _labels(event.query)
    return (
        Change(POLLS, (*subject, SUCCEEDED)),
        Change(ROWS, subject, event.listed),
        *(
            Change(CHANGES, (*subject, change), getattr(event, change))
            for change in ("new", "changed", "returned")
        ),
        Change(CHANGES, (*_labels_of(event.lost_by), "withdrawn"), event.withdrawn),
        Change(POLL_SECONDS, (), event.seconds),
        Change(REFUSED, (event.query.subject.program,), 0),
    )


def _batch_ended(event: BatchEnded) -> tuple[Change, ...]:
    return (
        Change(DOWNLOADS, (SUCCEEDED if event.trouble is None else event.cause,)),
        Change(DOWNLOAD_SECONDS, (), event.seconds),
    )


def _finished(event: ProductFinished) -> tuple[Change, ...]:
    outcome = event.outcome
    product = outcome.candidate.product
    kind = (product.instrument, product.image_type)
    changes = _change(SETTLED, *kind, _name(outcome))
    if isinstance(outcome, Published):
        changes += _change(PUBLISHED, *kind, value=outcome.evidence.size)
    if isinstance(outcome, Failed):
        changes += _change(FAILURES, outcome.cause)
    return changes


def _name(outcome: Outcome) -> str:
    return type(outcome).__name__.lower()


def _recovered(event: Recovered) -> tuple[Change, ...]:
    return (
        Change(RECOVERED, ("adopted",), event.adopted),
        Change(RECOVERED, ("released",), event.released),
    )


EFFECTS.add(Polled, _polled)
EFFECTS.add(PollFailed, lambda event: _change(POLLS, *_labels(event.query), event.cause))
EFFECTS.add(WindowHalved, lambda event: _change(HALVED, *_labels(event.query)))
EFFECTS.add(
    RowsLeftOut, lambda event: _change(ROWS_LEFT_OUT, *_labels(event.query), value=event.rows)
)
EFFECTS.add(ProductsLeftOut, lambda event: _change(LEFT_OUT, value=len(event.products)))
EFFECTS.add(BatchStarted, lambda _: _change(BEGUN))
EFFECTS.add(
    Received,
    lambda event: _change(
        RECEIVED, event.batch.instrument, event.batch.image_type, value=event.size
    ),
)
EFFECTS.add(BatchEnded, _batch_ended)
EFFECTS.add(ProductFinished, _finished)
EFFECTS.add(Retrying, lambda _: _change(RETRIES))
EFFECTS.add(ServerFailing, lambda _: _change(SERVER_FAILING) + _change(SERVER_FAILURES))
EFFECTS.add(ServerRecovered, lambda _: _change(SERVER_FAILING, value=0))
EFFECTS.add(Started, lambda _: _change(SERVER_FAILING, value=0) + _change(WITHHELD, value=0))
EFFECTS.add(ConnectionsChanged, lambda event: _change(WITHHELD, value=event.most - event.allowed))
EFFECTS.add(
    ProgramRefused,
    lambda event: _change(REFUSED, event.program) + _change(REFUSALS, event.program),
)
EFFECTS.add(StorageFailing, lambda _: _change(STORAGE))
EFFECTS.add(DownloadsPaused, lambda _: _change(PAUSES))
EFFECTS.add(Reloading, lambda _: _change(RELOADS, "taken"))
EFFECTS.add(ReloadRefused, lambda _: _change(RELOADS, "refused"))
EFFECTS.add(ClockJumped, lambda _: _change(JUMPS))
EFFECTS.add(ClocksDiffer, lambda _: _change(CLOCKS))
EFFECTS.add(Recovered, _recovered)
EFFECTS.add(FilesLost, lambda event: _change(DAMAGED, "missing", value=event.files))
EFFECTS.add(FilesChanged, lambda event: _change(DAMAGED, "changed", value=event.files))
EFFECTS.add(FilesUnreadable, lambda event: _change(DAMAGED, "unreadable", value=event.files))
EFFECTS.add(FileChecked, lambda event: _change(CHECKED) + _change(CHECKED_BYTES, value=event.size))
EFFECTS.add(
    FactsRead,
    lambda event: (
        Change(FACTS, ("complete",), event.files - len(event.odd)),
        Change(FACTS, ("odd",), len(event.odd)),
    ),
)
EFFECTS.add(
    ManifestWritten,
    lambda event: _change(MANIFESTS, "settled" if event.settled else "changed"),
)
EFFECTS.add(ManifestsPaused, lambda _: _change(MANIFESTS_PAUSED))
EFFECTS.add(FactsPaused, lambda _: _change(FACTS_PAUSED))
EFFECTS.add(DeliveryFailed, lambda event: _change(DELIVERY_FAILURES, event.sink))
EFFECTS.add(EventsLost, lambda event: _change(EVENTS_LOST, event.sink, value=event.events))
EFFECTS.add(CheckPaused, lambda _: _change(CHECKS_PAUSED))
