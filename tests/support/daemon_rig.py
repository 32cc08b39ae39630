"""A rig with a daemon, both on driven time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from support.rig import Rig

from winter_sync.daemon import Configuration, Service, SystemdNotifier
from winter_sync.simulator import Observatory, SimulatedClock, Simulator, Universe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from support.driven import DrivenTime

    from winter_sync.core import Event, Time
    from winter_sync.simulator import Faults


class DaemonRig(Rig):
    """A rig whose daemon can be started, reloaded and stopped; a reload reads `changes` again."""

    def __init__(self, driven: DrivenTime, simulator: Simulator, root: Path) -> None:
        super().__init__(simulator, root)
        self.driven = driven
        self.programs = [{"name": "2024A000"}]
        self.timed_events: list[tuple[datetime, Event]] = []
        """Each event with the true time at which it was emitted."""
        self.exits: list[int] = []
        """The codes with which the daemon ended the process at once."""

    @property
    def time(self) -> Time:
        """The driven time of the daemon."""
        return self.driven.bundle

    def _defaults(self) -> dict[str, dict[str, Any]]:
        sections = {**super()._defaults(), "http": {"listen": "127.0.0.1:0"}}
        del sections["api"]["request_interval"]
        return sections

    def configuration(self) -> Configuration:
        """Return the configuration of the daemon as it is now."""
        return Configuration.check(self.settings())

    def service(self, notifier: SystemdNotifier | None = None) -> Service:
        """Return a daemon that is not running yet."""
        return Service(
            self.configuration,
            emit=self._handle,
            notifier=notifier or SystemdNotifier(),
            time=self.time,
            end=self._exit,
        )

    @asynccontextmanager
    async def running(self, notifier: SystemdNotifier | None = None) -> AsyncIterator[Service]:
        """Run a daemon, and stop it with grace."""
        service = self.service(notifier)
        life = asyncio.create_task(service.run())
        try:
            yield service
            if not service.signals.stopping:
                service.signals.stop()
            await life
        finally:
            life.cancel()
            await asyncio.wait({life})

    def _handle(self, event: Event) -> None:
        self.timed_events.append((self.driven.true(), event))
        super()._handle(event)

    def _exit(self, code: int) -> Any:  # noqa: ANN401 - it never returns in truth
        self.exits.append(code)


@asynccontextmanager
async def daemon_rig(
    driven: DrivenTime,
    universe: Universe,
    directory: Path,
    *,
    faults: Faults | None = None,
    date: str | None = None,
) -> AsyncIterator[DaemonRig]:
    """Serve an archive on driven time, and yield a rig whose daemon mirrors it."""
    clock = SimulatedClock(driven.start, rate=1.0, source=driven.loop.time)
    observatory = Observatory(universe, clock=clock)
    async with Simulator(observatory, faults=faults, date=date) as simulator:
        yield DaemonRig(driven, simulator, directory / "winter")
