"""The lines of the event log about nights."""

from __future__ import annotations

from winter_sync.core import EventTable, ManifestsPaused, ManifestWritten
from winter_sync.monitoring.log_line import Line, info, warning

NIGHT_LINES = EventTable[tuple[Line, ...]]()
"""The lines of each event of nights."""


def _manifest_written(event: ManifestWritten) -> tuple[Line, ...]:
    name = "night changed after it was settled" if event.again else "night settled"
    if event.again and event.settled:
        name = "night settled again"
    return info(
        name,
        program=event.program,
        night=event.night.name,
        downloaded=event.downloaded,
        listed=event.listed,
        missing=event.missing,
    )


def _manifests_paused(event: ManifestsPaused) -> tuple[Line, ...]:
    wait = {} if event.wait is None else {"wait_seconds": event.wait}
    return warning("manifests of nights paused", reason=event.reason, remedy=event.remedy, **wait)


NIGHT_LINES.add(ManifestWritten, _manifest_written)
NIGHT_LINES.add(ManifestsPaused, _manifests_paused)
