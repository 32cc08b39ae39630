"""How the delivery to each sink stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog import SinkProgress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from winter_sync.catalog import Catalog
    from winter_sync.core import EventFilter


@dataclass(frozen=True, slots=True)
class SinkState:
    """How the delivery to a sink stands.

    Parameters
    ----------
    name
        Its name in the settings.
    waiting
        Events that it takes and lacks, at most 10 000.
    last_success
        When it last took events; None for never.
    failures, failing_since, error
        How often in a row it failed, since when, and why the last time; 0 and None if it did not.
    lost
        How many events were removed before it had them.
    """

    name: str
    waiting: int = 0
    last_success: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    error: str | None = None
    lost: int = 0


def read_sinks(catalog: Catalog, wanted: Mapping[str, EventFilter]) -> tuple[SinkState, ...]:
    """Read how the delivery to these sinks stands; nothing waits for one that is not yet known.

    Raises
    ------
    StorageError
        If the catalog cannot be read.
    """
    return tuple(_state(catalog, name, events) for name, events in wanted.items())


def _state(catalog: Catalog, name: str, wanted: EventFilter) -> SinkState:
    known = catalog.sinks.progress(name)
    progress = known or SinkProgress(name, catalog.outbox.newest())
    return SinkState(
        name,
        waiting=catalog.sinks.count_waiting(progress, wanted),
        last_success=progress.last_success,
        failures=progress.failures,
        failing_since=progress.failing_since,
        error=progress.error,
        lost=progress.lost,
    )
