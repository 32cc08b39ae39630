"""The metrics page for Prometheus: what was counted, and what is read at the moment it is asked."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

from winter_sync import __version__
from winter_sync.core import Cause
from winter_sync.monitoring.metric_changes import EFFECTS, Change
from winter_sync.monitoring.metric_definitions import (
    BUILD,
    DAMAGED,
    DOWNLOADS,
    FACTS,
    FAILURES,
    METRICS,
    NAMESPACE,
    PREVIEWS,
    RECOVERED,
    REFUSED,
    RELOADS,
    SERVER_FAILING,
    SUCCEEDED,
    UNREADABLE,
    WITHHELD,
)
from winter_sync.monitoring.metric_sources import (
    Watched,
    from_catalog,
    from_disk,
    from_pages,
    gauge,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from prometheus_client import Metric as Family

    from winter_sync.core import Event
    from winter_sync.monitoring.metric_definitions import Metric

_SHOWN_FROM_THE_START: dict[Metric, tuple[str, ...]] = {
    FAILURES: tuple(Cause),
    DOWNLOADS: (SUCCEEDED, *Cause),
    RELOADS: ("taken", "refused"),
    RECOVERED: ("adopted", "released"),
    FACTS: ("complete", "odd"),
    DAMAGED: ("missing", "changed", "unreadable"),
}
"""Labels that are shown with 0 before they first happen, so that their first time is a change."""


class Metrics:
    """Counts events, and writes the page that Prometheus reads.

    What is kept grows with the programs and never with what happens.

    Parameters
    ----------
    clock
        Returns the current UTC time.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        counted = (metric for metric in _of_kind("counter") if metric is not PREVIEWS)
        self._counters = {metric: self._counter(metric) for metric in counted}
        self._histograms = {metric: self._histogram(metric) for metric in _of_kind("histogram")}
        self._gauges = {metric: self._gauge(metric) for metric in (SERVER_FAILING, WITHHELD, BUILD)}
        self._refused: set[str] = set()
        self._gauges[BUILD].labels(__version__, platform.python_version()).set(1)
        for metric, labels in _SHOWN_FROM_THE_START.items():
            for label in labels:
                self._counters[metric].labels(label).inc(0)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.about, metric.labels, NAMESPACE, registry=self._registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.about, metric.labels, NAMESPACE, registry=self._registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.about,
            metric.labels,
            NAMESPACE,
            registry=self._registry,
            buckets=metric.buckets,
        )

    def handle(self, event: Event) -> None:
        """Count an event; nothing of those about which the catalog knows better."""
        for change in EFFECTS.of(event) or ():
            self._apply(change)

    def _apply(self, change: Change) -> None:
        metric, labels = change.metric, change.labels
        if metric is REFUSED:
            (self._refused.add if change.value else self._refused.discard)(*labels)
        elif metric.kind == "counter":
            counter = self._counters[metric]
            (counter.labels(*labels) if labels else counter).inc(change.value)
        elif metric.kind == "histogram":
            self._histograms[metric].observe(change.value)
        else:
            self._gauges[metric].set(change.value)

    async def page(self, watched: Watched) -> bytes:
        """Return all metrics as Prometheus reads them (text format 0.0.4).

        What cannot be read is left out and shown by `unreadable`: a full disk or a locked catalog
        is when the rest is needed most.
        """
        parts = {
            "catalog": await from_catalog(watched, self._clock()),
            "disk": await from_disk(watched),
        }
        read = [family for families in parts.values() for family in families]
        refused: dict[tuple[str, ...], float] = {
            (program,): program in self._refused for program in watched.programs
        }
        read.append(gauge(REFUSED, refused))
        read += from_pages(watched.previews)
        read.append(gauge(UNREADABLE, {(part,): not found for part, found in parts.items()}))
        return generate_latest(_Page(self._registry, read))


def _of_kind(kind: str) -> Iterator[Metric]:
    return (metric for metric in METRICS if metric.kind == kind)


class _Page(Collector):
    """All that one page shows: what was counted, and what was read for it."""

    def __init__(self, counted: Collector, read: Iterable[Family]) -> None:
        self._counted = counted
        self._read = read

    def collect(self) -> Iterator[Family]:
        """Yield all metrics, without the times since when they are counted."""
        for family in self._counted.collect():
            family.samples = [
                sample for sample in family.samples if not sample.name.endswith("_created")
            ]
            yield family
        yield from self._read
