"""What takes events, and tables of what is made of each kind of event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from winter_sync.core.events import Event

Sink = Callable[[Event], None]
"""What takes events, one by one: a log, counters, a progress view. It is quick and never fails."""
_Event = TypeVar("_Event")
_Made = TypeVar("_Made")


def fan_out(*sinks: Sink) -> Sink:
    """Return a sink that hands each event to all of these, in their order."""

    def emit(event: Event) -> None:
        for sink in sinks:
            sink(event)

    return emit


class EventTable(Generic[_Made]):
    """What is made of each kind of event: a table from its class to a function."""

    def __init__(self) -> None:
        self._makers: dict[type, Callable[[Any], _Made]] = {}

    def add(self, kind: type[_Event], make: Callable[[_Event], _Made]) -> None:
        """Add a row: what is made of events of a class."""
        self._makers[kind] = make

    def of(self, event: Event) -> _Made | None:
        """Return what is made of an event; None if its class has no row."""
        make = self._makers.get(type(event))
        return make(event) if make else None

    @property
    def kinds(self) -> frozenset[type]:
        """The classes that have a row."""
        return frozenset(self._makers)
