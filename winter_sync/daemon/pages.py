"""What the pages show of a daemon: its health, metrics and status, and the site for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, StorageError
from winter_sync.monitoring import Metrics, Watched, read_last_night, read_status, status_as_json
from winter_sync.pages import MirrorSite, PageContext, Transfers
from winter_sync.web import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from winter_sync.catalog import CatalogThread
    from winter_sync.config import Settings
    from winter_sync.monitoring import NightState


class DaemonPages:
    """Reads what the pages show from the catalog, the metrics and the watchdog.

    Parameters
    ----------
    settings
        Returns the settings in force.
    metrics
        The metrics of the daemon.
    health
        Returns what is stuck, a sentence each; nothing if all is well.
    clock
        Returns the current UTC time.
    monotonic
        Returns a time in seconds that never goes back.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        metrics: Metrics,
        health: Callable[[], Sequence[str]],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self.reader: CatalogThread | None = None
        """Reads the catalog, while it is open."""
        self.not_ready: str | None = "it is beginning"
        """Why the daemon is not ready; None if it is."""
        self.transfers = Transfers(clock)
        """The downloads that are under way; it receives the events."""
        self._site = MirrorSite(self._context, clock, monotonic)
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._clock = clock

    @property
    def sources(self) -> Sources:
        """The same, as the HTTP server takes it."""
        return Sources(
            health=self._health,
            readiness=lambda: [self.not_ready] if self.not_ready else [],
            metrics=self.read_metrics,
            status=self.read_status,
            site=self._site,
        )

    async def close_catalog(self) -> None:
        """Read the catalog no more, until a mirror is opened again."""
        self.reader = None
        self.transfers.clear()
        await self._site.close_catalog()

    def _context(self) -> PageContext:
        settings = self._settings()
        closed = (self.not_ready or "it is being opened") if self.reader is None else None
        return PageContext(
            root=settings.root,
            state=settings.state,
            follow_links=settings.mirror.follow_links,
            selections=tuple(settings.selections),
            sinks=settings.sink_filters,
            previews=int(settings.pages.previews),
            sia2=settings.pages.sia2,
            min_free=int(settings.mirror.min_free),
            has_daemon=True,
            not_ready=closed,
            troubles=tuple(self._health()),
            transfers=self.transfers.now,
        )

    async def last_night(self) -> NightState | None:
        """Return how the last night stands; None while the catalog is not open.

        Raises
        ------
        StorageError
            If the catalog cannot be read.
        """
        if self.reader is None:
            return None
        return await read_last_night(self.reader, self._settings().selections, self._clock())

    async def read_metrics(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        settings = self._settings()
        return await self._metrics.page(
            Watched(
                self.reader,
                settings.selections,
                settings.root,
                settings.mirror.min_free,
                sinks=settings.sink_filters,
                previews=self._site.preview_counts,
            )
        )

    async def read_status(self) -> str:
        """Return the status as JSON.

        Raises
        ------
        StorageError
            If the catalog cannot be read now.
        """
        if self.reader is None:
            raise StorageError(
                self.not_ready or "the catalog is not open", code=ErrorCode.PAGE_NOT_READY
            )
        settings = self._settings()
        status = await read_status(
            self.reader, settings.selections, self._clock(), settings.sink_filters
        )
        return status_as_json(status)
