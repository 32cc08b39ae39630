"""The events of the delivery to other programs, and of the space on the disk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeliveryFailed:
    """A sink did not take events; they are delivered again after `wait` s, 0 for the next run."""

    sink: str
    reason: str
    wait: float


@dataclass(frozen=True, slots=True)
class DeliveryRecovered:
    """A sink takes events again, after the given number of seconds."""

    sink: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EventsLost:
    """Events were removed, because there were too many, before a sink had them."""

    sink: str
    events: int

    @property
    def remedy(self) -> str:
        """What to do."""
        return "Correct the sink, or remove it from the settings; `winter-sync status` says why."


@dataclass(frozen=True, slots=True)
class SpaceChecked:
    """So many bytes are free on the disk of the mirror, and so many must stay free."""

    free: int
    min_free: int
