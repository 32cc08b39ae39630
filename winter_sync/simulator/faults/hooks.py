"""Hooks for faults: what may be done between a request and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from winter_sync.core import ImageType, Instrument
    from winter_sync.simulator.packing.zips import Member


class Reset(Exception):  # noqa: N818 - a thing that is done to the client, not an error here
    """Raised by a fault to cut the connection at once, without an ending."""


class GoneAway(Reset):
    """Raised by a fault to cut every connection, and to refuse all others until `wait` is over."""

    def __init__(self, call: Call, wait: Callable[[], Awaitable[object]]) -> None:
        super().__init__(call)
        self.wait = wait


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Call:
    """One call of the real API, as far as it is understood before it is answered.

    `left` tells whether the client has gone away meanwhile.
    """

    number: int
    method: str
    path: str
    program: str | None
    instrument: Instrument | None
    image_type: ImageType | None
    savepaths: tuple[str, ...] = ()
    left: Callable[[], bool] = field(default=_never, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer given instead of the true one."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """No faults at all; a subclass overrides the hooks that it needs.

    Every hook may sleep (with a sleep of its own) and may raise `Reset` or `GoneAway`.
    """

    async def before(self, call: Call) -> Answer | None:
        """Look at a call before it is answered (`savepaths` not yet known); None lets it pass."""

    async def before_zip(self, call: Call) -> Answer | None:
        """Look at an authorised download before its zip is built; None lets it pass."""

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Change the answer to a query: its `msg` and the rows in its `body`."""
        del call
        return body

    def savepath(self, call: Call, path: str) -> str:
        """Return the savepath of the product that a requested savepath stands for."""
        del call
        return path

    def headers(self, call: Call, headers: dict[str, str]) -> dict[str, str]:
        """Change the headers of a zip."""
        del call
        return headers

    def members(self, call: Call, members: Iterator[Member]) -> Iterator[Member]:
        """Change the members of a zip; runs outside the event loop, so it must not await."""
        del call
        return members

    def stream(self, call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Change the bytes of a zip on their way: cut, slow, corrupt."""
        del call
        return chunks
