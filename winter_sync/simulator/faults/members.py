"""Faults of the members of a zip: damaged, misnamed, left out, lying, not what they seem."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from winter_sync.simulator.faults.answers import PAGE
from winter_sync.simulator.faults.kinds import DOWNLOADS, Kind, basename
from winter_sync.simulator.faults.streams import turned
from winter_sync.simulator.packing.zips import (
    DEFLATED,
    DESCRIPTOR_FLAG,
    ENCRYPTED_FLAG,
    STORED,
    Member,
    Packed,
    ZipStyle,
    deflated,
    pack,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from winter_sync.simulator.faults.hooks import Call

_UNKNOWN_METHOD = 99
_MEGABYTE = 1_000_000


class Members(Kind):
    """Something is wrong with one of the members, or with each of those a script is after."""

    strikes = DOWNLOADS

    def members(self, call: Call, members: Iterator[Member]) -> Iterator[Member]:
        """Change the chosen members."""
        chosen = self.chosen(call)
        for member in members:
            if basename(member.name) in chosen:
                yield from self._instead_of(member)
            else:
                yield member

    def _instead_of(self, member: Member) -> Iterator[Member]:
        raise NotImplementedError


class Content(Members):
    """A whole member, its CRC right, with something else in it."""

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(member, pack=Repacking(member.pack, self._content))

    def _content(self, content: bytes) -> bytes:
        raise NotImplementedError


class _Renamed(Members):
    """A copy of a member under a name that must not be used, before the member itself."""

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(member, name=self._name(member.name))
        yield member

    def _name(self, name: str) -> str:
        raise NotImplementedError


class Flipped(Members):
    """One bit of a member's data is flipped: its CRC-32 shows it."""

    name = "flip"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(member, pack=_Changed(member.pack, _flipped))


class SizeLies(Members):
    """A member's size is not the one in its header."""

    name = "size-lies"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(
            member, pack=_Changed(member.pack, lambda true: replace(true, size=true.size + 1))
        )


class Bomb(Members):
    """A member of a few kilobytes that inflates to much more than its header says."""

    name = "bomb"
    takes = "megabytes that come out"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        data = deflated(bytes(int(self.value(64) * _MEGABYTE)), 9)

        def bomb(true: Packed) -> Packed:
            return Packed(true.size, true.crc, len(data), lambda: iter((data,)))

        yield replace(member, method=DEFLATED, pack=_Changed(member.pack, bomb))


class Unasked(Members):
    """A member that was not requested, before one that was."""

    name = "unasked"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(member, name=f"{member.name.removesuffix('.fits')}_of_another.fits")
        yield member


class Twice(Members):
    """A member is sent twice."""

    name = "twice"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield member
        yield member


class ProductsLeftOut(Members):
    """A member is not there, though `missing-images` counts it as served."""

    name = "left-out"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        del member
        yield from ()


class NameUp(_Renamed):
    """A name that leads out of the directory it is unpacked in."""

    name = "name-up"

    def _name(self, name: str) -> str:
        return f"../../../../{basename(name)}"


class NameAbsolute(_Renamed):
    """An absolute name."""

    name = "name-absolute"

    def _name(self, name: str) -> str:
        return f"/tmp/{basename(name)}"  # noqa: S108 - nothing is ever to be there


class NameWithNul(_Renamed):
    """A name with a NUL in it."""

    name = "name-nul"

    def _name(self, name: str) -> str:
        return f"{name}\0.fits"


class NameTooLong(_Renamed):
    """A name of 4 kB."""

    name = "name-long"

    def _name(self, name: str) -> str:
        return "x" * (4096 - len(name)) + name


class Zip64(Members):
    """A member with zip64 records, though it is small; nothing is wrong with that."""

    name = "zip64"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(member, zip64=True)


class Descriptors(Members):
    """A member stored, with its size written after it; nothing is wrong with that."""

    name = "descriptors"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(
            member,
            flags=DESCRIPTOR_FLAG,
            method=STORED,
            pack=_Changed(member.pack, lambda true: pack(content_of(true), ZipStyle("stored"))),
        )


class Encrypted(Members):
    """A member that says it is encrypted."""

    name = "encrypted"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(member, flags=ENCRYPTED_FLAG)


class UnknownMethod(Members):
    """A member packed by an unknown method."""

    name = "unknown-method"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        yield replace(member, method=_UNKNOWN_METHOD)


class Half(Content):
    """A file half written when it was zipped: a whole member, half a FITS or Avro file."""

    name = "half"

    def _content(self, content: bytes) -> bytes:
        return content[: len(content) // 2]


class Unfilled(Content):
    """A file allocated in full and not yet written: zeros."""

    name = "unfilled"

    def _content(self, content: bytes) -> bytes:
        return bytes(len(content))


class Empty(Content):
    """A file just made when it was zipped: an empty member."""

    name = "empty-member"

    def _content(self, content: bytes) -> bytes:
        del content
        return b""


class PageInside(Content):
    """An HTML page in place of a file."""

    name = "html-member"

    def _content(self, content: bytes) -> bytes:
        del content
        return PAGE


class NoCount(Kind):
    """A zip that does not say how many products are missing."""

    name, strikes = "no-count", DOWNLOADS

    def headers(self, call: Call, headers: dict[str, str]) -> dict[str, str]:
        """Leave the counts out."""
        del call
        return {name: value for name, value in headers.items() if not name.endswith("-images")}


class Miscount(Kind):
    """A zip that says that more products are missing than are."""

    name, strikes = "miscount", DOWNLOADS

    def headers(self, call: Call, headers: dict[str, str]) -> dict[str, str]:
        """Count wrong."""
        return headers | {"missing-images": str(len(call.savepaths) + 1)}


@dataclass(frozen=True, slots=True)
class _Changed:
    """Packs a member, and then changes the result."""

    pack: Callable[[], Packed]
    change: Callable[[Packed], Packed]

    def __call__(self) -> Packed:
        return self.change(self.pack())


@dataclass(frozen=True, slots=True)
class Repacking:
    """Packs a member with another content than its own, in the same way."""

    pack: Callable[[], Packed]
    change: Callable[[bytes], bytes]

    def __call__(self) -> Packed:
        """Return the member with its other content."""
        true = self.pack()
        style = ZipStyle("stored" if _is_stored(true) else "deflated")
        return pack(self.change(content_of(true)), style)


def content_of(packed: Packed) -> bytes:
    """Return the content of a packed member."""
    data = b"".join(packed.pieces())
    return data if _is_stored(packed) else zlib.decompress(data, -zlib.MAX_WBITS)


def _is_stored(packed: Packed) -> bool:
    """Return whether a member is stored: the deflated data of a product never have its very CRC."""
    if packed.size != packed.packed_size:
        return False
    return zlib.crc32(b"".join(packed.pieces())) == packed.crc


def _flipped(true: Packed) -> Packed:
    data = b"".join(true.pieces())
    return replace(true, pieces=lambda: iter((turned(data, len(data) // 2),)))


KINDS: tuple[type[Kind], ...] = (
    Flipped,
    SizeLies,
    Bomb,
    Unasked,
    Twice,
    ProductsLeftOut,
    NameUp,
    NameAbsolute,
    NameWithNul,
    NameTooLong,
    Zip64,
    Descriptors,
    Encrypted,
    UnknownMethod,
    Half,
    Unfilled,
    Empty,
    PageInside,
    NoCount,
    Miscount,
)
