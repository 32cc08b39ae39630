"""A zip read while it arrives: bytes in; member starts, data and verdicts out. No I/O.

The source of every offset and signature is PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
Members are read in stream order from their local headers, so each is known whole or not the moment
its last byte is here, whatever becomes of the rest. The data come out before their CRC-32 can be
known: a caller must not believe them before `MemberEnd.fault` is None.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from isal import igzip_lib, isal_zlib

from winter_sync.errors import DamagedError

_LOCAL = b"PK\x03\x04"
_CENTRAL = b"PK\x01\x02"
_END = b"PK\x05\x06"
_ZIP64_END = b"PK\x06\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_DESCRIPTOR = b"PK\x07\x08"

_LOCAL_FIELDS = struct.Struct("<HHHHHIIIHH")
_CENTRAL_FIELDS = struct.Struct("<HHHHHHIIIHHHHHII")
_END_FIELDS = struct.Struct("<HHHHIIH")
_DESCRIPTOR_FORMS = (
    (_DESCRIPTOR, struct.Struct("<III")),
    (_DESCRIPTOR, struct.Struct("<IQQ")),
    (b"", struct.Struct("<III")),
    (b"", struct.Struct("<IQQ")),
)
_DESCRIPTOR_LONGEST = 24

_ENCRYPTED, _HAS_DESCRIPTOR, _UTF8_NAME = 0x0001, 0x0008, 0x0800
_STORED, _DEFLATED = 0, 8
_ZIP64_EXTRA, _IN_ZIP64 = 0x0001, 0xFFFFFFFF

_InflateError: type[Exception] = igzip_lib.error  # type: ignore[assignment] # the stub is wrong

_INPUT_PIECE = 128 * 1024
"""Compressed bytes handed to the inflater at once: its output then stays in the L2 cache."""
_OUTPUT_PIECE = 1024 * 1024
"""The most that one event can hold, so that a bomb costs disk accounting, never memory."""

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


Event = MemberStart | Data | MemberEnd
_Steps = Generator[Event | None, None, None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what an archive may ask of us."""

    member_size: int = 4 * 1024**3
    """Bytes of one member, inflated. The largest real product has 52 MB."""
    name_length: int = 1024
    """Bytes of one member's name."""


@dataclass(slots=True)
class _Member:
    """The member being read: what its header said and what has come out so far."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    got_crc: int = 0
    got_packed: int = 0
    got_size: int = 0

    @property
    def has_descriptor(self) -> bool:
        return bool(self.flags & _HAS_DESCRIPTOR)

    @property
    def length_known(self) -> bool:
        return not self.has_descriptor or self.packed > 0

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

    Every split of the same bytes gives the same members, sizes and verdicts. `members` counts the
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
        self._pending = b""
        self._at = 0
        self._consumed = 0
        self._steps = self._archive()

    @property
    def offset(self) -> int:
        """How many bytes of the archive have been read."""
        return self._consumed + self._at

    def feed(self, block: bytes) -> Iterator[Event]:
        """Take the next bytes and yield what they complete.

        A `memoryview` among the events is valid until the next `feed`.
        """
        self._consumed += self._at
        self._pending = self._pending[self._at :] + block if self._left else block
        self._at = 0
        while (event := next(self._steps)) is not None:
            yield event

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

    def _archive(self) -> _Steps:
        yield from self._await(len(_LOCAL))
        if not self._pending.startswith((_LOCAL, _END)):
            raise self._damaged(f"not a zip: it begins with {self._pending[:60]!r}")
        while not self.complete:
            signature = yield from self._take(len(_LOCAL))
            if signature == _LOCAL:
                yield from self._member()
            else:
                yield from self._directory(signature)
        while True:
            self._at = len(self._pending)
            yield None

    def _directory(self, signature: bytes) -> _Steps:
        """Pass over one record of the central directory; all it says was in the local headers."""
        if signature == _CENTRAL:
            fields = _CENTRAL_FIELDS.unpack((yield from self._take(_CENTRAL_FIELDS.size)))
            yield from self._skip(sum(fields[9:12]))
        elif signature == _ZIP64_END:
            (length,) = struct.unpack("<Q", (yield from self._take(8)))
            yield from self._skip(length)
        elif signature == _ZIP64_LOCATOR:
            yield from self._skip(16)
        elif signature == _END:
            fields = _END_FIELDS.unpack((yield from self._take(_END_FIELDS.size)))
            yield from self._skip(fields[6])
            self._finish(fields[3])
        else:
            raise self._damaged(f"no zip record begins with {signature!r}")

    def _finish(self, promised: int) -> None:
        if promised not in (self.members & 0xFFFF, 0xFFFF):
            raise self._damaged(f"it lists {promised} members where {self.members} were sent")
        self.complete = True

    def _member(self) -> _Steps:
        member = yield from self._header()
        yield MemberStart(member.name, member.size if member.length_known else None)
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
        if member.length_known and member.size > self._limits.member_size:
            return f"it claims {member.size} bytes, more than any product has"
        return None

    def _pass_over(self, member: _Member, why: str) -> _Steps:
        """Go to the end of an unreadable member, if its header tells where that is."""
        if not member.length_known:
            raise self._damaged(f"member {member.name!r}: {why}, and its end is not told")
        yield from self._skip(member.packed - member.got_packed)
        member.got_packed = member.packed
        if member.has_descriptor:
            yield from self._descriptor(member)

    def _content(self, member: _Member) -> Generator[Event | None, None, str | None]:
        read = self._choose(member)
        try:
            yield from read(member)
        except _BadContentError as bad:
            yield from self._pass_over(member, str(bad))
            return str(bad)
        if not member.length_known and member.method == _STORED:
            return None
        if member.has_descriptor:
            return (yield from self._descriptor(member))
        return member.verdict(member.crc, member.packed, member.size)

    def _choose(self, member: _Member) -> Callable[[_Member], _Steps]:
        if member.method == _DEFLATED:
            return self._inflate
        return self._copy if member.length_known else self._search

    def _copy(self, member: _Member) -> _Steps:
        """Read a stored member of known length."""
        while member.got_packed < member.packed:
            if not self._left:
                yield None
                continue
            step = min(member.packed - member.got_packed, self._left, _OUTPUT_PIECE)
            yield self._advance(member, step)

    def _search(self, member: _Member) -> _Steps:
        """Read a stored member whose end is told only by a descriptor that fits what came.

        The signature may stand in the data by chance; the CRC-32 and both sizes agreeing with it
        by chance is a matter of 2**-96.
        """
        while True:
            found = self._pending.find(_DESCRIPTOR, self._at)
            end = found if found >= 0 else len(self._pending) - len(_DESCRIPTOR) + 1
            while self._at < end:
                yield self._advance(member, min(end - self._at, _OUTPUT_PIECE))
            if found < 0:
                yield None
                continue
            yield from self._await(_DESCRIPTOR_LONGEST)
            if self._fitting_descriptor(member, _DESCRIPTOR_FORMS[:2]):
                return
            yield self._advance(member, len(_DESCRIPTOR))

    def _advance(self, member: _Member, count: int) -> memoryview:
        """Hand out the next stored bytes without copying them."""
        data = memoryview(self._pending)[self._at : self._at + count]
        self._at += count
        member.got_packed += count
        self._account(member, data)
        return data

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
        member.got_size += len(data)
        member.got_crc = isal_zlib.crc32(data, member.got_crc)
        if member.got_size > self._limits.member_size:
            raise _BadContentError(f"it has more than {self._limits.member_size} bytes")

    def _descriptor(self, member: _Member) -> Generator[None, None, str | None]:
        """Read the descriptor behind a member and give its verdict."""
        yield from self._await(_DESCRIPTOR_LONGEST)
        if self._fitting_descriptor(member, _DESCRIPTOR_FORMS):
            return None
        for signature, form in _DESCRIPTOR_FORMS:
            crc, packed, size = self._peek(signature, form)
            if packed == member.got_packed and self._pending.startswith(signature, self._at):
                self._at += len(signature) + form.size
                return member.verdict(crc, packed, size)
        raise self._damaged(f"no descriptor follows member {member.name!r}")

    def _fitting_descriptor(
        self, member: _Member, forms: tuple[tuple[bytes, struct.Struct], ...]
    ) -> bool:
        """Step over the descriptor that agrees with what came, if one stands here."""
        for signature, form in forms:
            fits = self._pending.startswith(signature, self._at)
            if fits and member.verdict(*self._peek(signature, form)) is None:
                self._at += len(signature) + form.size
                return True
        return False

    def _peek(self, signature: bytes, form: struct.Struct) -> tuple[int, int, int]:
        crc, packed, size = form.unpack_from(self._pending, self._at + len(signature))
        return crc, packed, size

    def _damaged(self, what: str) -> DamagedError:
        return DamagedError(f"the zip is damaged at byte {self.offset}: {what}")


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
