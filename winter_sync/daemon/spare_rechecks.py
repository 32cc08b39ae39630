"""The daemon's slow recheck: files compared with the archive although no mark changed."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from winter_sync.catalog import Refetches
from winter_sync.core import Refetch, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from winter_sync.core import Time
    from winter_sync.sync import Coordination, Mirror

_LOOK_EVERY = timedelta(minutes=10)
_UNCONFIRMED_FOR = timedelta(days=1)
_DAY = timedelta(days=1)


class SpareRechecks:
    """Has the least recently confirmed products fetched again, spread over the day.

    Parameters
    ----------
    mirror, coordination
        The mirror, and what wakes its downloads.
    per_day
        Bytes a day (UTC); more than 0.
    is_busy
        Returns whether something is being downloaded.
    time
        A clock, and how to wait.
    """

    def __init__(
        self,
        mirror: Mirror,
        coordination: Coordination,
        per_day: int,
        is_busy: Callable[[], bool],
        time: Time,
    ) -> None:
        self._mirror = mirror
        self._coordination = coordination
        self._per_day = per_day
        self._is_busy = is_busy
        self._time = time

    async def run(self) -> None:
        """Ask for some products now and then, until cancelled."""
        while True:
            if not self._is_busy():
                await self._ask_for_some()
            await self._time.sleep(_LOOK_EVERY.total_seconds())

    async def _ask_for_some(self) -> None:
        catalog, scope = self._mirror.catalog, self._mirror.scope
        try:
            spent = await catalog.refetches(Refetches.size_today, Refetch.SPARE)
            due = due_by_now(self._per_day, self._time.clock()) - spent
            asked = await catalog.refetches(
                Refetches.ask_least_recent, scope, due, unconfirmed_for=_UNCONFIRMED_FOR
            )
        except StorageError:
            return  # whatever else the daemon does with the catalog says so, and pauses
        if asked:
            self._coordination.wake()


def due_by_now(per_day: int, now: datetime) -> int:
    """Return how many of the bytes of a day (UTC) may have been fetched by now."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(per_day * ((now - midnight) / _DAY))
