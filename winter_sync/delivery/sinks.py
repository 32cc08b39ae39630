"""Where events are delivered: a command or a webhook, which events, and how many at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from winter_sync.core import EventFilter


class Batching(StrEnum):
    """Which events are delivered together; the words are those of the settings."""

    NONE = "none"
    """Those that wait, as they come."""
    VISIT = "visit"
    """Those of one camera, target and night."""
    NIGHT = "night"
    """Those of one night."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program that is started with arguments, never by a shell."""

    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that events are posted to; printing it shows neither path nor secret."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    """Signs what is posted; None for no signature."""


@dataclass(frozen=True, slots=True)
class EventSink:
    """A sink of events, as the settings describe it.

    Parameters
    ----------
    name
        By which the catalog remembers how far it has got.
    to
        What takes the events.
    wanted
        Which events it takes.
    batching
        Which of them are delivered together.
    at_most
        How many in one call without batching.
    quiet
        A batch is complete when nothing was added to it for this long.
    timeout
        How long one call may take.
    """

    name: str
    to: Command | Webhook
    wanted: EventFilter = field(default_factory=EventFilter)
    batching: Batching = Batching.NONE
    at_most: int = 100
    quiet: timedelta = timedelta(minutes=2)
    timeout: timedelta = timedelta(minutes=1)
