"""Files that are odd as those of real archives are: no fill, something after the end, gzip."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from winter_sync.simulator.faults.kinds import DOWNLOADS, QUERIES, Kind, basename
from winter_sync.simulator.faults.members import Content, Members, Repacking
from winter_sync.simulator.packing.zips import DEFLATED, DESCRIPTOR_FLAG, Packed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winter_sync.simulator.faults.hooks import Call
    from winter_sync.simulator.packing.zips import Member

_BLOCK, _CARD = 2880, 80
_ZEROS = 2880
_JUNK = b"what a writer had in its buffer"
_GZIP = ".gz"
_MEGABYTE = 1_000_000


class NoFill(Content):
    """A FITS file whose last block is not filled up: all its data are there."""

    name = "no-fill"

    def _content(self, content: bytes) -> bytes:
        """Leave the fill out."""
        *_, (data_end, _) = hdus(content)
        return content[:data_end]


class ZerosAfter(Content):
    """A FITS file with zeros after its last HDU."""

    name = "zeros-after"
    takes = f"how many ({_ZEROS})"

    def _content(self, content: bytes) -> bytes:
        """Add the zeros."""
        return content + bytes(int(self.value(_ZEROS)))


class JunkAfter(Content):
    """A FITS file with bytes after its last HDU that are no extension."""

    name = "junk-after"

    def _content(self, content: bytes) -> bytes:
        """Add the bytes."""
        return content + _JUNK


class WrongSum(Content):
    """A FITS file with a DATASUM that is not the sum of its data."""

    name = "wrong-sum"

    def _content(self, content: bytes) -> bytes:
        """Put the card where END was, and END after it, in a new block if necessary."""
        at = next(at for at in range(0, len(content), _CARD) if content[at : at + 8] == b"END     ")
        header = content[:at] + b"DATASUM = '12345   '".ljust(_CARD) + b"END".ljust(_CARD)
        return header.ljust(-(-len(header) // _BLOCK) * _BLOCK) + content[_next_block(at) :]


class FewerBoards(Content):
    """An exposure with fewer extensions than detector boards."""

    name = "boards"
    takes = "how many are there (3)"

    def _content(self, content: bytes) -> bytes:
        """Leave the last extensions out."""
        ends = [end for _, end in hdus(content)]
        return content[: ends[min(int(self.value(3)), len(ends) - 1)]]


class Gzipped(Kind):
    """Every FITS file packed with gzip, and named .fits.gz, in listings and in zips."""

    name, strikes = "gzipped", QUERIES | DOWNLOADS

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Change the names."""
        del call
        return {**body, "body": [_renamed(row) for row in body["body"]]}

    def savepath(self, call: Call, path: str) -> str:
        """Return the savepath that such a name stands for."""
        del call
        return path.removesuffix(_GZIP)

    def members(self, call: Call, members: Iterator[Member]) -> Iterator[Member]:
        """Pack the requested product under such a name."""
        asked = {basename(path) for path in call.savepaths}
        for member in members:
            name = member.name + _GZIP
            if basename(name) in asked:
                yield replace(member, name=name, pack=Repacking(member.pack, _gzipped))
            else:
                yield member


class Empties(Members):
    """A member is sent many times instead of once, and is empty each time."""

    name = "empties"
    takes = "how many times (20000)"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        """Return the empty members."""
        empty = Packed(0, 0, 0, lambda: iter(()))
        for _ in range(int(self.value(20_000))):
            yield replace(member, method=0, pack=lambda: empty)


class LateBomb(Members):
    """A member of a few kilobytes that inflates to gigabytes, with its size written after it."""

    name = "bomb-late"
    takes = "megabytes that come out (1500)"

    def _instead_of(self, member: Member) -> Iterator[Member]:
        """Return the bomb."""
        data, size, crc = _zeros(int(self.value(1500)))
        packed = Packed(size, crc, len(data), lambda: iter((data,)))
        yield replace(member, flags=DESCRIPTOR_FLAG, method=DEFLATED, pack=lambda: packed)


def _zeros(megabytes: int) -> tuple[bytes, int, int]:
    """Return megabytes of zeros as a deflate stream, with their size and their CRC-32."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece, crc = bytes(_MEGABYTE), 0
    parts = []
    for _ in range(megabytes):
        parts.append(squeeze.compress(piece))
        crc = zlib.crc32(piece, crc)
    return b"".join([*parts, squeeze.flush()]), megabytes * _MEGABYTE, crc


def _renamed(row: dict[str, Any]) -> dict[str, Any]:
    savepath = row["savepath"]
    return {**row, "savepath": savepath + _GZIP} if savepath.endswith(".fits") else row


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=1, mtime=0)


def hdus(content: bytes) -> Iterator[tuple[int, int]]:
    """Return, for each HDU of a simulated FITS file, where its data and where their fill end."""
    at = 0
    while at < len(content):
        cards = {}
        while content[at : at + 8] != b"END     ":
            cards[content[at : at + 8].strip()] = content[at + 10 : at + 30].strip()
            at += _CARD
        at = _next_block(at)
        axes = [int(cards[b"NAXIS%d" % axis]) for axis in range(1, int(cards[b"NAXIS"]) + 1)]
        size = abs(int(cards[b"BITPIX"])) // 8 if axes else 0
        for axis in axes:
            size *= axis
        size += int(cards.get(b"PCOUNT", 0))
        end = at + -(-size // _BLOCK) * _BLOCK
        yield at + size, end
        at = end


def _next_block(at: int) -> int:
    return at // _BLOCK * _BLOCK + _BLOCK


KINDS: tuple[type[Kind], ...] = (
    NoFill,
    ZerosAfter,
    JunkAfter,
    WrongSum,
    FewerBoards,
    Gzipped,
    Empties,
    LateBomb,
)
