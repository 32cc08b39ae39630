"""How many rows of answers are in memory while an archive is asked for more."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from winter_sync.catalog.listings import Listings
from winter_sync.core.products import Row

if TYPE_CHECKING:
    from support.lister import PollRig

_TURNS = 50


class RowsAlive:
    """Counts the rows of answers that are in memory whenever a window is asked for."""

    def __init__(self, rig: PollRig) -> None:
        gc.collect()
        self._before, self._rig = self._rows(), rig
        self.counts: list[int] = []

    def _rows(self) -> int:
        return sum(type(found) is Row for found in gc.get_objects())

    async def answer(self, listing: object) -> object:
        """Count, as soon as threads have let go of their last work; then answer."""
        alive = self._rows() - self._before
        for _ in range(_TURNS):
            if alive == 0:
                break
            await self._rig.catalog.listings(Listings.products, [])  # each thread has its turn
            alive = self._rows() - self._before
        self.counts.append(alive)
        return listing
