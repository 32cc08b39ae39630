"""The configuration in force, and reading it again while the daemon runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import (
    Reloading,
    ReloadRefused,
    Sink,
    WinterSyncError,
    storage_errors_explained,
)
from winter_sync.daemon.lock import check_root_is_free
from winter_sync.web import Access, refuse_unprotected, try_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from winter_sync.config import Settings
    from winter_sync.daemon.configuration import Configuration
    from winter_sync.daemon.systemd import SystemdNotifier


class Reloader:
    """Reads the configuration again, and puts it in force if it is right.

    Parameters
    ----------
    configuration
        What is in force at first.
    load
        Reads the settings and checks them.
    emit
        Receives the events.
    notifier
        Reports to systemd.
    clock
        Returns the current UTC time.
    """

    def __init__(
        self,
        configuration: Configuration,
        load: Callable[[], Configuration],
        *,
        emit: Sink,
        notifier: SystemdNotifier,
        clock: Callable[[], datetime],
    ) -> None:
        self.configuration = configuration
        self._load = load
        self._emit = emit
        self._notifier = notifier
        self._clock = clock

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.configuration.settings

    @property
    def access(self) -> Access:
        """What protects the pages."""
        return self.configuration.access

    async def reload(self) -> bool:
        """Read the configuration again; return False if it is wrong, and the old one stays."""
        self._notifier.reloading()
        try:
            with storage_errors_explained(self.settings.root):
                configuration = self._load()
            self._check_root(configuration.settings.root)
            await self._check_listening(configuration)
        except WinterSyncError as wrong:
            self._emit(ReloadRefused(wrong.message, wrong.remedy))
            self._notifier.ready()
            return False
        self.configuration = configuration
        self._emit(Reloading(self.settings.daemon.grace.total_seconds()))
        return True

    def _check_root(self, root: Path) -> None:
        if root != self.settings.root:
            check_root_is_free(root, self._clock())

    async def _check_listening(self, new: Configuration) -> None:
        listen = new.settings.http.listen
        await refuse_unprotected(listen, new.access)
        if listen != self.settings.http.listen:
            await try_address(listen, new.access)
