"""What every kind of fault shares: its name, its randomness, its waits, and what it strikes."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar

from winter_sync.simulator.faults.hooks import Answer, Call, Faults

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ENDPOINTS = {
    "ping": "/ping",
    "version": "/validation/version",
    "user": "/validation/user",
    "program": "/validation/program",
    "query": "/images/query",
    "download": "/images/download_list",
}
"""The calls of the real API, by the word that a script has for each."""
QUERIES = frozenset({"query"})
DOWNLOADS = frozenset({"download"})

_LOOK_EVERY = 0.05


def utc_now() -> datetime:
    """Return the real time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """The circumstances of a fault.

    Parameters
    ----------
    value
        The number in the script.
    globs
        Patterns of basenames: the products to strike; empty for any.
    seed
        Every choice follows from it and from the request.
    now
        The server's time.
    sleep
        Waits for a number of seconds.
    released
        Set to release all calls that are held.
    """

    value: float | None = None
    globs: tuple[str, ...] = ()
    seed: int = 0
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Kind(Faults):
    """One kind of fault. By itself it strikes every call that it can strike.

    `instead` is asked of an authorised download, whose products are then known, and of any other
    call as soon as it arrives.
    """

    name: ClassVar[str]
    """The word for it in a script."""
    strikes: ClassVar[frozenset[str]] = frozenset(ENDPOINTS)
    """The endpoints whose calls it can strike."""
    takes: ClassVar[str | None] = None
    """What the number after `=` means; None if it takes none."""
    for_products: ClassVar[bool] = False
    """Whether it makes sense only for products that a script names."""

    def __init__(self, circumstances: Circumstances | None = None) -> None:
        self._circumstances = circumstances or Circumstances()

    async def instead(self, call: Call) -> Answer | None:
        """Return the answer to give instead of the true one; None lets the call pass."""

    async def before(self, call: Call) -> Answer | None:
        """Strike a call when it arrives."""
        early = self.strikes - DOWNLOADS
        return await self.instead(call) if endpoint(call) in early else None

    async def before_zip(self, call: Call) -> Answer | None:
        """Strike an authorised download."""
        return await self.instead(call)

    def value(self, default: float) -> float:
        """Return the number that the script gave, if it did."""
        given = self._circumstances.value
        return default if given is None else given

    def dice(self, call: Call) -> random.Random:
        """Return the random numbers for one call: the same request always gets the same."""
        words = (self._circumstances.seed, self.name, call.path, call.savepaths)
        return random.Random(repr(words))  # noqa: S311 - a choice of damage, not of a secret

    def chosen(self, call: Call) -> frozenset[str]:
        """Return the basenames of a download to strike: those of the script, or one of all."""
        names = [basename(path) for path in call.savepaths]
        globs = self._circumstances.globs
        if globs:
            return frozenset(name for name in names if matches(name, globs))
        return frozenset(self.dice(call).sample(names, min(1, len(names))))

    async def hold(self, call: Call) -> None:
        """Wait until the client has left, or until all calls are released."""
        released = self._circumstances.released
        while not call.left() and not released.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(released.wait(), _LOOK_EVERY)


def endpoint(call: Call) -> str:
    """Return the word for a call's endpoint; its path if there is none."""
    return next((word for word, path in ENDPOINTS.items() if path == call.path), call.path)


def basename(name: str) -> str:
    """Return the last part of a savepath or a member's name."""
    return name.rpartition("/")[2]


def matches(name: str, globs: tuple[str, ...]) -> bool:
    """Return whether a basename fits one of some patterns."""
    return any(fnmatchcase(name, glob) for glob in globs)
