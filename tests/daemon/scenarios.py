"""Scenarios of a daemon: an archive of one night, what must be mirrored, and ways to wait."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Faults

if TYPE_CHECKING:
    from support.daemon_rig import DaemonRig

    from winter_sync.core import Event
    from winter_sync.simulator import Call

NIGHT = Night("20251020")
MORNING = datetime(2025, 10, 26, 12, tzinfo=UTC)
"""When all of the night is there."""
TYPES = ["stack", "raw"]


def is_mirrored(rig: DaemonRig, *types: ImageType, program: str = "2024A000") -> bool:
    """Return whether all products of these types of a program are in the tree."""
    products = [
        product
        for image_type in types
        for product in rig.observatory.products(program, Instrument.WINTER, image_type)
    ]
    return rig.truth(products).items() <= rig.files().items()


class EventWaiter:
    """Waits for events."""

    def __init__(self, rig: DaemonRig) -> None:
        self._waiting: list[tuple[type, asyncio.Event]] = []
        rig.listeners.append(self._handle)

    def _handle(self, event: Event) -> None:
        for kind, flag in self._waiting:
            if isinstance(event, kind):
                flag.set()

    async def wait_for(self, kind: type) -> None:
        """Wait for the next event of a kind."""
        flag = asyncio.Event()
        self._waiting.append((kind, flag))
        await flag.wait()


class Slow(Faults):
    """Sends a zip up to a place, and then nothing until `go_on` is set."""

    def __init__(self, after: int = 20_000) -> None:
        self.go_on = asyncio.Event()
        self._after = after

    def stream(self, call: Call, chunks: Any) -> Any:  # noqa: ANN401 - an iterator of bytes
        """Pause once."""
        del call
        return self._paused(chunks)

    async def _paused(self, chunks: Any) -> Any:  # noqa: ANN401 - the same
        sent = 0
        async for chunk in chunks:
            now = max(0, self._after - sent)
            if now:
                yield chunk[:now]
            if len(chunk) > now:
                await self.go_on.wait()
                yield chunk[now:]
            sent += len(chunk)
