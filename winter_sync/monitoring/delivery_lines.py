"""The lines of the event log about the delivery to other programs."""

from __future__ import annotations

from winter_sync.core import DeliveryFailed, DeliveryRecovered, EventsLost, EventTable
from winter_sync.monitoring.log_line import Line, error, info, warning

DELIVERY_LINES = EventTable[tuple[Line, ...]]()
"""The lines of each event of the delivery."""


DELIVERY_LINES.add(
    DeliveryFailed,
    lambda event: warning(
        "events not delivered",
        sink=event.sink,
        reason=event.reason,
        wait_seconds=round(event.wait, 1),
    ),
)
DELIVERY_LINES.add(
    DeliveryRecovered,
    lambda event: info(
        "events delivered again", sink=event.sink, after_seconds=round(event.seconds, 1)
    ),
)
DELIVERY_LINES.add(
    EventsLost,
    lambda event: error(
        "events removed before they were delivered",
        sink=event.sink,
        events=event.events,
        remedy=event.remedy,
    ),
)
