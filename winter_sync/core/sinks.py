"""Where events go: sinks, how an event reaches several, and tables by the class of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from winter_sync.core.events import Event

_Event = TypeVar("_Event")
_Made = TypeVar("_Made")


class Sink(Protocol):
    """Receives events, one by one: a log, counters, a progress view. It is quick and never fails.

    Whoever emits is given one sink. Where several must receive the same events, `fan_out` joins
    them: once for a command, once for the daemon, and once where a mirror is opened, which records
    some of them.
    """

    def __call__(self, event: Event, /) -> None:
        """Receive an event."""


def fan_out(*sinks: Sink) -> Sink:
    """Return a sink that passes each event to all of these, in their order."""

    def emit(event: Event) -> None:
        for sink in sinks:
            sink(event)

    return emit


class EventTable(Generic[_Made]):
    """What is made of each kind of event: a table from its class to a function.

    Parameters
    ----------
    parts
        Tables whose rows this one has, too.
    """

    def __init__(self, *parts: EventTable[_Made]) -> None:
        self._makers: dict[type, Callable[[Any], _Made]] = {}
        for part in parts:
            self._makers.update(part.rows)

    def add(self, kind: type[_Event], make: Callable[[_Event], _Made]) -> None:
        """Add a row: what is made of events of a class."""
        self._makers[kind] = make

    def of(self, event: Event) -> _Made | None:
        """Return what is made of an event; None if its class has no row."""
        make = self._makers.get(type(event))
        return make(event) if make else None

    @property
    def rows(self) -> Mapping[type, Callable[[Any], _Made]]:
        """The rows: the function of each class."""
        return self._makers

    @property
    def kinds(self) -> frozenset[type]:
        """The classes that have a row."""
        return frozenset(self._makers)
