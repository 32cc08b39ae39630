"""One member of a zip after another: its header, its data and whether they agree. No I/O.

Members are read in stream order from their local headers, so each is known complete or not the
moment its last byte is here, whatever becomes of the rest. The data come out before their CRC-32
can be known: a caller must not believe them before `MemberEnd.fault` is None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.formats.zip_content import BadContentError, ContentReader
from winter_sync.formats.zip_descriptors import read_descriptor
from winter_sync.formats.zip_output import Limits, MemberEnd, MemberStart
from winter_sync.formats.zip_records import (
    DEFLATED,
    ENCRYPTED,
    LOCAL_FIELDS,
    STORED,
    UTF8_NAME,
    Member,
    zip64_sizes,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from winter_sync.formats.zip_buffer import Buffer
    from winter_sync.formats.zip_output import Steps, Verdict


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
        self._contents = ContentReader(buffer, limits.inflated_size)
        self.ended = 0
        """How many members have ended so far."""

    def limit_size(self, size: int) -> None:
        """Limit how many bytes may come out of the member that has just begun."""
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
        named = yield from self._buffer.take(name_length + extra_length)
        raw_name, extra = named[:name_length], named[name_length:]
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
        """Read what can be read; return how it differs from what was promised."""
        try:
            if member.is_deflated:
                yield from self._contents.inflate(member)
            elif member.length_known:
                yield from self._contents.copy(member)
            else:
                return (yield from self._contents.search(member))
        except BadContentError as bad:
            yield from self._pass_over(member, str(bad))
            return str(bad)
        if member.has_descriptor:
            return (yield from read_descriptor(self._buffer, member))
        return member.verdict(member.crc, member.packed, member.size)
