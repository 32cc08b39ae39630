"""A rig with faults by script, and what must be true whatever happens."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from contextlib import asynccontextmanager, closing, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.rig import Rig, path_of_savepath, times_asked
from support.tables import products_where

# The first product would else take the second that numpy and astropy need to be imported.
import winter_sync.simulator.observatory.contents  # noqa: F401 - see above
from winter_sync.core import Received
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.traits import ImageType
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
from winter_sync.sync.transfer_record import SERVER_RECORD

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from winter_sync.core.products import Product
    from winter_sync.formats.zip_output import Limits
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
_HANG_SECONDS = 60.0
"""No run of a test takes this long in real time: one that does hangs."""
_OURS = {"catalog.sqlite3", "mirror.json", "sessions.lock", "staging"}


def fault(script: str, kind: str, *, outcome: str, kept: str, **expected: Any) -> Any:  # noqa: ANN401 - pytest's own
    """Return a row of docs/reliability.md and of a test: a fault, and what is expected of it."""
    marker = pytest.mark.fault(kind=kind, injected=script, outcome=outcome, kept=kept)
    return pytest.param(script, expected, id=script, marks=marker)


class RecordedFaults(Scripted):
    """Faults by script that record each download in the rig, and what of it was not needed."""

    def __init__(self, script: Script, circumstances: Circumstances, rig: FaultyRig) -> None:
        super().__init__(script, circumstances)
        self._rig = rig

    async def before_zip(self, call: Call) -> Answer | None:
        """Record a download before a fault strikes it."""
        self._rig.downloads.append(call.savepaths)
        self._rig.asked_needlessly += [
            savepath for savepath in call.savepaths if self._rig.has(savepath)
        ]
        return await super().before_zip(call)

    async def stream(self, call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Count the bytes that are sent."""
        async for chunk in super().stream(call, chunks):
            self._rig.sent += len(chunk)
            yield chunk


class FaultyRig(Rig):
    """A rig that injects faults by script, and checks the mirror after every run."""

    def __init__(self, simulator: Simulator, root: Path) -> None:
        super().__init__(simulator, root)
        self.programs = [{"name": PROGRAM, "image_types": list(TYPES)}]
        self.limits: Limits | None = None
        """Bounds on an archive, if others than usual."""
        self.reports: list[Report] = []
        self.downloads: list[tuple[str, ...]] = []
        self.asked_needlessly: list[str] = []
        """Savepaths that were asked for although they were in the tree."""
        self.sent = 0
        """Bytes of downloads."""

    # --- faults ----------------------------------------------------------------------------------

    @property
    def faults(self) -> RecordedFaults:
        """The faults at present."""
        faults = self.simulator.faults
        assert isinstance(faults, RecordedFaults)
        return faults

    def inject(
        self, script: str, sleep: Callable[[float], Awaitable[object]] | None = None
    ) -> None:
        """Inject the faults of a script from now on; `""` for none."""
        circumstances = Circumstances(now=self.observatory.clock.now, sleep=sleep or self._drip)
        rules = parse_script(script).rules if script else ()
        self.simulator.faults = RecordedFaults(Script(rules), circumstances, self)

    async def _drip(self, seconds: float) -> None:
        """Let time pass as soon as the mirror has what was sent, and so waits for more."""
        for _ in range(_TURNS):
            if sum(event.size for event in self.emitted(Received)) >= self.sent:
                break
            await asyncio.sleep(0)
        self.elapsed += seconds

    # --- runs ------------------------------------------------------------------------------------

    async def sync(self) -> Report:
        """Run one sync, with other bounds on an archive if a test sets them."""

        async def work(mirror: Mirror) -> Report:
            if self.limits is not None:
                mirror.downloader._fetcher()._limits = self.limits
            return await mirror.sync()

        return await self._run(work)

    async def run(self) -> Report:
        """Run one sync; nothing may be amiss afterwards."""
        async with asyncio.timeout(_HANG_SECONDS):
            report = await self.sync()
        self.reports.append(report)
        self.check()
        return report

    async def run_after(self, wait: timedelta = timedelta(hours=25)) -> Report:
        """Let time pass, and run again.

        By default, more than the longest wait before a product is asked for again.
        """
        self.observatory.clock.advance(wait)
        return await self.run()

    def check(self) -> None:
        """Check what must be true after every run, whatever went wrong in it."""
        files, truth = self.files(), self.truth(self.products)
        assert files.items() <= truth.items(), "a file in the tree is not the archive's"
        assert not self.asked_needlessly, "what was here was asked for again"
        assert {path.name for path in self.root.parent.iterdir()} == {self.root.name}
        assert {path.name for path in self.state.iterdir()} - {SERVER_RECORD} == _OURS
        assert not list((self.state / "staging").iterdir()), "something was left in staging"

    # --- results ---------------------------------------------------------------------------------

    @property
    def products(self) -> list[Product]:
        """The products to mirror."""
        listed = self.observatory.products(PROGRAM)
        return [product for product in listed if product.image_type in TYPES]

    @property
    def stacks(self) -> list[Product]:
        """The five stacks, asked for first and together."""
        return [product for product in self.products if product.image_type is ImageType.STACK]

    @property
    def missed(self) -> set[str]:
        """The paths of the products that are not in the tree."""
        return set(self.truth(self.products)) - set(self.files())

    @property
    def asked_again(self) -> int:
        """How many products were asked for more than once."""
        return sum(times > 1 for times in times_asked(self.downloads).values())

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.root / STATE_DIR

    def has(self, savepath: str) -> bool:
        """Return whether a product is in the tree."""
        return (self.root / path_of_savepath(savepath)).exists()

    def retry_of(self, savepath: str) -> tuple[int, datetime]:
        """Return how often a product has failed, and when it may be asked for again."""
        with closing(sqlite3.connect(self.state / CATALOG)) as catalog:
            sql = (
                f"SELECT attempts, not_before FROM products WHERE {products_where('savepath = ?')}"  # noqa: S608 - our own words
            )
            attempts, not_before = catalog.execute(sql, [savepath]).fetchone()
        return attempts, datetime.fromisoformat(not_before or "2000-01-01T00:00:00+00:00")


@asynccontextmanager
async def faulty_rig(
    directory: Path, script: str = "", *, style: ZipStyle = STREAMED, **api: object
) -> AsyncIterator[FaultyRig]:
    """Serve an archive of one night with faults by script, and yield a rig that mirrors it."""
    universe = Universe(nights=(DEMO_NIGHT,), products_a_night=_PRODUCTS, gone_fraction=0)
    port = free_port()
    async with Simulator(Observatory(universe), port=port, zip_style=style) as simulator:
        rig = FaultyRig(simulator, directory / "winter")
        rig.changes["api"] = api
        rig.inject(script)
        yield rig


def free_port() -> int:
    """Return a free port that no outgoing connection takes by chance, so that it can be reopened.

    The system takes the ports of its connections from 32768 upwards.
    """
    for port in range(20_000 + os.getpid() * 101 % 10_000, 32_000):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("there is no free port below 32000")
