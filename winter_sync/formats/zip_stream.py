"""A zip read while it arrives: bytes in; member starts, data and verdicts out. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import quote_bytes
from winter_sync.formats.zip_buffer import Buffer
from winter_sync.formats.zip_members import MemberReader
from winter_sync.formats.zip_output import Limits
from winter_sync.formats.zip_records import (
    CENTRAL,
    CENTRAL_FIELDS,
    COUNT_IN_ZIP64,
    END,
    END_FIELDS,
    LOCAL,
    RECORDS,
    ZIP64_END,
    ZIP64_END_FIELDS,
    ZIP64_LOCATOR,
    ZIP64_LOCATOR_SIZE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.formats.zip_output import Output, Steps

_OTHER_RECORDS = 3
"""Records at the end of an archive that are no member's: two of zip64, and the last."""
_ZIP64_END_LONGEST = 0xFFFF
_DEFAULT_LIMITS = Limits()


class ZipReader:
    """Reads one archive; feed it the bytes in order, in blocks of any size.

    Every split of the same bytes gives the same members, data and verdicts; only how much of a
    broken deflated member comes out before its fault is found may differ. `complete` says whether
    the end-of-archive record was seen, without which an archive that merely stops is a truncated
    one.

    Raises
    ------
    DamagedError
        From `feed`, where the archive can no longer be followed. What was yielded before stays
        good.
    """

    def __init__(self, limits: Limits = _DEFAULT_LIMITS) -> None:
        self.complete = False
        self._limits = limits
        self._records = 0
        self._buffer = Buffer()
        self._reader = MemberReader(self._buffer, limits)
        self._zip64_count: int | None = None
        self._steps = self._archive()

    @property
    def members(self) -> int:
        """How many members have ended so far."""
        return self._reader.ended

    @property
    def offset(self) -> int:
        """How many bytes of the archive have been read."""
        return self._buffer.offset

    def feed(self, block: bytes) -> Iterator[Output]:
        """Take the next bytes and yield what they complete; take all of it before feeding more.

        Stored data come as views of the block, inflated data in pieces of bounded size.
        """
        if self._buffer.damage is not None:
            raise self._buffer.damage
        self._buffer.add(block)
        if self._buffer.arrived > self._limits.archive_size:
            raise self._buffer.damaged(f"it has more than {self._limits.archive_size} bytes")
        while (output := next(self._steps)) is not None:
            yield output

    def limit_member(self, size: int) -> None:
        """Limit how many bytes may come out of the member that has just begun.

        Call it after a `MemberStart`, before taking what follows it.
        """
        self._reader.limit_size(size)

    def skip_member(self) -> None:
        """Do not read the member that has just begun, where its header says its length.

        Its end then has a fault.
        """
        self._reader.skip()

    # --- the records of an archive -------------------------------------------------------------

    def _archive(self) -> Steps:
        yield from self._buffer.wait_for(len(LOCAL))
        if not self._buffer.pending.startswith(RECORDS):
            # No more of it is quoted: it may be a page that repeats our request, its key included.
            begins = bytes(self._buffer.pending[: len(LOCAL)])
            raise self._buffer.damaged(f"not a zip: it begins with {quote_bytes(begins)}")
        while not self.complete:
            signature = yield from self._buffer.take(len(LOCAL))
            if signature == LOCAL:
                if self.members == self._limits.members:
                    raise self._buffer.damaged(f"it has more than {self._limits.members} members")
                yield from self._reader.read()
            else:
                self._count_record()
                yield from self._directory(signature)
        while True:
            self._buffer.at = len(self._buffer.pending)
            yield None

    def _count_record(self) -> None:
        """Refuse a directory that goes on beyond all that was sent."""
        self._records += 1
        if self._records > self.members + _OTHER_RECORDS:
            raise self._buffer.damaged(
                f"it lists more than the {self.members} members that were sent"
            )

    def _directory(self, signature: bytes) -> Steps:
        """Pass over one record of the central directory; all it says was in the local headers."""
        if signature == CENTRAL:
            fields = CENTRAL_FIELDS.unpack((yield from self._buffer.take(CENTRAL_FIELDS.size)))
            yield from self._buffer.skip(sum(fields[9:12]))
        elif signature == ZIP64_END:
            yield from self._zip64_end()
        elif signature == ZIP64_LOCATOR:
            yield from self._buffer.skip(ZIP64_LOCATOR_SIZE)
        elif signature == END:
            fields = END_FIELDS.unpack((yield from self._buffer.take(END_FIELDS.size)))
            yield from self._buffer.skip(fields[6])
            self._finish(fields[3])
        else:
            raise self._buffer.damaged(f"no zip record begins with {quote_bytes(bytes(signature))}")

    def _zip64_end(self) -> Steps:
        fields = ZIP64_END_FIELDS.unpack((yield from self._buffer.take(ZIP64_END_FIELDS.size)))
        more = fields[0] - (ZIP64_END_FIELDS.size - 8)
        if not 0 <= more <= _ZIP64_END_LONGEST:
            raise self._buffer.damaged(f"its zip64 end record claims {fields[0]} bytes")
        self._zip64_count = fields[6]
        yield from self._buffer.skip(more)

    def _finish(self, promised: int) -> None:
        """End the archive, unless it lists more or fewer members than arrived.

        A writer without zip64 writes the low 16 bits of a count that has more.
        """
        if promised == COUNT_IN_ZIP64 and self._zip64_count is not None:
            promised = self._zip64_count
        if promised not in (self.members, self.members & 0xFFFF):
            raise self._buffer.damaged(
                f"it lists {promised} members where {self.members} were sent"
            )
        self.complete = True
