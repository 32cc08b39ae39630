"""The content of one member after another: stored or deflated, counted as it comes out. No I/O.

The data come out before their CRC-32 can be known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from isal import igzip_lib, isal_zlib

from winter_sync.formats.zip_descriptors import (
    begun_signature,
    contradiction,
    fitting_descriptor,
    right_sized,
)
from winter_sync.formats.zip_records import DESCRIPTOR, LONGEST_FORM, SIGNED_FORMS, Member

if TYPE_CHECKING:
    from winter_sync.formats.zip_buffer import Buffer
    from winter_sync.formats.zip_output import Data, Steps, Verdict

_InflateError: type[Exception] = igzip_lib.error  # type: ignore[assignment] # the stub is wrong

_MAX_LOOKALIKES = 100_000
"""Places of an archive that look like the end of a member and are none; noise has one in 4 GiB."""

_INPUT_PIECE = 128 * 1024
"""Compressed bytes handed to the inflater at once: its output then stays in the L2 cache."""
_OUTPUT_PIECE = 192 * 1024
"""The most that is inflated at once, so that a bomb costs disk accounting, never memory.

Enough for what noise comes to. The inflater allocates all of it: with more, malloc maps fresh pages
at every call, which costs a fifth of the time (measured with 52 MB of float noise).
"""


class BadContentError(Exception):
    """A member's content is wrong, in a way that may leave the rest of the archive readable."""


class ContentReader:
    """Reads the contents of the members of one archive.

    Parameters
    ----------
    buffer
        The bytes that have arrived.
    most
        How many bytes may come out of the archive, stored and inflated.
    """

    def __init__(self, buffer: Buffer, most: int) -> None:
        self._buffer = buffer
        self._most = most
        self._inflated = self._lookalikes = 0

    # --- stored members ------------------------------------------------------------------------

    def copy(self, member: Member) -> Steps:
        """Read a stored member of known length."""
        while member.got_packed < member.packed:
            if not self._buffer.left:
                yield None
                continue
            yield self._advance(member, min(member.packed - member.got_packed, self._buffer.left))

    def search(self, member: Member) -> Verdict:
        """Read a stored member whose end is shown only by a signed descriptor that fits.

        The signature may stand in the data by chance. That the CRC-32 and both sizes, or both
        sizes and the next record's signature, agree by chance is a matter of 2**-96.
        """
        while True:
            end = self._likely_end(member)
            if self._buffer.at < end:
                yield self._advance(member, end - self._buffer.at)
            if self._buffer.left < len(DESCRIPTOR):
                yield None
                continue
            if (yield from fitting_descriptor(self._buffer, member, SIGNED_FORMS)):
                return None
            fault = yield from contradiction(
                self._buffer, member, right_sized(self._buffer, member, self._buffer.at)
            )
            if fault is not None:
                return fault
            self._count_lookalike(member)
            yield self._advance(member, len(DESCRIPTOR))

    def _likely_end(self, member: Member) -> int:
        """Find where a descriptor may stand: its sizes are right, or not all here yet.

        Looking at the sizes first keeps data that are full of signatures cheap.
        """
        at = self._buffer.pending.find(DESCRIPTOR, self._buffer.at)
        while 0 <= at <= len(self._buffer.pending) - LONGEST_FORM:
            if right_sized(self._buffer, member, at):
                return at
            self._count_lookalike(member)
            at = self._buffer.pending.find(DESCRIPTOR, at + len(DESCRIPTOR))
        return at if at >= 0 else len(self._buffer.pending) - begun_signature(self._buffer)

    def _count_lookalike(self, member: Member) -> None:
        """Stop at data that were made to look like the end of a member again and again."""
        self._lookalikes += 1
        if self._lookalikes > _MAX_LOOKALIKES:
            raise self._buffer.damaged(f"the end of member {member.name!r} cannot be found")

    def _advance(self, member: Member, count: int) -> memoryview:
        """Hand out the next stored bytes without copying them."""
        data = self._buffer.view(count)
        member.got_packed += count
        self._account(member, data)
        return data

    # --- deflated members ----------------------------------------------------------------------

    def inflate(self, member: Member) -> Steps:
        """Read a deflated member."""
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        while not inflater.eof:
            piece = self._next_packed(member) if inflater.needs_input else b""
            if piece is None:
                yield None
                continue
            try:
                data = inflater.decompress(piece, _OUTPUT_PIECE)
            except _InflateError as broken:
                raise BadContentError(f"its deflated data are broken ({broken})") from None
            if data:
                self._account(member, data)
                yield data
        self._give_back(member, len(inflater.unused_data))

    def _next_packed(self, member: Member) -> memoryview | None:
        """Take the next compressed bytes of a member; None when more must arrive first."""
        step = min(self._buffer.left, _INPUT_PIECE)
        if member.length_known:
            step = min(step, member.packed - member.got_packed)
            if member.got_packed == member.packed:
                raise BadContentError("its deflated data do not end where promised")
        if not step:
            return None
        member.got_packed += step
        return self._buffer.view(step)

    def _give_back(self, member: Member, count: int) -> None:
        """Return what the inflater was given beyond the member's end."""
        self._buffer.at -= count
        member.got_packed -= count
        if member.length_known and member.got_packed != member.packed:
            raise BadContentError("its deflated data end before they should")

    def _account(self, member: Member, data: Data) -> None:
        """Count what is about to come out, unless it is more than may."""
        size = member.got_size + len(data)
        self._inflated += len(data)
        if member.promised is not None and size > member.promised:
            what = f"it has more than the {member.promised} bytes that were promised"
            raise BadContentError(what)
        if size > member.most:
            raise BadContentError(f"it has more than {member.most} bytes")
        if self._inflated > self._most:
            raise self._buffer.damaged(f"more than {self._most} bytes come out of it")
        member.got_size = size
        member.got_crc = isal_zlib.crc32(data, member.got_crc)
