"""One member of a zip after another: its header, its data and whether they agree. No I/O.

Members are read in stream order from their local headers, so each is known complete or not the
moment its last byte is here, whatever becomes of the rest. The data come out before their CRC-32
can be known: a caller must not believe them before `MemberEnd.fault` is None.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from isal import igzip_lib, isal_zlib

from winter_sync.formats.zip_descriptors import (
    begun_signature,
    contradiction,
    fitting_descriptor,
    read_descriptor,
    right_sized,
)
from winter_sync.formats.zip_records import (
    DEFLATED,
    DESCRIPTOR,
    ENCRYPTED,
    LOCAL_FIELDS,
    LONGEST_FORM,
    SIGNED_FORMS,
    STORED,
    UTF8_NAME,
    Member,
    zip64_sizes,
)

if TYPE_CHECKING:
    from winter_sync.formats.zip_buffer import Buffer

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

Data = bytes | memoryview


@dataclass(frozen=True, slots=True)
class MemberStart:
    """A member begins; `size` is what its header claims, None where only its end will show it."""

    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class MemberEnd:
    """A member has ended: complete and checked if `fault` is None; otherwise discard it."""

    name: str
    size: int
    fault: str | None


Output = MemberStart | Data | MemberEnd
"""What reading an archive brings, in the order of its bytes."""
Steps = Generator[Output | None, None, None]
Verdict = Generator[Output | None, None, str | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what an archive may ask of us; sizes in bytes."""

    member_size: int = 4 * 1024**3
    """One member, packed or inflated. The largest real product has 52 MB."""
    name_length: int = 1024
    """One member's name."""
    archive_size: int = 16 * 1024**3
    """A whole archive, packed, so that one that never ends is given up."""
    inflated_size: int = 16 * 1024**3
    """All that comes out of an archive, stored and inflated, whatever becomes of it."""
    members: int = 100_000
    """Members of an archive, whatever their names."""


class BadContentError(Exception):
    """A member's content is wrong, in a way that may leave the rest of the archive readable."""


class MemberReader:
    """Reads the members of one archive.

    Parameters
    ----------
    buffer
        The bytes that have arrived.
    limits
        What the archive may ask of us.
    """

    def __init__(self, buffer: Buffer, limits: Limits) -> None:
        self._buffer = buffer
        self._limits = limits
        self._most = limits.member_size
        self._is_wanted = True
        self._inflated = self._lookalikes = 0
        self.ended = 0
        """How many members have ended so far."""

    def limit_size(self, size: int) -> None:
        """Let at most this many bytes come out of the member that has just begun."""
        self._most = min(size, self._limits.member_size)

    def skip(self) -> None:
        """Do not read the member that has just begun, where its header says its length."""
        self._is_wanted = False

    def read(self) -> Steps:
        """Read the member whose signature was just read."""
        member = yield from self._header()
        self._most, self._is_wanted = self._limits.member_size, True
        yield MemberStart(member.name, member.size if member.length_known else None)
        member.most = self._most
        fault = self._unreadable(member)
        if fault is None:
            fault = yield from self._content(member)
        else:
            yield from self._pass_over(member, fault)
        self.ended += 1
        yield MemberEnd(member.name, member.got_size, fault)

    def _header(self) -> Generator[None, None, Member]:
        fields = LOCAL_FIELDS.unpack((yield from self._buffer.take(LOCAL_FIELDS.size)))
        _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields
        if name_length > self._limits.name_length:
            raise self._buffer.damaged(f"a member's name has {name_length} bytes")
        raw_name = yield from self._buffer.take(name_length)
        extra = yield from self._buffer.take(extra_length)
        size, packed = zip64_sizes(extra, size, packed)
        name = raw_name.decode("utf-8" if flags & UTF8_NAME else "cp437", errors="replace")
        return Member(name, flags, method, crc, packed, size)

    def _unreadable(self, member: Member) -> str | None:
        """Return why a member cannot be read at all, judged by its header; None if it can."""
        if member.flags & ENCRYPTED:
            return "it is encrypted"
        if member.method not in (STORED, DEFLATED):
            return f"its compression method {member.method} is unknown"
        claimed = max(member.packed, member.size)
        if member.length_known and claimed > member.most:
            return f"it claims {claimed} bytes, where at most {member.most} are taken"
        if member.length_known and not self._is_wanted:
            return "it is not wanted"
        return None

    def _pass_over(self, member: Member, why: str) -> Steps:
        """Go to the end of an unreadable member, if its header says, credibly, where that is."""
        if not member.length_known or member.packed > self._limits.member_size:
            raise self._buffer.damaged(
                f"member {member.name!r}: {why}, and its end cannot be found"
            )
        yield from self._buffer.skip(member.packed - member.got_packed)
        member.got_packed = member.packed
        if member.has_descriptor:
            yield from read_descriptor(self._buffer, member)

    def _content(self, member: Member) -> Verdict:
        """Read what can be read and give the verdict."""
        try:
            if member.is_deflated:
                yield from self._inflate(member)
            elif member.length_known:
                yield from self._copy(member)
            else:
                return (yield from self._search(member))
        except BadContentError as bad:
            yield from self._pass_over(member, str(bad))
            return str(bad)
        if member.has_descriptor:
            return (yield from read_descriptor(self._buffer, member))
        return member.verdict(member.crc, member.packed, member.size)

    # --- stored members ------------------------------------------------------------------------

    def _copy(self, member: Member) -> Steps:
        """Read a stored member of known length."""
        while member.got_packed < member.packed:
            if not self._buffer.left:
                yield None
                continue
            yield self._advance(member, min(member.packed - member.got_packed, self._buffer.left))

    def _search(self, member: Member) -> Verdict:
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

    def _inflate(self, member: Member) -> Steps:
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
        if self._inflated > self._limits.inflated_size:
            raise self._buffer.damaged(
                f"more than {self._limits.inflated_size} bytes come out of it"
            )
        member.got_size = size
        member.got_crc = isal_zlib.crc32(data, member.got_crc)
