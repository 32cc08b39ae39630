"""A zip read while it arrives: bytes in; member starts, data and verdicts out. No I/O.

The source of every offset and signature is PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
Members are read in stream order from their local headers, so each is known whole or not the moment
its last byte is here, whatever becomes of the rest. The data come out before their CRC-32 can be
known: a caller must not believe them before `MemberEnd.fault` is None.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

from isal import igzip_lib, isal_zlib

from winter_sync.core import DamagedError

_LOCAL = b"PK\x03\x04"
_CENTRAL = b"PK\x01\x02"
_END = b"PK\x05\x06"
_ZIP64_END = b"PK\x06\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_DESCRIPTOR = b"PK\x07\x08"
_RECORDS = (_LOCAL, _CENTRAL, _END, _ZIP64_END)
"""What an archive may begin with, and what may follow a member."""

_LOCAL_FIELDS = struct.Struct("<HHHHHIIIHH")
_CENTRAL_FIELDS = struct.Struct("<HHHHHHIIIHHHHHII")
_ZIP64_END_FIELDS = struct.Struct("<QHHIIQQQQ")
_ZIP64_END_LONGEST = 0xFFFF
_ZIP64_LOCATOR_SIZE = 16
_END_FIELDS = struct.Struct("<HHHHIIH")

_ENCRYPTED, _HAS_DESCRIPTOR, _UTF8_NAME = 0x0001, 0x0008, 0x0800
_STORED, _DEFLATED = 0, 8
_ZIP64_EXTRA, _IN_ZIP64, _COUNT_IN_ZIP64 = 0x0001, 0xFFFFFFFF, 0xFFFF

_InflateError: type[Exception] = igzip_lib.error  # type: ignore[assignment] # the stub is wrong

_OTHER_RECORDS = 3
"""Records at the end of an archive that are no member's: two of zip64, and the last."""
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
    """A member begins; `size` is what its header claims, None where only its end will tell."""

    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class MemberEnd:
    """A member has ended: whole and checked when `fault` is None, else to be thrown away."""

    name: str
    size: int
    fault: str | None


Output = MemberStart | Data | MemberEnd
"""What reading an archive brings, in the order of its bytes."""
_Steps = Generator[Output | None, None, None]
_Judged = Generator[Output | None, None, str | None]


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


@dataclass(frozen=True, slots=True)
class _DescriptorForm:
    """A way to write a data descriptor (APPNOTE 4.3.9): signed or not, sizes of 4 or 8 bytes."""

    signature: bytes
    fields: struct.Struct

    @property
    def size(self) -> int:
        return len(self.signature) + self.fields.size

    def read(self, buffer: bytes, at: int) -> tuple[int, int, int]:
        """Give the CRC-32, the packed size and the size."""
        crc, packed, size = self.fields.unpack_from(buffer, at + len(self.signature))
        return crc, packed, size


_DESCRIPTOR_FORMS = tuple(
    _DescriptorForm(signature, struct.Struct(fields))
    for fields in ("<III", "<IQQ")
    for signature in (b"", _DESCRIPTOR)
)
"""From the shortest to the longest."""
_SIGNED_FORMS = tuple(form for form in _DESCRIPTOR_FORMS if form.signature)
_LONGEST_FORM = _DESCRIPTOR_FORMS[-1].size


@dataclass(slots=True)
class _Member:
    """The member being read: what its header said and what has come out so far."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    most: int = 0
    """How many bytes may come out of it."""
    got_crc: int = 0
    got_packed: int = 0
    got_size: int = 0

    @property
    def has_descriptor(self) -> bool:
        return bool(self.flags & _HAS_DESCRIPTOR)

    @property
    def length_known(self) -> bool:
        return not self.has_descriptor or self.packed not in (0, _IN_ZIP64)

    @property
    def is_deflated(self) -> bool:
        """Some writers call an empty member deflated, and write no stream at all."""
        return self.method == _DEFLATED and not (self.length_known and self.packed == 0)

    @property
    def promised(self) -> int | None:
        """How many bytes its header says will come out; None where that is told behind them."""
        return None if self.has_descriptor else self.size

    def verdict(self, crc: int, packed: int, size: int) -> str | None:
        """Compare what came with what was promised; None when all agrees."""
        if self.got_packed != packed:
            return f"{self.got_packed} packed bytes where {packed} were promised"
        if self.got_size != size:
            return f"{self.got_size} bytes where {size} were promised"
        if self.got_crc != crc:
            return f"CRC-32 is {self.got_crc:08x} where {crc:08x} was promised"
        return None


class Unzipper:
    """Reads one archive; feed it the bytes in order, in blocks of any size.

    Every split of the same bytes gives the same members, data and verdicts; only how much of a
    broken deflated member comes out before its fault is found may differ. `members` counts the
    members ended so far; `complete` tells whether the end-of-archive record was seen, without
    which an archive that merely stops is a truncated one.

    Raises
    ------
    DamagedError
        From `feed`, where the archive can no longer be followed. What was yielded before stays
        good.
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self.members = 0
        self.complete = False
        self._limits = limits
        self._most = limits.member_size
        self._is_wanted = True
        self._inflated = self._records = self._lookalikes = 0
        self._pending = b""
        self._at = 0
        self._consumed = 0
        self._zip64_count: int | None = None
        self._damage: DamagedError | None = None
        self._steps = self._archive()

    @property
    def offset(self) -> int:
        """How many bytes of the archive have been read."""
        return self._consumed + self._at

    def feed(self, block: bytes) -> Iterator[Output]:
        """Take the next bytes and yield what they complete; take all of it before feeding more.

        Stored data come as views of the block, inflated data in pieces of bounded size.
        """
        if self._damage is not None:
            raise self._damage
        self._consumed += self._at
        self._pending = self._pending[self._at :] + block if self._left else block
        self._at = 0
        if self._consumed + len(self._pending) > self._limits.archive_size:
            raise self._damaged(f"it has more than {self._limits.archive_size} bytes")
        while (output := next(self._steps)) is not None:
            yield output

    def bound(self, size: int) -> None:
        """Let no more than so many bytes come out of the member that has just begun.

        For whoever was given a `MemberStart`, before taking what follows it.
        """
        self._most = min(size, self._limits.member_size)

    def pass_over(self) -> None:
        """Spare the reading of the member that has just begun, where its header tells its length.

        Its end is then told with a fault.
        """
        self._is_wanted = False

    @property
    def _left(self) -> int:
        return len(self._pending) - self._at

    def _take(self, count: int) -> Generator[None, None, bytes]:
        yield from self._await(count)
        taken = self._pending[self._at : self._at + count]
        self._at += count
        return taken

    def _await(self, count: int) -> Generator[None, None, None]:
        while self._left < count:
            yield None

    def _skip(self, count: int) -> Generator[None, None, None]:
        while count:
            step = min(count, self._left)
            self._at += step
            count -= step
            if count:
                yield None

    # --- the records of an archive -------------------------------------------------------------

    def _archive(self) -> _Steps:
        yield from self._await(len(_LOCAL))
        if not self._pending.startswith(_RECORDS):
            # No more of it is told: it may be a page that repeats our request, its key included.
            raise self._damaged(f"not a zip: it begins with {self._pending[: len(_LOCAL)]!r}")
        while not self.complete:
            signature = yield from self._take(len(_LOCAL))
            if signature == _LOCAL:
                if self.members == self._limits.members:
                    raise self._damaged(f"it has more than {self._limits.members} members")
                yield from self._member()
            else:
                self._count_record()
                yield from self._directory(signature)
        while True:
            self._at = len(self._pending)
            yield None

    def _count_record(self) -> None:
        """Refuse a directory that goes on beyond all that was sent."""
        self._records += 1
        if self._records > self.members + _OTHER_RECORDS:
            raise self._damaged(f"it lists more than the {self.members} members that were sent")

    def _directory(self, signature: bytes) -> _Steps:
        """Pass over one record of the central directory; all it says was in the local headers."""
        if signature == _CENTRAL:
            fields = _CENTRAL_FIELDS.unpack((yield from self._take(_CENTRAL_FIELDS.size)))
            yield from self._skip(sum(fields[9:12]))
        elif signature == _ZIP64_END:
            yield from self._zip64_end()
        elif signature == _ZIP64_LOCATOR:
            yield from self._skip(_ZIP64_LOCATOR_SIZE)
        elif signature == _END:
            fields = _END_FIELDS.unpack((yield from self._take(_END_FIELDS.size)))
            yield from self._skip(fields[6])
            self._finish(fields[3])
        else:
            raise self._damaged(f"no zip record begins with {signature!r}")

    def _zip64_end(self) -> _Steps:
        fields = _ZIP64_END_FIELDS.unpack((yield from self._take(_ZIP64_END_FIELDS.size)))
        more = fields[0] - (_ZIP64_END_FIELDS.size - 8)
        if not 0 <= more <= _ZIP64_END_LONGEST:
            raise self._damaged(f"its zip64 end record claims {fields[0]} bytes")
        self._zip64_count = fields[6]
        yield from self._skip(more)

    def _finish(self, promised: int) -> None:
        """End the archive, unless it lists more or fewer members than came.

        A writer without zip64 gives the low 16 bits of a count that has more.
        """
        if promised == _COUNT_IN_ZIP64 and self._zip64_count is not None:
            promised = self._zip64_count
        if promised not in (self.members, self.members & 0xFFFF):
            raise self._damaged(f"it lists {promised} members where {self.members} were sent")
        self.complete = True

    # --- one member ----------------------------------------------------------------------------

    def _member(self) -> _Steps:
        member = yield from self._header()
        self._most, self._is_wanted = self._limits.member_size, True
        yield MemberStart(member.name, member.size if member.length_known else None)
        member.most = self._most
        fault = self._unreadable(member)
        if fault is None:
            fault = yield from self._content(member)
        else:
            yield from self._pass_over(member, fault)
        self.members += 1
        yield MemberEnd(member.name, member.got_size, fault)

    def _header(self) -> Generator[None, None, _Member]:
        fields = _LOCAL_FIELDS.unpack((yield from self._take(_LOCAL_FIELDS.size)))
        _, flags, method, _, _, crc, packed, size, name_length, extra_length = fields
        if name_length > self._limits.name_length:
            raise self._damaged(f"a member's name has {name_length} bytes")
        raw_name = yield from self._take(name_length)
        extra = yield from self._take(extra_length)
        size, packed = _zip64_sizes(extra, size, packed)
        name = raw_name.decode("utf-8" if flags & _UTF8_NAME else "cp437", errors="replace")
        return _Member(name, flags, method, crc, packed, size)

    def _unreadable(self, member: _Member) -> str | None:
        """Say why a member cannot be read at all, judged by its header; None if it can."""
        if member.flags & _ENCRYPTED:
            return "it is encrypted"
        if member.method not in (_STORED, _DEFLATED):
            return f"its compression method {member.method} is unknown"
        claimed = max(member.packed, member.size)
        if member.length_known and claimed > member.most:
            return f"it claims {claimed} bytes, where at most {member.most} are taken"
        if member.length_known and not self._is_wanted:
            return "it is not wanted"
        return None

    def _pass_over(self, member: _Member, why: str) -> _Steps:
        """Go to the end of an unreadable member, if its header tells, credibly, where that is."""
        if not member.length_known or member.packed > self._limits.member_size:
            raise self._damaged(f"member {member.name!r}: {why}, and its end cannot be found")
        yield from self._skip(member.packed - member.got_packed)
        member.got_packed = member.packed
        if member.has_descriptor:
            yield from self._descriptor(member)

    def _content(self, member: _Member) -> _Judged:
        """Read what can be read and give the verdict."""
        try:
            if member.is_deflated:
                yield from self._inflate(member)
            elif member.length_known:
                yield from self._copy(member)
            else:
                return (yield from self._search(member))
        except _BadContentError as bad:
            yield from self._pass_over(member, str(bad))
            return str(bad)
        if member.has_descriptor:
            return (yield from self._descriptor(member))
        return member.verdict(member.crc, member.packed, member.size)

    # --- stored members ------------------------------------------------------------------------

    def _copy(self, member: _Member) -> _Steps:
        """Read a stored member of known length."""
        while member.got_packed < member.packed:
            if not self._left:
                yield None
                continue
            yield self._advance(member, min(member.packed - member.got_packed, self._left))

    def _search(self, member: _Member) -> _Judged:
        """Read a stored member whose end is told only by a signed descriptor that fits what came.

        The signature may stand in the data by chance. That the CRC-32 and both sizes, or both
        sizes and the next record's signature, agree by chance is a matter of 2**-96.
        """
        while True:
            end = self._likely_end(member)
            if self._at < end:
                yield self._advance(member, end - self._at)
            if self._left < len(_DESCRIPTOR):
                yield None
                continue
            if (yield from self._fitting_descriptor(member, _SIGNED_FORMS)):
                return None
            fault = yield from self._contradiction(member, self._right_sized(member, self._at))
            if fault is not None:
                return fault
            self._count_lookalike(member)
            yield self._advance(member, len(_DESCRIPTOR))

    def _likely_end(self, member: _Member) -> int:
        """Find where a descriptor may stand: its sizes are right, or not all here yet.

        Looking at the sizes first keeps data that are full of signatures cheap.
        """
        at = self._pending.find(_DESCRIPTOR, self._at)
        while 0 <= at <= len(self._pending) - _LONGEST_FORM:
            if self._right_sized(member, at):
                return at
            self._count_lookalike(member)
            at = self._pending.find(_DESCRIPTOR, at + len(_DESCRIPTOR))
        return at if at >= 0 else len(self._pending) - self._begun_signature()

    def _count_lookalike(self, member: _Member) -> None:
        """Give up data that were made to look like the end of a member again and again."""
        self._lookalikes += 1
        if self._lookalikes > _MAX_LOOKALIKES:
            raise self._damaged(f"the end of member {member.name!r} cannot be found")

    def _right_sized(self, member: _Member, at: int) -> list[_DescriptorForm]:
        """Give the signed forms in which a descriptor at this place would tell the size."""
        size = member.got_size + at - self._at
        return [form for form in _SIGNED_FORMS if form.read(self._pending, at)[1:] == (size, size)]

    def _begun_signature(self) -> int:
        """Give how many bytes at the end of what is here may begin a descriptor."""
        lengths = range(min(self._left, len(_DESCRIPTOR) - 1), 0, -1)
        return next((n for n in lengths if self._pending.endswith(_DESCRIPTOR[:n])), 0)

    def _advance(self, member: _Member, count: int) -> memoryview:
        """Hand out the next stored bytes without copying them."""
        data = memoryview(self._pending)[self._at : self._at + count]
        self._at += count
        member.got_packed += count
        self._account(member, data)
        return data

    # --- deflated members ----------------------------------------------------------------------

    def _inflate(self, member: _Member) -> _Steps:
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        while not inflater.eof:
            piece = self._next_packed(member) if inflater.needs_input else b""
            if piece is None:
                yield None
                continue
            try:
                data = inflater.decompress(piece, _OUTPUT_PIECE)
            except _InflateError as broken:
                raise _BadContentError(f"its deflated data are broken ({broken})") from None
            if data:
                self._account(member, data)
                yield data
        self._give_back(member, len(inflater.unused_data))

    def _next_packed(self, member: _Member) -> memoryview | None:
        """Take the next compressed bytes of a member; None when more must arrive first."""
        step = min(self._left, _INPUT_PIECE)
        if member.length_known:
            step = min(step, member.packed - member.got_packed)
            if member.got_packed == member.packed:
                raise _BadContentError("its deflated data do not end where promised")
        if not step:
            return None
        piece = memoryview(self._pending)[self._at : self._at + step]
        self._at += step
        member.got_packed += step
        return piece

    def _give_back(self, member: _Member, count: int) -> None:
        """Return what the inflater was given beyond the member's end."""
        self._at -= count
        member.got_packed -= count
        if member.length_known and member.got_packed != member.packed:
            raise _BadContentError("its deflated data end before they should")

    def _account(self, member: _Member, data: Data) -> None:
        """Count what is about to come out, unless it is more than may."""
        size = member.got_size + len(data)
        self._inflated += len(data)
        if member.promised is not None and size > member.promised:
            what = f"it has more than the {member.promised} bytes that were promised"
            raise _BadContentError(what)
        if size > member.most:
            raise _BadContentError(f"it has more than {member.most} bytes")
        if self._inflated > self._limits.inflated_size:
            raise self._damaged(f"more than {self._limits.inflated_size} bytes come out of it")
        member.got_size = size
        member.got_crc = isal_zlib.crc32(data, member.got_crc)

    # --- data descriptors ----------------------------------------------------------------------

    def _descriptor(self, member: _Member) -> Generator[None, None, str | None]:
        """Read the descriptor behind a member and give its verdict."""
        if (yield from self._fitting_descriptor(member, _DESCRIPTOR_FORMS)):
            return None
        fault = yield from self._contradiction(member, _DESCRIPTOR_FORMS)
        if fault is None:
            raise self._damaged(f"no descriptor follows member {member.name!r}")
        return fault

    def _fitting_descriptor(
        self, member: _Member, forms: tuple[_DescriptorForm, ...]
    ) -> Generator[None, None, bool]:
        """Step over the descriptor that agrees with what came, if one stands here.

        A form is judged once its own bytes are here, so that the last whole member of a truncated
        archive counts. Zeros prove little, so an empty member needs a record behind it as well.
        """
        for form in forms:
            yield from self._await(form.size + (0 if member.got_size else len(_LOCAL)))
            promised, end = form.read(self._pending, self._at), self._at + form.size
            certain = member.got_size > 0 or self._pending.startswith(_RECORDS, end)
            if certain and self._stands_here(form) and member.verdict(*promised) is None:
                self._at = end
                return True
        return False

    def _contradiction(
        self, member: _Member, forms: Iterable[_DescriptorForm]
    ) -> Generator[None, None, str | None]:
        """Step over a descriptor that does not agree, known by what follows; say what is wrong."""
        yield from self._await(_LONGEST_FORM + len(_LOCAL))
        for form in forms:
            end = self._at + form.size
            if self._stands_here(form) and self._pending.startswith(_RECORDS, end):
                promised = form.read(self._pending, self._at)
                self._at = end
                return member.verdict(*promised)
        return None

    def _stands_here(self, form: _DescriptorForm) -> bool:
        return self._pending.startswith(form.signature, self._at)

    def _damaged(self, what: str) -> DamagedError:
        self._damage = DamagedError(f"the zip is damaged at byte {self.offset}: {what}")
        return self._damage


class _BadContentError(Exception):
    """A member's content is wrong, in a way that may leave the rest of the archive readable."""


def _zip64_sizes(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """Replace sizes that did not fit 32 bits by those of the zip64 field (APPNOTE 4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64_EXTRA:
            count = min(length, len(extra) - at - 4) // 8
            values = iter(struct.unpack_from(f"<{count}Q", extra, at + 4))
            size = next(values, size) if size == _IN_ZIP64 else size
            packed = next(values, packed) if packed == _IN_ZIP64 else packed
            return size, packed
        at += 4 + length
    return size, packed
