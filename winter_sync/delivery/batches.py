"""Which events are delivered together, and how far a sink has got then: pure decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from winter_sync.core import EventKind
from winter_sync.delivery.sinks import Batching

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.core import EventFilter, OutboxEvent
    from winter_sync.delivery.sinks import EventSink

    Batch = tuple[OutboxEvent, ...]

WINDOW = 2000
"""Events that are looked at together."""
_LONGEST_WAIT = timedelta(hours=1)
"""A batch to which something is added again and again is delivered after this long."""


@dataclass(frozen=True, slots=True)
class Window:
    """Events after the cursor of a sink, in order, and which of them it has.

    Parameters
    ----------
    cursor
        The sink has all events up to this number.
    events
        The next.
    wanted
        Which of them the sink takes.
    done
        The numbers of those that it has already.
    """

    cursor: int
    events: Sequence[OutboxEvent]
    wanted: EventFilter
    done: frozenset[int] = frozenset()

    @property
    def is_full(self) -> bool:
        """Whether there may be more events."""
        return len(self.events) >= WINDOW

    @property
    def waiting(self) -> list[OutboxEvent]:
        """The events to deliver."""
        return [event for event in self.events if self._lacks(event)]

    @property
    def reached(self) -> tuple[int, frozenset[int]]:
        """The number up to which the sink has all it takes, and the numbers beyond that it has."""
        cursor = self.cursor
        for event in self.events:
            if self._lacks(event):
                break
            cursor = event.number
        return cursor, frozenset(number for number in self.done if number > cursor)

    def with_delivered(self, events: Iterable[OutboxEvent]) -> Window:
        """Return the window after some events were delivered."""
        return replace(self, done=self.done | {event.number for event in events})

    def _lacks(self, event: OutboxEvent) -> bool:
        return event.number not in self.done and self.wanted.accepts(event)


def ready_batches(sink: EventSink, window: Window, now: datetime, *, final: bool) -> list[Batch]:
    """Return the batches to deliver now, in the order of their first events.

    Parameters
    ----------
    sink
        Says which events belong together.
    window
        What waits.
    now
        The current time.
    final
        Whether to take incomplete batches, too, because the process is about to end.
    """
    waiting = window.waiting
    if sink.batching is Batching.NONE:
        return [
            tuple(waiting[start : start + sink.at_most])
            for start in range(0, len(waiting), sink.at_most)
        ]
    takes_all = final or window.is_full
    return [
        tuple(group)
        for group in _groups(sink.batching, waiting)
        if takes_all or _is_complete(group, now, sink.quiet)
    ]


def complete_in(sink: EventSink, window: Window, now: datetime) -> timedelta | None:
    """Return in how long the next batch is complete if nothing is added; None if none waits."""
    if sink.batching is Batching.NONE:
        return None
    waits = (
        min(sink.quiet - (now - _at(group[-1])), _LONGEST_WAIT - (now - _at(group[0])))
        for group in _groups(sink.batching, window.waiting)
    )
    return min((max(wait, timedelta(0)) for wait in waits), default=None)


def _groups(batching: Batching, waiting: Iterable[OutboxEvent]) -> Iterable[list[OutboxEvent]]:
    groups: dict[object, list[OutboxEvent]] = {}
    for event in waiting:
        groups.setdefault(_group(batching, event), []).append(event)
    return groups.values()


def _group(batching: Batching, event: OutboxEvent) -> object:
    """Return what the events of a batch have in common; what has no night is alone."""
    fields = event.fields
    night = fields.get("night")
    if night is None:
        return event.number
    if batching is Batching.NIGHT:
        return night
    return fields.get("instrument"), night, fields.get("target")


def _is_complete(group: Sequence[OutboxEvent], now: datetime, quiet: timedelta) -> bool:
    if group[0].fields.get("night") is None:
        return True
    if any(event.kind == EventKind.NIGHT_SETTLED for event in group):
        return True
    # An event of the future was recorded before the clock was set back.
    is_recent = timedelta(0) <= now - _at(group[-1]) < quiet
    return not is_recent or now - _at(group[0]) >= _LONGEST_WAIT


def _at(event: OutboxEvent) -> datetime:
    return datetime.fromisoformat(event.at)
