"""What scenes of a daemon's life are made of: an archive of one night, and ways to wait in them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Faults

if TYPE_CHECKING:
    from support.keeper import Keeper

    from winter_sync.core.events import Event
    from winter_sync.simulator import Call

NIGHT = Night("20251020")
MORNING = datetime(2025, 10, 26, 12, tzinfo=UTC)
"""When all of the night is there."""
TYPES = ["stack", "raw"]


def here(keeper: Keeper, *types: ImageType, program: str = "2024A000") -> bool:
    """Tell whether all of these types of a program are in the tree."""
    products = [
        product
        for one in types
        for product in keeper.observatory.products(program, Instrument.WINTER, one)
    ]
    return keeper.truth(products).items() <= keeper.files().items()


class Told:
    """Waits for something to be told."""

    def __init__(self, keeper: Keeper) -> None:
        self._waiting: list[tuple[type, asyncio.Event]] = []
        keeper.listeners.append(self._handle)

    def _handle(self, event: Event) -> None:
        for kind, flag in self._waiting:
            if isinstance(event, kind):
                flag.set()

    async def of(self, kind: type) -> None:
        """Wait for the next event of a kind."""
        flag = asyncio.Event()
        self._waiting.append((kind, flag))
        await flag.wait()


class Slow(Faults):
    """Sends a zip up to a place, and then nothing until told to."""

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
