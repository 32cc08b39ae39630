"""How many downloads may run at once: one more for each that succeeds, half after an overload."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winter_sync.core import ConnectionsChanged

if TYPE_CHECKING:
    from winter_sync.core import Sink, TransientError


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many downloads may run at once.

    Attributes
    ----------
    most
        The setting, which is never exceeded.
    now
        How many may run now, at least one.
    halvings
        How often it was halved.
    """

    most: int
    now: int
    halvings: int = 0

    def after_success(self) -> Allowance:
        """Return the allowance after a download that arrived complete."""
        return replace(self, now=min(self.now + 1, self.most))

    def after_overload(self, begun_at: int) -> Allowance:
        """Return the allowance after a download that was too much for the server.

        `begun_at` is how often the allowance had been halved when the download began. Of those that
        run together only the first halves it: the others say nothing about fewer.
        """
        if begun_at != self.halvings:
            return self
        return replace(self, now=max(self.now // 2, 1), halvings=self.halvings + 1)


class DownloadSlots:
    """Admits downloads as far as the allowance goes.

    Parameters
    ----------
    most
        How many may ever run at once.
    emit
        Receives an event when the allowance changes.
    """

    def __init__(self, most: int, emit: Sink) -> None:
        self._allowance = Allowance(most, most)
        self._emit = emit
        self._used = 0
        self._changed = asyncio.Event()

    @property
    def allowed(self) -> int:
        """How many downloads may run at once now."""
        return self._allowance.now

    @property
    def is_free(self) -> bool:
        """Whether one more download may begin."""
        return self._used < self._allowance.now

    async def wait_until_free(self) -> None:
        """Return when one more download may begin."""
        while not self.is_free:
            await self._changed.wait()

    async def take(self) -> Slot:
        """Take a slot as soon as there is one; it must be released."""
        await self.wait_until_free()
        self._used += 1
        return Slot(self, self._allowance.halvings)

    def release(self, slot: Slot) -> None:
        """Take a slot back, and adapt the allowance to what became of its download."""
        self._used -= 1
        before = self._allowance
        if slot.overload is not None:
            self._allowance = before.after_overload(slot.begun_at)
        elif slot.arrived:
            self._allowance = before.after_success()
        if self._allowance.now != before.now:
            reason = None if slot.overload is None else slot.overload.message
            self._emit(ConnectionsChanged(self._allowance.now, before.most, reason))
        self._changed.set()
        self._changed = asyncio.Event()


class Slot:
    """The place of one download among those that run.

    Parameters
    ----------
    slots
        Where it is released.
    begun_at
        How often the allowance had been halved when the download began.
    """

    def __init__(self, slots: DownloadSlots, begun_at: int) -> None:
        self._slots = slots
        self.begun_at = begun_at
        self.arrived = False
        """Whether the answer arrived to its end."""
        self.overload: TransientError | None = None
        """The failure, if it may mean that the server has too much to do."""

    def record_failure(self, error: TransientError) -> None:
        """Record how the download failed."""
        if error.is_overload:
            self.overload = error

    def release(self) -> None:
        """Give the place to the next download."""
        self._slots.release(self)
