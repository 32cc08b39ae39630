"""A mirror and the archive it mirrors, on one driven clock: what most tests of promises need."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from winter_sync.config import settings as settings_module
from winter_sync.core.clocks import Time
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.factory import open_mirror
from winter_sync.simulator import (
    DEFAULT_PASSWORD,
    DEFAULT_USER,
    Answer,
    Call,
    Faults,
    Observatory,
    Simulator,
    key_of,
)
from winter_sync.sync.poller import Nights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from winter_sync.config.settings import Settings
    from winter_sync.core.events import Event
    from winter_sync.core.products import Night, Product
    from winter_sync.sync.engine import Mirror
    from winter_sync.sync.report import Report

EVERYTHING = {"image_types": list(ImageType), "instruments": list(Instrument)}


class Noted(Faults):
    """Faults that only note which savepaths each download asked for."""

    def __init__(self) -> None:
        self.downloads: list[tuple[str, ...]] = []

    async def before_zip(self, call: Call) -> Answer | None:
        """Note a download."""
        self.downloads.append(call.savepaths)
        return None

    @property
    def asked(self) -> Counter[str]:
        """How often each savepath was asked for."""
        return Counter(path for paths in self.downloads for path in paths)


class Rig:
    """A simulator, a root, and a way to run the mirror once.

    The mirror's clock is the observatory's, so `advance` moves both; waiting takes no time and is
    noted in `waits`.
    """

    def __init__(self, simulator: Simulator, root: Path) -> None:
        self.simulator = simulator
        self.root = root
        self.events: list[Event] = []
        self.listeners: list[Callable[[Event], None]] = []
        self.waits: list[float] = []
        self.elapsed = 0.0
        self.new_root = False
        self.changes: dict[str, dict[str, Any]] = {}
        self.programs: list[dict[str, Any]] = [
            {"name": record.name, **EVERYTHING} for record in self.observatory.accounts.programs
        ]

    @property
    def observatory(self) -> Observatory:
        """What the simulator serves."""
        return self.simulator.observatory

    def settings(self) -> Settings:
        """Give the settings of the mirror."""
        named = [{"api_key": key_of(one["name"]), **one} for one in self.programs]
        api = {"user": DEFAULT_USER, "password": DEFAULT_PASSWORD, "base_url": self.simulator.url}
        return settings_module.load_settings(
            None,
            {
                "api": {**api, "request_interval": 0, **self.changes.get("api", {})},
                "mirror": {
                    "root": self.root,
                    "min_free": 0,
                    **self.changes.get("mirror", {}),
                },
                "schedule": self.changes.get("schedule", {}),
                "programs": named,
            },
        )

    async def sync(self) -> Report:
        """Run one sync."""
        return await self._run(lambda mirror: mirror.sync())

    async def backfill(self, first: Night, last: Night) -> Report:
        """Run one backfill."""
        return await self._run(lambda mirror: mirror.backfill(Nights(first, last)))

    async def _run(self, work: Callable[[Mirror], Awaitable[Report]]) -> Report:
        async with self.opened() as mirror:
            return await work(mirror)

    def opened(self) -> AbstractAsyncContextManager[Mirror]:
        """Open the mirror."""
        return open_mirror(
            self.settings(),
            self._handle,
            time=self.time,
            new_root=self.new_root,
        )

    @property
    def time(self) -> Time:
        """The mirror's time."""
        return Time(self.observatory.clock.now, lambda: self.elapsed, self._sleep)

    def _handle(self, event: Event) -> None:
        self.events.append(event)
        for listener in self.listeners:
            listener(event)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.elapsed += seconds

    def files(self) -> dict[str, str]:
        """Give the SHA-256 of every file in the tree, by its path below the root."""
        return {
            str(path.relative_to(self.root)): sha256_of_file(path)
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and STATE_DIR not in path.parts
        }

    def truth(self, products: Iterable[Product] | None = None) -> dict[str, str]:
        """Give the same of the archive: all it lists and has, or of the given products."""
        now = self.observatory.clock.now()
        chosen = self.observatory.products() if products is None else products
        return {
            path_of(product): self.observatory.digest(*product.identity).sha256
            for product in chosen
            if not self.observatory.entry(*product.identity).gone(now)
        }

    @property
    def requests(self) -> Counter[str]:
        """How often each endpoint was called."""
        return Counter(record.path for record in self.simulator.requests)


def path_of(product: Product) -> str:
    """Give where a product belongs in a tree of the default layout."""
    return product.savepath.removeprefix("/data/loki/raw_data/").removeprefix("/data/loki/data/")
