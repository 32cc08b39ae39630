"""What the workers of a mirror share: whether more may come, whom to leave out, what is in vain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from winter_sync import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.catalog import Scope
    from winter_sync.fetcher import Fetched
    from winter_sync.models import Batch, Candidate

_DOWN = 3
"""After so many downloads that found a dead server, a run gives up on it."""
_IN_VAIN = 3
"""After so many downloads in a row that brought nothing, one product alone is asked for."""
_ALONE_IN_VAIN = 5
"""After so many such products in a row, it is the server: a run gives up on its downloads."""


@dataclass(slots=True)
class Work:
    """What the workers share: whether more may come, whom to leave out, how the server is."""

    changes: int = 0
    given_up: bool = False
    """Whether the server is not asked for downloads any more."""
    _ended: bool = False
    _down: int = 0
    _in_vain: list[Batch] = field(default_factory=list)
    _refused: set[str] = field(default_factory=set)
    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def resume(self) -> None:
        """Begin anew after giving up; whoever is in doubt stays so, and is asked for alone."""
        self.given_up = False
        self._down = 0
        del self._in_vain[:-_IN_VAIN]
        self.wake()

    def wake(self) -> None:
        """Tell the workers that there may be something to fetch."""
        self.changes += 1
        self._event.set()
        self._event = asyncio.Event()

    def end(self) -> None:
        """Tell the workers that no poll will bring more."""
        self._ended = True
        self.wake()

    async def more(self, seen: int) -> bool:
        """Wait for a change after the one seen; False if none can come."""
        if self.changes == seen and not self._ended:
            await self._event.wait()
        return self.changes != seen

    def refuse(self, program: str) -> None:
        """Leave a program out: its credentials are not accepted."""
        self._refused.add(program)

    def admit(self, program: str) -> None:
        """Let a program that was left out take part again."""
        if program in self._refused:
            self._refused.remove(program)
            self.wake()

    def without_refused(self, scope: Scope) -> Scope:
        """Give the scope less the programs that were refused."""
        return replace(
            scope, programs=tuple(one for one in scope.programs if one not in self._refused)
        )

    def choose(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """Choose what to ask for next: one product alone while it is in doubt who is to blame."""
        if len(self._in_vain) < _IN_VAIN:
            return plan.choose_batch(candidates)
        return plan.choose_alone(candidates, {batch.kind for batch in self._in_vain})

    def is_down(self) -> bool:
        """Count a download that found the server dead; tells whether that is enough now."""
        self._down += 1
        return self._give_up(enough=self._down >= _DOWN)

    def learn(self, batch: Batch, fetched: Fetched) -> bool:
        """Learn from a download whether the server serves; tells whether that is enough now.

        Whatever came, even damaged, shows that it does. Of those that bring nothing a few may be
        the fault of single products: only when several of these bring nothing alone either, and
        nothing came in between, it is the server's.
        """
        self._down = 0
        if fetched.brought_something:
            self._in_vain.clear()
            return False
        self._in_vain.append(batch)
        alone = {one.candidates[0].product for one in self._in_vain if len(one.candidates) == 1}
        return self._give_up(enough=len(alone) >= _ALONE_IN_VAIN)

    def _give_up(self, *, enough: bool) -> bool:
        """Give up once; tells whether that was now."""
        now = enough and not self.given_up
        self.given_up = self.given_up or enough
        return now
