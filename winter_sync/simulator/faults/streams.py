"""Faults of the connection while a zip is sent: cut, ended early, silent, slow, garbled."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from winter_sync.simulator.faults.hooks import Call, Reset
from winter_sync.simulator.faults.kinds import DOWNLOADS, Kind, basename
from winter_sync.simulator.packing.zips import DESCRIPTOR_FLAG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    Chunks = AsyncIterator[bytes]

_LOCAL, _CENTRAL = b"PK\3\4", b"PK\1\2"
_SMALLEST, _LARGEST = 8, 18
"""An accident happens after 2 to the power of these bytes, unless the script says where."""
_INSIDE = 300
"""Bytes of a member that still come: beyond its header, within the smallest product."""


class _Stream(Kind):
    strikes = DOWNLOADS

    def _place(self, call: Call) -> int:
        """Return the number of bytes that pass before anything happens."""
        by_chance = 2 ** self.dice(call).uniform(_SMALLEST, _LARGEST)
        return max(1, int(self.value(by_chance)))


class ResetInside(_Stream):
    """The connection is cut inside the body."""

    name = "reset-body"
    takes = "bytes that pass before"

    async def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """Cut it."""
        async for chunk in opening(chunks, self._place(call)):
            yield chunk
        raise Reset(call)


class EndsEarly(_Stream):
    """The body ends early, at any byte, as if it were complete."""

    name = "end-early"
    takes = "bytes that pass before"

    def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """End it."""
        return opening(chunks, self._place(call))


class EndsBetween(_Stream):
    """The body ends as if it were complete, between two members."""

    name = "end-between"

    def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """End it before the second member, or after the only one."""
        signature, number = (_LOCAL, 1) if len(call.savepaths) > 1 else (_CENTRAL, 0)
        return until(chunks, signature, number)


class EndsInside(_Stream):
    """The body ends as if it were complete, inside its last member."""

    name = "end-inside"

    def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """End it a little after the last member began."""
        return until(chunks, _LOCAL, len(call.savepaths) - 1, _INSIDE)


class EndsBeforeDirectory(_Stream):
    """The body ends as if it were complete, after all members and before the central directory."""

    name = "end-directory"

    def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """End it before the central directory."""
        del call
        return until(chunks, _CENTRAL, 0)


class SilenceInside(_Stream):
    """The body stops, and the connection stays open."""

    name = "silence-body"
    takes = "bytes that pass before"

    async def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """Hold it."""
        place = self._place(call)
        async for chunk in opening(chunks, place):
            yield chunk
        await self.hold(call)
        raise Reset(call)


class Trickle(_Stream):
    """The body trickles: one small piece a second."""

    name = "trickle"
    takes = "bytes a second"

    async def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """Send a piece and wait."""
        del call
        size = max(1, int(self.value(100)))
        async for chunk in chunks:
            for at in range(0, len(chunk), size):
                yield chunk[at : at + size]
                await self._circumstances.sleep(1.0)


class Garbled(_Stream):
    """One bit of the body is flipped, in any part of the zip."""

    name = "garble"
    takes = "bytes that pass before"

    async def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """Flip a bit, of the last byte where the body is not that long."""
        place, held = self._place(call), b""
        async for chunk in chunks:
            if held:
                yield held
            held = turned(chunk, place) if 0 <= place < len(chunk) else chunk
            place -= len(chunk)
        yield turned(held, len(held) - 1) if place >= 0 and held else held


class Endless(_Stream):
    """A member that never ends: stored, with its size to follow after it."""

    name = "endless"

    async def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """Send it instead of everything else, for as long as the client reads."""
        del chunks
        name = call.savepaths[0].rpartition("/")[2].encode()
        fields = struct.pack("<5H3I2H", 20, DESCRIPTOR_FLAG, 0, 0, 0x21, 0, 0, 0, len(name), 0)
        yield _LOCAL + fields + name
        piece = bytes(64 * 1024)
        while not call.left():
            yield piece


class Poison(_Stream):
    """A product at which the server breaks down: what comes before it was sent."""

    name = "poison"
    for_products = True

    async def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """Cut the connection inside the header of the first poisoned member."""
        name = next(path for path in call.savepaths if basename(path) in self.chosen(call))
        async for chunk in until(chunks, basename(name).encode(), 0):
            yield chunk
        raise Reset(call)


class MoreAfter(_Stream):
    """Something follows the end of the zip."""

    name = "more-after"

    async def stream(self, call: Call, chunks: Chunks) -> Chunks:
        """Send all, and more."""
        del call
        async for chunk in chunks:
            yield chunk
        yield b"<!-- served in 0.3 s -->" * 100


async def opening(chunks: Chunks, count: int) -> Chunks:
    """Pass on the first `count` bytes, or all but the last where there are not more."""
    held = b""
    async for chunk in chunks:
        if held:
            yield held
        if len(chunk) > count:
            if count:
                yield chunk[:count]
            return
        count -= len(chunk)
        held = chunk
    if len(held) > 1:
        yield held[:-1]


async def until(chunks: Chunks, signature: bytes, number: int, more: int = 0) -> Chunks:
    """Pass on what comes before the signature after the first `number`, and a bit more."""
    held = b""
    async for chunk in chunks:
        held += chunk
        start = 0
        while (at := held.find(signature, start)) >= 0:
            if number == 0:
                if end := held[: at + more]:
                    yield end
                return
            number -= 1
            start = at + len(signature)
        cut = max(start, len(held) - len(signature) + 1)
        if cut > 0:
            yield held[:cut]
        held = held[cut:]
    if held:
        yield held


def turned(chunk: bytes, at: int) -> bytes:
    """Return the bytes with one bit flipped."""
    return chunk[:at] + bytes((chunk[at] ^ 0x10,)) + chunk[at + 1 :]


KINDS: tuple[type[Kind], ...] = (
    ResetInside,
    EndsEarly,
    EndsBetween,
    EndsInside,
    EndsBeforeDirectory,
    SilenceInside,
    Trickle,
    Garbled,
    Endless,
    Poison,
    MoreAfter,
)
