"""The lines of the event log about the archive's server."""

from __future__ import annotations

from winter_sync.core import (
    ClocksDiffer,
    ConnectionsChanged,
    EventTable,
    Retrying,
    ServerFailing,
    ServerRecovered,
    show_duration,
)
from winter_sync.monitoring.log_line import Line, coded, debug, info, warning

SERVER_LINES = EventTable[tuple[Line, ...]]()
"""The lines of each event of the server."""


SERVER_LINES.add(
    Retrying,
    lambda event: debug(
        "retrying",
        reason=event.reason,
        wait_seconds=round(event.wait, 1),
        **coded(event.code),
    ),
)
SERVER_LINES.add(
    ServerFailing,
    lambda event: warning(
        "server not responding or returning errors",
        reason=event.reason,
        wait_seconds=round(event.wait, 1),
        **coded(event.code),
    ),
)
SERVER_LINES.add(
    ServerRecovered,
    lambda event: info("server recovered", after_seconds=round(event.seconds, 1)),
)
SERVER_LINES.add(
    ConnectionsChanged,
    lambda event: debug(
        "simultaneous downloads changed",
        allowed=event.allowed,
        most=event.most,
        **({} if event.reason is None else {"reason": event.reason}),
    ),
)
SERVER_LINES.add(
    ClocksDiffer,
    lambda event: warning(
        "this machine's clock and the archive's differ; check NTP here",
        differ=show_duration(abs(event.seconds)),
        used="this machine's date",
    ),
)
