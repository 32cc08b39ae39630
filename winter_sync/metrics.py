"""What happens, counted for Prometheus, and how the mirror stands at the moment it is asked.

Labels have few values: programs, cameras and types come from the settings, all else is listed here.
docs/monitoring.md has the table of all metrics.
"""

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
from winter_sync.catalog import Catalog, CatalogThread
from winter_sync.errors import StorageError
from winter_sync.events import (
    BatchBegun,
    BatchEnded,
    ClockJumped,
    DownloadsRest,
    Event,
    LeftOut,
    Polled,
    PollFailed,
    ProgramRefused,
    Received,
    Recovered,
    Reloading,
    ReloadRefused,
    Retrying,
    RowsRefused,
    ServerUnwell,
    ServerWell,
    Settled,
    Started,
    StorageTrouble,
    WindowHalved,
)
from winter_sync.models import Cause, Failed, Outcome, Published
from winter_sync.tree import space_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from prometheus_client import Metric as Family

    from winter_sync.models import Night, Query, Selection, Subject
    from winter_sync.records import Standing

NAMESPACE = "winter_sync"
SUBJECT = ("program", "instrument", "image_type")
KIND = ("instrument", "image_type")
SUCCEEDED = "succeeded"
POLL_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Until the longest that a query may take, as the settings come."""
DOWNLOAD_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""From a single stack to a batch of exposures over a slow wire."""
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Described:
    """A metric: its name without the namespace, what it tells, and its labels.

    A counter's name is written with `_total` behind it.
    """

    kind: str
    name: str
    about: str
    labels: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """The name as Prometheus has it."""
        return f"{NAMESPACE}_{self.name}" + ("_total" if self.kind == "counter" else "")


_POLLS = Described(
    "counter", "polls", "Listings asked for, by what came of it.", (*SUBJECT, "result")
)
_POLL_SECONDS = Described(
    "histogram", "poll_seconds", "Seconds from a question to what it changed in the catalog."
)
_HALVED = Described(
    "counter", "windows_halved", "Listings too long for the server, asked for by halves.", SUBJECT
)
_ROWS = Described("counter", "listed_rows", "Rows of listings that were read.", SUBJECT)
_ROWS_REFUSED = Described(
    "counter", "refused_rows", "Rows of listings that made no sense and were left out.", SUBJECT
)
_CHANGES = Described(
    "counter",
    "listed_changes",
    "Products found new, changed, returned or withdrawn by polls.",
    (*SUBJECT, "change"),
)
_LEFT_OUT = Described(
    "counter", "left_out_products", "Products that have no place: another has their path."
)
_RECEIVED = Described("counter", "received_bytes", "Bytes of downloads, as on the wire.", KIND)
_PUBLISHED = Described("counter", "published_bytes", "Bytes put into the tree.", KIND)
_SETTLED = Described(
    "counter", "settled_products", "Products asked for, by what became of them.", (*KIND, "outcome")
)
_FAILURES = Described("counter", "failed_products", "Products that did not come.", ("cause",))
_BEGUN = Described("counter", "begun_downloads", "Downloads asked for.")
_DOWNLOADS = Described("counter", "downloads", "Downloads that ended, by how.", ("result",))
_DOWNLOAD_SECONDS = Described(
    "histogram", "download_seconds", "Seconds from asking for a batch to its end."
)
_RETRIES = Described("counter", "retries", "Requests tried again for a passing reason.")
_UNWELL = Described("gauge", "server_unwell", "1 while the server is being left alone, else 0.")
_UNWELL_TIMES = Described("counter", "server_unwell_times", "Times the server became unwell.")
_REFUSED = Described(
    "gauge", "program_refused", "1 while the program's credentials are refused.", ("program",)
)
_REFUSALS = Described(
    "counter", "program_refusals", "Times a program's credentials were refused.", ("program",)
)
_STORAGE = Described("counter", "storage_troubles", "Times the disk or the catalog failed.")
_RESTS = Described("counter", "download_rests", "Times downloads were given up for a while.")
_RELOADS = Described("counter", "reloads", "Times the settings were read again.", ("result",))
_JUMPS = Described("counter", "clock_jumps", "Times the clock jumped, or the machine slept.")
_RECOVERED = Described(
    "counter", "recovered_products", "Products put in order after a crash.", ("how",)
)
_BUILD = Described("gauge", "build_info", "Always 1; what is running.", ("version", "python"))
_PRODUCTS = Described(
    "gauge",
    "products",
    "Products in the catalog, each in one state: wanted, claimed, missing, published, withdrawn.",
    ("state",),
)
_SUCCESS = Described(
    "gauge",
    "last_successful_poll_timestamp_seconds",
    "When it was last listed with success, in Unix time; 0 if never.",
    SUBJECT,
)
_AGE = Described(
    "gauge",
    "last_successful_poll_age_seconds",
    "How long ago it was last listed with success; +Inf if never.",
    SUBJECT,
)
_LAST_NIGHT = Described(
    "gauge", "last_night_listed", "The newest night listed, as a number YYYYMMDD; 0 for none."
)
_LAST_COMPLETE = Described(
    "gauge",
    "last_night_complete",
    "The newest night of which nothing is wanted, as a number YYYYMMDD; 0 for none.",
)
_FREE = Described("gauge", "free_bytes", "Free bytes on the file system of the root.")
_MIN_FREE = Described("gauge", "min_free_bytes", "Bytes that are always left free there.")
_UNREADABLE = Described(
    "gauge",
    "unreadable",
    "1 if the part could not be read just now; what it tells is absent then.",
    ("part",),
)
METRICS = (
    *(_POLLS, _POLL_SECONDS, _HALVED, _ROWS, _ROWS_REFUSED, _CHANGES, _LEFT_OUT),
    *(_BEGUN, _DOWNLOADS, _DOWNLOAD_SECONDS, _RECEIVED, _PUBLISHED, _SETTLED, _FAILURES),
    *(_RETRIES, _UNWELL, _UNWELL_TIMES, _REFUSED, _REFUSALS, _STORAGE, _JUMPS, _RECOVERED),
    *(_RESTS, _RELOADS),
    *(_PRODUCTS, _SUCCESS, _AGE, _LAST_NIGHT, _LAST_COMPLETE, _FREE, _MIN_FREE, _UNREADABLE),
    _BUILD,
)
"""All of ours. Beside them are those of the process that prometheus-client makes."""


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
            one: Counter(one.name, one.about, one.labels, NAMESPACE, registry=self._registry)
            for one in METRICS
            if one.kind == "counter"
        }
        self._gauges = {
            one: Gauge(one.name, one.about, one.labels, NAMESPACE, registry=self._registry)
            for one in (_UNWELL, _BUILD)
        }
        self._refused: set[str] = set()
        self._seconds = {
            one: Histogram(
                one.name, one.about, namespace=NAMESPACE, registry=self._registry, buckets=buckets
            )
            for one, buckets in (
                (_POLL_SECONDS, POLL_SECONDS),
                (_DOWNLOAD_SECONDS, DOWNLOAD_SECONDS),
            )
        }
        self._gauges[_BUILD].labels(__version__, platform.python_version()).set(1)
        self._begin_at_nothing()

    def _begin_at_nothing(self) -> None:
        """Show what is counted before it first happens, so that its first time is a change."""
        for cause in Cause:
            self._count(_FAILURES, cause, by=0)
        for result in (SUCCEEDED, *Cause):
            self._count(_DOWNLOADS, result, by=0)
        for result in ("taken", "refused"):
            self._count(_RELOADS, result, by=0)
        for how in ("adopted", "released"):
            self._count(_RECOVERED, how, by=0)

    def tell(self, event: Event) -> None:
        """Count what happened."""
        self._hear(event)

    def _count(self, one: Described, *labels: str, by: float = 1) -> None:
        counter = self._counters[one]
        (counter.labels(*labels) if labels else counter).inc(by)

    # --- events --------------------------------------------------------------------------------

    @singledispatchmethod
    def _hear(self, event: object) -> None:
        """Count nothing of events that tell what the catalog tells better."""

    @_hear.register
    def _(self, event: Polled) -> None:
        subject = _labels(event.query)
        self._count(_POLLS, *subject, SUCCEEDED)
        self._count(_ROWS, *subject, by=event.listed)
        for change in ("new", "changed", "returned", "withdrawn"):
            self._count(_CHANGES, *subject, change, by=getattr(event, change))
        self._seconds[_POLL_SECONDS].observe(event.seconds)
        self._refused.discard(event.query.subject.program)

    @_hear.register
    def _(self, event: PollFailed) -> None:
        self._count(_POLLS, *_labels(event.query), event.cause)

    @_hear.register
    def _(self, event: WindowHalved) -> None:
        self._count(_HALVED, *_labels(event.query))

    @_hear.register
    def _(self, event: RowsRefused) -> None:
        self._count(_ROWS_REFUSED, *_labels(event.query), by=len(event.reasons))

    @_hear.register
    def _(self, event: LeftOut) -> None:
        self._count(_LEFT_OUT, by=len(event.products))

    @_hear.register
    def _(self, event: BatchBegun) -> None:
        del event
        self._count(_BEGUN)

    @_hear.register
    def _(self, event: Received) -> None:
        batch = event.batch
        self._count(_RECEIVED, batch.instrument, batch.image_type, by=event.size)

    @_hear.register
    def _(self, event: BatchEnded) -> None:
        self._count(_DOWNLOADS, SUCCEEDED if event.trouble is None else event.cause)
        self._seconds[_DOWNLOAD_SECONDS].observe(event.seconds)

    @_hear.register
    def _(self, event: Settled) -> None:
        outcome = event.outcome
        product = outcome.candidate.product
        kind = (product.instrument, product.image_type)
        self._count(_SETTLED, *kind, _outcome(outcome))
        if isinstance(outcome, Published):
            self._count(_PUBLISHED, *kind, by=outcome.evidence.size)
        if isinstance(outcome, Failed):
            self._count(_FAILURES, outcome.cause)

    @_hear.register
    def _(self, event: Retrying) -> None:
        del event
        self._count(_RETRIES)

    @_hear.register
    def _(self, event: ServerUnwell) -> None:
        del event
        self._gauges[_UNWELL].set(1)
        self._count(_UNWELL_TIMES)

    @_hear.register
    def _(self, event: ServerWell) -> None:
        del event
        self._gauges[_UNWELL].set(0)

    @_hear.register
    def _(self, event: Started) -> None:
        del event
        self._gauges[_UNWELL].set(0)

    @_hear.register
    def _(self, event: ProgramRefused) -> None:
        self._refused.add(event.program)
        self._count(_REFUSALS, event.program)

    @_hear.register
    def _(self, event: StorageTrouble) -> None:
        del event
        self._count(_STORAGE)

    @_hear.register
    def _(self, event: DownloadsRest) -> None:
        del event
        self._count(_RESTS)

    @_hear.register
    def _(self, event: Reloading) -> None:
        del event
        self._count(_RELOADS, "taken")

    @_hear.register
    def _(self, event: ReloadRefused) -> None:
        del event
        self._count(_RELOADS, "refused")

    @_hear.register
    def _(self, event: ClockJumped) -> None:
        del event
        self._count(_JUMPS)

    @_hear.register
    def _(self, event: Recovered) -> None:
        self._count(_RECOVERED, "adopted", by=event.adopted)
        self._count(_RECOVERED, "released", by=event.released)

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
        read.append(_gauge(_REFUSED, {(one,): one in self._refused for one in programs}))
        read.append(_gauge(_UNREADABLE, {(part,): not found for part, found in parts.items()}))
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
        standing = await watched.catalog(Catalog.standing, programs)
        successes = await watched.catalog(Catalog.last_successes, subjects)
    except StorageError:
        return ()
    return (*_standing(standing), *_successes(subjects, successes, now))


async def _from_disk(watched: Watched) -> Sequence[Family]:
    """Ask the file system, in a thread: one that is far away and gone may never answer."""
    try:
        free = await asyncio.to_thread(space_of, watched.root)
    except OSError:
        return ()
    return _gauge(_FREE, {(): free}), _gauge(_MIN_FREE, {(): watched.min_free})


def _standing(standing: Standing) -> Iterator[Family]:
    states = ("wanted", "claimed", "missing", "published", "withdrawn")
    yield _gauge(_PRODUCTS, {(state,): getattr(standing, state) for state in states})
    yield _gauge(_LAST_NIGHT, {(): _number(standing.last_night)})
    yield _gauge(_LAST_COMPLETE, {(): _number(standing.last_complete_night)})


def _successes(
    subjects: Sequence[Subject], successes: dict[Subject, datetime], now: datetime
) -> Iterator[Family]:
    """Tell of each program, camera and type when the last of its regions to succeed did."""
    oldest: dict[tuple[str, ...], datetime | None] = {}
    for subject in subjects:
        labels = (subject.program, subject.instrument.value, subject.image_type.value)
        at, other = successes.get(subject), oldest.get(labels, now)
        oldest[labels] = min(at, other) if at and other else None
    yield _gauge(_SUCCESS, {one: at.timestamp() if at else 0 for one, at in oldest.items()})
    yield _gauge(
        _AGE, {one: (now - at).total_seconds() if at else NEVER for one, at in oldest.items()}
    )


def _gauge(one: Described, values: dict[tuple[str, ...], float]) -> Family:
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
