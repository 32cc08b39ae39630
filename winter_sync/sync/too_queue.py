"""The observatory's queue of requests, asked now and then: it costs nothing else when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.catalog import ToOQueue
from winter_sync.core import StorageError, ToOQueueRead, WinterSyncError

if TYPE_CHECKING:
    from datetime import timedelta

    from winter_sync.core import Time, ToORequest
    from winter_sync.sync.engine import Mirror

_MOST_SCHEDULES = 50
_MOST_REQUESTS = 200
"""So many of a program are followed: each costs a question to the catalog whenever they are shown,
and a program's queue of a season has some dozens."""


async def read_too_queue(mirror: Mirror) -> None:
    """Read what the queue has for each program, and record it; failures are only reported.

    Raises
    ------
    StorageError
        If the catalog cannot be written.
    """
    if mirror.api.server.is_held:
        return
    for program in dict.fromkeys(selection.program for selection in mirror.selections):
        try:
            requests = await _requests(mirror, program)
        except StorageError:
            raise
        except WinterSyncError as error:
            mirror.emit(ToOQueueRead(program, 0, error.message))
            continue
        await mirror.catalog.too(ToOQueue.record, program, requests)
        mirror.emit(ToOQueueRead(program, len(requests)))


async def _requests(mirror: Mirror, program: str) -> list[ToORequest]:
    """Return the requests of a program, as many as are followed."""
    found: list[ToORequest] = []
    for schedule in (await mirror.api.too_schedules(program))[:_MOST_SCHEDULES]:
        found += await mirror.api.too_requests(program, schedule)
        if len(found) >= _MOST_REQUESTS:
            break
    return found[:_MOST_REQUESTS]


async def read_too_queue_repeatedly(mirror: Mirror, every: timedelta, time: Time) -> None:
    """Read the queue at once, and again after each interval."""
    while True:
        await read_too_queue(mirror)
        await time.sleep(every.total_seconds())
