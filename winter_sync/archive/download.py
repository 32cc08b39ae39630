"""The answer to a download request: what its headers say, and its bytes while they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.archive.error_words import TRY_LATER
from winter_sync.archive.responses import read_available
from winter_sync.archive.throughput import Throughput
from winter_sync.core import ErrorCode, TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from winter_sync.archive.download_slots import Slot
    from winter_sync.archive.requests import Beginning, Timeouts
    from winter_sync.archive.route import Route

_LONGEST_COUNT = 9


class Download:
    """The answer to a batch.

    Parameters
    ----------
    beginning
        The answer, and its first bytes.
    slot
        Its place among the downloads that run, which learns how it ends.
    route
        How the connection reached the server.
    timeouts
        The longest waits.
    monotonic
        Returns a time in seconds that never goes back.
    """

    def __init__(
        self,
        beginning: Beginning,
        slot: Slot,
        route: Route,
        timeouts: Timeouts,
        monotonic: Callable[[], float],
    ) -> None:
        self.missing = _count(beginning.response.headers.get("missing-images"))
        """How many of the products the server says it does not have; None if it does not say."""
        self.waited = beginning.waited
        """Seconds from the request to the first bytes."""
        self._response = beginning.response
        self._first = beginning.first
        self._slot = slot
        self._route = route
        self._silence = timeouts.silence
        self._throughput = Throughput(timeouts.floor, timeouts.window)
        self._monotonic = monotonic
        self._began = monotonic()

    @property
    def receiving(self) -> float:
        """Seconds since the first bytes."""
        return self._monotonic() - self._began

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the bytes as they arrive, in blocks of up to a megabyte.

        Raises
        ------
        TransientError
            If the connection breaks, falls silent or is too slow.
        """
        block = self._first
        while block:
            yield block
            began = self._monotonic()
            block = await self._next()
            self._throughput.record(len(block), self._monotonic() - began)
            if block and self._throughput.is_too_slow:
                self._response.close()
                raise TransientError(
                    "the download arrived too slowly to go on: "
                    f"{self._throughput.rate:.0f} bytes a second",
                    remedy=TRY_LATER,
                    code=ErrorCode.NET_TIMEOUT,
                )
        self._slot.arrived = True

    async def _next(self) -> bytes:
        try:
            return await read_available(self._response, self._silence, self._route)
        except TransientError as error:
            self._slot.record_failure(error)
            raise


def _count(header: str | None) -> int | None:
    given = (header or "").strip()
    return int(given) if given.isdecimal() and len(given) <= _LONGEST_COUNT else None
