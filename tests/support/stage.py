"""A mirror and an archive that misbehaves by script, and what must be true whatever happens."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.rig import Rig

# The first product would else take the second that numpy and astropy need to be imported.
import winter_sync.simulator.observatory.contents  # noqa: F401 - see above
from winter_sync.core.events import Received
from winter_sync.core.layout import STATE_DIR
from winter_sync.core.traits import ImageType
from winter_sync.factory import CATALOG
from winter_sync.simulator import (
    DEMO_NIGHT,
    Circumstances,
    Observatory,
    Script,
    Scripted,
    Simulator,
    Universe,
    ZipStyle,
    parse_script,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from winter_sync.core.events import Event
    from winter_sync.core.products import Product
    from winter_sync.formats.zip_stream import Limits
    from winter_sync.simulator import Answer, Call
    from winter_sync.sync.engine import Mirror
    from winter_sync.sync.report import Report

PROGRAM = "2024A000"
TYPES = (ImageType.STACK, ImageType.DIFF, ImageType.AVRO, ImageType.EXPOSURE)
"""Sixteen products in four downloads; the first has the five stacks."""
STREAMED = ZipStyle(built="streamed", chunk_size=4096)
THIRD = "*_mef_3_0_0_stack.fits"
"""The third of the five stacks."""

_PRODUCTS = 60
_TURNS = 1000
"""Of the event loop: many more than a block needs to arrive."""
_NEVER = 60.0
"""No run of a test takes so many real seconds: one that does hangs."""


def fault(script: str, kind: str, *, outcome: str, kept: str, **expected: Any) -> Any:  # noqa: ANN401 - pytest's own
    """Make a row of docs/reliability.md, and of a test: a fault, and what is expected of it."""
    marker = pytest.mark.fault(kind=kind, injected=script, outcome=outcome, kept=kept)
    return pytest.param(script, expected, id=script, marks=marker)


class Watched(Scripted):
    """Faults by script, that also note what each download asked for, and of that what was here."""

    def __init__(self, script: Script, circumstances: Circumstances, stage: Stage) -> None:
        super().__init__(script, circumstances)
        self._stage = stage

    async def before_zip(self, call: Call) -> Answer | None:
        """Note a download before it meets its fate."""
        self._stage.downloads.append(call.savepaths)
        self._stage.asked_needlessly += [
            savepath for savepath in call.savepaths if self._stage.has(savepath)
        ]
        return await super().before_zip(call)

    async def stream(self, call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Count the bytes that are sent."""
        async for chunk in super().stream(call, chunks):
            self._stage.sent += len(chunk)
            yield chunk


class PausingRig(Rig):
    """A rig of which a test may use the waits, and set the bounds on an archive."""

    def __init__(self, simulator: Simulator, root: Path) -> None:
        super().__init__(simulator, root)
        self.in_waits: Callable[[], Awaitable[None]] | None = None
        self.limits: Limits | None = None

    async def _sleep(self, seconds: float) -> None:
        await super()._sleep(seconds)
        if self.in_waits is not None:
            await self.in_waits()

    async def sync(self) -> Report:
        """Run one sync, with other bounds on an archive if a test wants them."""

        async def work(mirror: Mirror) -> Report:
            if self.limits is not None:
                mirror.downloader._fetcher._limits = self.limits
            return await mirror.sync()

        return await self._run(work)


class Reacting(list["Event"]):
    """Events that somebody acts upon at once."""

    def __init__(self, act: Callable[[Event], None]) -> None:
        super().__init__()
        self._act = act

    def append(self, event: Event) -> None:
        """Note an event, and act."""
        super().append(event)
        self._act(event)


@dataclass
class Stage:
    """A simulator, the mirror of it, and the runs so far."""

    rig: PausingRig
    directory: Path
    reports: list[Report] = field(default_factory=list)
    downloads: list[tuple[str, ...]] = field(default_factory=list)
    asked_needlessly: list[str] = field(default_factory=list)
    sent: int = 0
    """Bytes of downloads."""

    @property
    def products(self) -> list[Product]:
        """What is to be mirrored."""
        listed = self.rig.observatory.products(PROGRAM)
        return [product for product in listed if product.image_type in TYPES]

    @property
    def stacks(self) -> list[Product]:
        """The five stacks, asked for first and together."""
        return [one for one in self.products if one.image_type is ImageType.STACK]

    @property
    def missed(self) -> set[str]:
        """What of that is not in the tree."""
        return set(self.rig.truth(self.products)) - set(self.rig.files())

    @property
    def asked_again(self) -> int:
        """How many products were asked for more than once."""
        asked = Counter(path for paths in self.downloads for path in paths)
        return sum(times > 1 for times in asked.values())

    @property
    def faults(self) -> Watched:
        """What goes wrong at present."""
        faults = self.rig.simulator.faults
        assert isinstance(faults, Watched)
        return faults

    def has(self, savepath: str) -> bool:
        """Tell whether a product is in the tree."""
        below = savepath.removeprefix("/data/loki/raw_data/").removeprefix("/data/loki/data/")
        return (self.rig.root / below).exists()

    def misbehave(
        self, script: str, sleep: Callable[[float], Awaitable[object]] | None = None
    ) -> None:
        """Let something else go wrong from now on; `""` for nothing."""
        circumstances = Circumstances(now=self.rig.observatory.clock.now, sleep=sleep or self._drip)
        rules = parse_script(script).rules if script else ()
        self.rig.simulator.faults = Watched(Script(rules), circumstances, self)

    async def _drip(self, seconds: float) -> None:
        """Let time pass as soon as the mirror has what was sent, and so waits for more."""
        for _ in range(_TURNS):
            if sum(one.size for one in self.rig.events if isinstance(one, Received)) >= self.sent:
                break
            await asyncio.sleep(0)
        self.rig.elapsed += seconds

    async def run(self) -> Report:
        """Run the mirror once; nothing may be amiss afterwards."""
        async with asyncio.timeout(_NEVER):
            report = await self.rig.sync()
        self.reports.append(report)
        self.check()
        return report

    async def run_after(self, wait: timedelta = timedelta(hours=25)) -> Report:
        """Let time pass, and run the mirror again.

        Unless told otherwise, more than the longest wait before a product is asked for again.
        """
        self.rig.observatory.clock.advance(wait)
        return await self.run()

    def check(self) -> None:
        """Make sure of what must be true after every run, whatever went wrong in it."""
        files, truth = self.rig.files(), self.rig.truth(self.products)
        assert files.items() <= truth.items(), "a file in the tree is not the archive's"
        assert not self.asked_needlessly, "what was here was asked for again"
        assert {path.name for path in self.directory.iterdir()} == {self.rig.root.name}
        assert {path.name for path in self.ours.iterdir()} == _OURS
        assert not list((self.ours / "staging").iterdir()), "something was left in staging"

    @property
    def ours(self) -> Path:
        """The directory beside the tree."""
        return self.rig.root / STATE_DIR

    def waits_until(self, savepath: str) -> tuple[int, datetime]:
        """Give how often a product has failed, and when it may be asked for again, if ever said."""
        with closing(sqlite3.connect(self.ours / CATALOG)) as catalog:
            sql = "SELECT attempts, not_before FROM products WHERE savepath = ?"
            attempts, not_before = catalog.execute(sql, [savepath]).fetchone()
        return attempts, datetime.fromisoformat(not_before or "2000-01-01T00:00:00+00:00")


_OURS = {"catalog.sqlite3", "mirror.json", "sessions.lock", "staging"}


def a_port_of_our_own() -> int:
    """Give a free port that no connection is given by chance, so that it can be come back to.

    The system takes the ports of its connections from 32768 upwards.
    """
    for port in range(20_000 + os.getpid() * 101 % 10_000, 32_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("there is no free port below 32000")


@asynccontextmanager
async def staged(
    directory: Path, script: str = "", *, style: ZipStyle = STREAMED, **api: object
) -> AsyncIterator[Stage]:
    """Set the stage: an archive of one night in which what a script says goes wrong."""
    universe = Universe(nights=(DEMO_NIGHT,), products_a_night=_PRODUCTS, gone_fraction=0)
    port = a_port_of_our_own()
    async with Simulator(Observatory(universe), port=port, zip_style=style) as simulator:
        rig = PausingRig(simulator, directory / "winter")
        rig.programs = [{"name": PROGRAM, "image_types": list(TYPES)}]
        rig.changes["api"] = api
        stage = Stage(rig, directory)
        stage.misbehave(script)
        yield stage
