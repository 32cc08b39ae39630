"""A daemon and the archive it mirrors, both on driven time: what tests of the daemon need."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.rig import path_of

from winter_sync.catalog.catalog import Catalog
from winter_sync.config import settings as settings_module
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.daemon import Configuration, Service
from winter_sync.daemon.systemd import SystemdNotifier
from winter_sync.factory import CATALOG
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Observatory,
    SimulatedClock,
    Simulator,
    Universe,
    key_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime
    from pathlib import Path

    from support.driven import DrivenTime

    from winter_sync.core.events import Event
    from winter_sync.core.products import Product
    from winter_sync.simulator import Faults


@dataclass
class Keeper:
    """A daemon that can be begun, told things, and ended; and its archive."""

    time: DrivenTime
    simulator: Simulator
    root: Path
    changes: dict[str, Any] = field(default_factory=dict)
    """What of the settings differs from the usual; a reload reads it again."""
    events: list[tuple[datetime, Event]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    listeners: list[Callable[[Event], None]] = field(default_factory=list)

    @property
    def observatory(self) -> Observatory:
        """What the simulator serves."""
        return self.simulator.observatory

    def configuration(self) -> Configuration:
        """Give the settings as they are now."""
        usual: dict[str, dict[str, Any]] = {
            "api": {
                "user": DEFAULT_USER,
                "password": DEFAULT_PASSWORD,
                "base_url": self.simulator.url,
            },
            "mirror": {"root": self.root, "min_free": 0},
            "schedule": {},
            "daemon": {},
            "http": {"listen": "127.0.0.1:0"},
        }
        given = {name: {**table, **self.changes.get(name, {})} for name, table in usual.items()}
        programs = self.changes.get("programs") or [{"name": "2024A000"}]
        keyed = [{"api_key": key_of(one["name"]), **one} for one in programs]
        return Configuration.check(
            settings_module.load_settings(None, {**given, "programs": keyed})
        )

    def service(self, notifier: SystemdNotifier | None = None) -> Service:
        """Make a daemon."""
        return Service(
            self.configuration,
            emit=self._handle,
            notifier=notifier or SystemdNotifier(),
            time=self.time.bundle,
            end=self._end,
        )

    @asynccontextmanager
    async def keeping(self, notifier: SystemdNotifier | None = None) -> AsyncIterator[Service]:
        """Run a daemon, and end it with grace."""
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
        self.events.append((self.time.true(), event))
        for listener in self.listeners:
            listener(event)

    def _end(self, code: int) -> Any:  # noqa: ANN401 - it never returns in truth
        self.ends.append(code)

    def told(self, kind: type[Event]) -> list[Any]:
        """Give the events of a kind."""
        return [event for _, event in self.events if isinstance(event, kind)]

    def files(self) -> dict[str, str]:
        """Give the SHA-256 of every file in the tree, by its path below the root."""
        return {
            str(path.relative_to(self.root)): sha256_of_file(path)
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and STATE_DIR not in path.parts
        }

    def leases(self) -> list[str]:
        """Give the sessions that have products on lease."""
        catalog = Catalog(self.root / STATE_DIR / CATALOG, self.time.wall)
        try:
            return catalog.queue.claimants()
        finally:
            catalog.close()

    def truth(self, products: list[Product]) -> dict[str, str]:
        """Give the same of products of the archive, less those whose file is gone."""
        now = self.time.true()
        return {
            path_of(product): self.observatory.digest(*product.identity).sha256
            for product in products
            if not self.observatory.entry(*product.identity).gone(now)
        }


@asynccontextmanager
async def kept(
    time: DrivenTime,
    universe: Universe,
    directory: Path,
    *,
    faults: Faults | None = None,
    date: str | None = None,
) -> AsyncIterator[Keeper]:
    """Set up an archive on driven time, and a daemon that may be begun."""
    clock = SimulatedClock(time.start, rate=1.0, source=time.loop.time)
    observatory = Observatory(universe, clock=clock)
    async with Simulator(observatory, faults=faults, date=date) as simulator:
        yield Keeper(time, simulator, directory / "winter")
