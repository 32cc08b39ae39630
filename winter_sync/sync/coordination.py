"""What the workers of a mirror share: whether more may come, whom to leave out, what is in vain."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from winter_sync.core import FAILED_DOWNLOAD
from winter_sync.sync.batching import choose_alone, choose_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from winter_sync.catalog import Scope
    from winter_sync.core import Batch, Candidate, Product, RefusedError
    from winter_sync.sync.fetcher import Fetched

_DOWN = 3
"""After so many downloads that found a dead server, a run gives up on it."""
_IN_VAIN = 3
"""After so many downloads in a row that brought nothing, one product alone is asked for."""
_ALONE_IN_VAIN = 5
"""After so many such products in a row, it is the server: a run gives up on its downloads."""


@dataclass(slots=True)
class Work:
    """What the workers share: whether more may come, whom to leave out, how the server is.

    `on_refused` hears of each program that is left out, and why.
    """

    on_refused: Callable[[str, RefusedError], None]
    changes: int = 0
    given_up: bool = False
    """Whether the server is not asked for downloads any more."""
    closed: bool = False
    """Whether no batch is to be begun any more."""
    _ended: bool = False
    _down: int = 0
    _in_vain: list[Batch] = field(default_factory=list)
    _refused: set[str] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Tell the workers that there may be something to fetch."""
        self.changes += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def end(self) -> None:
        """Tell the workers that no poll will bring more."""
        self._ended = True
        self.wake()

    def close(self) -> None:
        """Tell the workers to end with what they have begun."""
        self.closed = True
        self._closing.set()
        self.wake()

    async def more(self, seen: int) -> bool:
        """Wait for a change after the one seen; False if none can come."""
        if self.changes == seen and not self._ended:
            await self._changed.wait()
        return self.changes != seen

    async def more_within(self, seen: int, wait: timedelta) -> None:
        """Wait for a change after the one seen, but no longer than told."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await self.more(seen)

    async def rest(self, wait: timedelta) -> None:
        """Wait, unless the work is closed; changes do not count."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait.total_seconds()):
                await self._closing.wait()

    def refuse(self, program: str, refused: RefusedError) -> None:
        """Leave a program out: its credentials are not accepted."""
        self._refused.add(program)
        self.on_refused(program, refused)

    def admit(self, program: str) -> None:
        """Let a program that was left out take part again."""
        self._refused.discard(program)

    def without_refused(self, scope: Scope) -> Scope:
        """Give the scope less the programs that were refused."""
        return replace(
            scope, programs=tuple(one for one in scope.programs if one not in self._refused)
        )

    def choose(self, candidates: Sequence[Candidate], room: int) -> tuple[Candidate, ...]:
        """Choose what to ask for next: one product alone while it is in doubt who is to blame.

        `room` is how many bytes the disk can take. Nothing is chosen where nothing fits.
        """
        if len(self._in_vain) < _IN_VAIN:
            return choose_batch(candidates, room)
        fitting = [each for each in candidates if each.expected_size <= room]
        return choose_alone(fitting, {batch.kind for batch in self._in_vain})

    def is_down(self) -> bool:
        """Count a download that found the server dead; tells whether that is enough now."""
        self._down += 1
        return self._give_up(enough=self._down >= _DOWN)

    def learn(self, batch: Batch, fetched: Fetched) -> bool:
        """Learn from a download whether the server serves; tells whether that is enough now.

        One product that came whole shows that it does. Of downloads that bring nothing, or nothing
        but damage, a few may be the fault of single products: only when several of these bring
        nothing alone either, and nothing came in between, it is the server's, or of what is on the
        way to it. One that fails as it has often done before tells nothing.
        """
        if not fetched.was_asked:
            return False
        self._down = 0
        if fetched.brought_something:
            self._in_vain.clear()
            return False
        if _is_notorious(batch):
            return False
        # What is asked for again and again counts once, and is kept once.
        products = _products(batch)
        self._in_vain = [one for one in self._in_vain if _products(one) != products]
        self._in_vain.append(batch)
        alone = {one.candidates[0].product for one in self._in_vain if len(one.candidates) == 1}
        return self._give_up(enough=len(alone) >= _ALONE_IN_VAIN)

    def resume(self) -> None:
        """Begin anew after giving up; one more product that comes alone in vain ends it again."""
        self.given_up = False
        self._down = 0
        del self._in_vain[: 1 - _ALONE_IN_VAIN]
        self.wake()

    def _give_up(self, *, enough: bool) -> bool:
        """Give up once; tells whether that was now."""
        now = enough and not self.given_up
        self.given_up = self.given_up or enough
        return now


def _is_notorious(batch: Batch) -> bool:
    """Tell whether this is a product alone that waits longer and longer between its attempts."""
    return len(batch.candidates) == 1 and not FAILED_DOWNLOAD.is_immediate(
        batch.candidates[0].attempts
    )


def _products(batch: Batch) -> list[Product]:
    return [one.product for one in batch.candidates]
