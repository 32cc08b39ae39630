"""The event log: a line for every event worth knowing.

The names of the lines are read by scripts: they change only with an entry in the changelog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import EventTable
from winter_sync.monitoring.daemon_lines import DAEMON_LINES
from winter_sync.monitoring.delivery_lines import DELIVERY_LINES
from winter_sync.monitoring.download_lines import DOWNLOAD_LINES
from winter_sync.monitoring.file_lines import FILE_LINES
from winter_sync.monitoring.night_lines import NIGHT_LINES
from winter_sync.monitoring.poll_lines import POLL_LINES
from winter_sync.monitoring.server_lines import SERVER_LINES

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from winter_sync.core import Event, Sink

LINES = EventTable(
    *(POLL_LINES, SERVER_LINES, DOWNLOAD_LINES, FILE_LINES),
    *(NIGHT_LINES, DELIVERY_LINES, DAEMON_LINES),
)
"""The lines of each kind of event."""


def log_events(logger: FilteringBoundLogger) -> Sink:
    """Return the sink that writes the lines of each event to a log.

    Events that are too many or too small for a log have none.
    """

    def write(event: Event) -> None:
        for line in LINES.of(event) or ():
            getattr(logger, line.level)(line.name, **line.fields)

    return write
