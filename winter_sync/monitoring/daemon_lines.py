"""The lines of the event log about the life of the daemon."""

from __future__ import annotations

from winter_sync.core import (
    ClockJumped,
    DayEnded,
    EventTable,
    NarrowCones,
    PagesOpen,
    PagesServed,
    Recovered,
    Reloading,
    ReloadRefused,
    Resumed,
    Stalled,
    Started,
    Stopped,
    Stopping,
)
from winter_sync.monitoring.log_line import Line, error, info, warning

DAEMON_LINES = EventTable[tuple[Line, ...]]()
"""The lines of each event of the daemon."""


DAEMON_LINES.add(
    Recovered,
    lambda event: info("recovered after crash", adopted=event.adopted, released=event.released),
)
DAEMON_LINES.add(
    Started, lambda event: info("started", root=event.root, programs=list(event.programs))
)
DAEMON_LINES.add(Stopping, lambda event: info("stopping", grace_seconds=event.grace))
DAEMON_LINES.add(Stopped, lambda event: info("stopped", published=event.published, size=event.size))
DAEMON_LINES.add(Reloading, lambda event: info("settings reloaded", grace_seconds=event.grace))
DAEMON_LINES.add(
    ReloadRefused,
    lambda event: error(
        "new settings refused; the old ones stay in use", reason=event.reason, remedy=event.remedy
    ),
)
DAEMON_LINES.add(
    Stalled,
    lambda event: (
        Line("critical", "stalled; exiting to be restarted", {"troubles": list(event.troubles)}),
    ),
)
DAEMON_LINES.add(
    DayEnded,
    lambda event: info("day ended", **{name: getattr(event, name) for name in event.__slots__}),
)
DAEMON_LINES.add(
    ClockJumped,
    lambda event: warning("clock jumped; polling now", seconds=round(event.seconds, 1)),
)
DAEMON_LINES.add(
    Resumed,
    lambda event: warning("resumed after being suspended", seconds=round(event.seconds, 1)),
)
DAEMON_LINES.add(
    NarrowCones,
    lambda event: warning(
        "cones may miss boards, as these types are listed at the pointing",
        program=event.program,
        image_types=list(event.image_types),
        remedy=event.remedy,
    ),
)
DAEMON_LINES.add(
    PagesServed,
    lambda event: info(
        "pages served", address=f"http://{event.address}/", needs_token=event.needs_token
    ),
)
DAEMON_LINES.add(
    PagesOpen,
    lambda event: warning(
        "other machines may reach the pages, which ask for no token",
        listen=event.listen,
        remedy=event.remedy,
    ),
)
