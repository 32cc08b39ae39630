"""A rig for tests: a simulated archive, a root, and ways to mirror one into the other.

`Rig` runs single syncs and backfills on the observatory's clock. `support.daemon_rig` adds the
daemon on driven time; `support.faulty_rig` adds faults by script, and checks after every run. All
have the same words for what a test sets (`changes`, `programs`), for what it looks at (`events`,
`files`, `truth`, `leases`), and for the archive (`simulator`, `observatory`).
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.catalog import Catalog
from winter_sync.config import settings as settings_module
from winter_sync.core.clocks import Time
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import CATALOG, STATE_DIR
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
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from winter_sync.config.settings import Settings
    from winter_sync.core import Event, EventKind
    from winter_sync.core.products import Night, Product
    from winter_sync.sync.engine import Mirror
    from winter_sync.sync.report import Report

EVERYTHING = {"image_types": list(ImageType), "instruments": list(Instrument)}


class DownloadLog(Faults):
    """Faults that only record which savepaths each download asked for."""

    def __init__(self) -> None:
        self.downloads: list[tuple[str, ...]] = []

    async def before_zip(self, call: Call) -> Answer | None:
        """Record a download."""
        self.downloads.append(call.savepaths)
        return None

    @property
    def asked(self) -> Counter[str]:
        """How often each savepath was asked for."""
        return times_asked(self.downloads)


class Rig:
    """A simulated archive, a root, and ways to mirror one into the other once.

    The mirror's clock is the observatory's, so `advance` moves both; waiting takes no time and is
    recorded in `waits`.
    """

    def __init__(self, simulator: Simulator, root: Path) -> None:
        self.simulator = simulator
        self.root = root
        self.events: list[Event] = []
        self.listeners: list[Callable[[Event], None]] = []
        """Called with each event after it is in `events`."""
        self.waits: list[float] = []
        self.in_waits: Callable[[], Awaitable[None]] | None = None
        """Called in each wait, if set."""
        self.elapsed = 0.0
        self.new_root = False
        self.accept_withdrawals = False
        self.changes: dict[str, dict[str, Any]] = {}
        """How the settings differ from the defaults of the rig, by section."""
        self.programs: list[dict[str, Any]] = [
            {"name": record.name, **EVERYTHING} for record in self.observatory.accounts.programs
        ]

    @property
    def observatory(self) -> Observatory:
        """The observatory that the simulator serves."""
        return self.simulator.observatory

    @property
    def time(self) -> Time:
        """The mirror's time."""
        return Time(self.observatory.clock.now, lambda: self.elapsed, self._sleep)

    # --- settings --------------------------------------------------------------------------------

    def settings(self) -> Settings:
        """Return the settings of the mirror as they are now."""
        return settings_module.load_settings(None, self.sections())

    def sections(self) -> dict[str, Any]:
        """Return the same as the sections of a settings file."""
        sections = self._defaults()
        given = {name: {**table, **self.changes.get(name, {})} for name, table in sections.items()}
        programs = [{"api_key": key_of(program["name"]), **program} for program in self.programs]
        return {**given, "programs": programs}

    def _defaults(self) -> dict[str, dict[str, Any]]:
        return {
            "api": {
                "user": DEFAULT_USER,
                "password": DEFAULT_PASSWORD,
                "base_url": self.simulator.url,
                "request_interval": 0,
            },
            "mirror": {"root": self.root, "min_free": 0},
            "schedule": {},
            "daemon": {},
            "facts": {"enabled": False},
            "too": {},
        }

    # --- runs ------------------------------------------------------------------------------------

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
            accept_withdrawals=self.accept_withdrawals,
        )

    def _handle(self, event: Event) -> None:
        self.events.append(event)
        for listener in self.listeners:
            listener(event)

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.elapsed += seconds
        if self.in_waits is not None:
            await self.in_waits()

    # --- results ---------------------------------------------------------------------------------

    def emitted(self, kind: type[Event]) -> list[Any]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def files(self) -> dict[str, str]:
        """Return the SHA-256 of every file in the tree, by its path below the root."""
        return {
            str(path.relative_to(self.root)): sha256_of_file(path)
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and STATE_DIR not in path.parts
        }

    def truth(self, products: Iterable[Product] | None = None) -> dict[str, str]:
        """Return the same of the archive: of all it lists and has, or of the given products."""
        now = self.observatory.clock.now()
        chosen = self.observatory.products() if products is None else products
        return {
            path_of(product): self.observatory.digest(*product.identity).sha256
            for product in chosen
            if not self.observatory.entry(*product.identity).gone(now)
        }

    def outbox(self, *kinds: EventKind) -> list[Any]:
        """Return the events for other programs, of these kinds or all."""
        with self.catalog() as catalog:
            events = catalog.outbox.since(0, 100_000)
        return [event for event in events if not kinds or event.kind in kinds]

    @contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """Open the catalog of the mirror."""
        catalog = Catalog(self.root / STATE_DIR / CATALOG, self.time.clock)
        try:
            yield catalog
        finally:
            catalog.close()

    def leases(self) -> list[str]:
        """Return the sessions that have products on lease."""
        with self.catalog() as catalog:
            return catalog.queue.claimants()

    @property
    def requests(self) -> Counter[str]:
        """How often each endpoint was called."""
        return Counter(record.path for record in self.simulator.requests)


def times_asked(downloads: Iterable[tuple[str, ...]]) -> Counter[str]:
    """Return how often each savepath was asked for."""
    return Counter(savepath for savepaths in downloads for savepath in savepaths)


def path_of(product: Product) -> str:
    """Return where a product belongs in a tree of the default layout."""
    return path_of_savepath(product.savepath)


def path_of_savepath(savepath: str) -> str:
    """Return where a savepath belongs in a tree of the default layout."""
    return savepath.removeprefix("/data/loki/raw_data/").removeprefix("/data/loki/data/")
