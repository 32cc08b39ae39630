"""The inside of a gzip file, read in pieces from front to back, once its checksum is verified.

The source of the format is RFC 1952. Nothing inflated is kept but the piece at hand, so a file of
any size takes the same memory, and none on the disk. What comes out is bounded, because a few
kilobytes can be made to hold gigabytes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from isal import igzip_lib, isal_zlib

from winter_sync.core import Fault
from winter_sync.formats.reader import FileReader

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAGIC = b"\x1f\x8b"
"""How every gzip stream begins."""

MAX_INFLATED = 1024**3
"""Bytes that may come out of one file: twenty times the largest product that the archive has."""

_FIXED = struct.Struct("<2sBB4xBx")
_TRAILER = struct.Struct("<II")
_DEFLATED = 8
_HEADER_CHECK, _EXTRA, _NAME, _COMMENT = 0x02, 0x04, 0x08, 0x10
_RESERVED = 0xE0
_MAX_HEADER = 128 * 1024
_MAX_STREAMS = 20_000
"""Streams of one file: bgzip begins a new one every 64 kB, which are 16,384 for 1 GiB."""
_PACKED_PIECE = 128 * 1024
_INFLATED_PIECE = 192 * 1024
"""The most that is inflated at once; see `winter_sync.formats.zip_stream`."""
_FILL = 64 * 1024
"""Zeros after the last stream: fewer than this are fill to the end of a block, as tar leaves it."""

_InflateError: type[Exception] = igzip_lib.error  # type: ignore[assignment] # the stub is wrong


class GzipReader(FileReader):
    """What a gzip file holds, to be read as if it were a file.

    Reading goes forwards: what lies before the piece at hand is inflated from the start again,
    which only an error message asks for.

    Parameters
    ----------
    packed
        The gzip file.
    most
        Bytes that may come out.

    Raises
    ------
    DamagedFileError
        If the stream is cut, its data are broken, its CRC-32 or length is not what it says, or
        more comes out than may.
    """

    def __init__(self, packed: FileReader, most: int = MAX_INFLATED) -> None:
        super().__init__(packed.descriptor, packed.filename, packed.redact)
        self._packed = packed
        self._most = most
        self._end = 0
        self.size = sum(map(len, self._streams()))
        self._end_of_streams = self._end
        self._rewind()

    def _rewind(self) -> None:
        self._coming = self._streams()
        self._start = 0
        self._piece = b""

    def read(self, at: int, length: int) -> bytes:
        """Return `length` inflated bytes from byte `at`, fewer where they end before."""
        if at < self._start:
            self._rewind()
        found = []
        end = min(at + length, self.size)
        while at < end:
            within = self._piece[at - self._start : end - self._start]
            found.append(within)
            at += len(within)
            if at < end and not self._next_piece():
                break
        return b"".join(found)

    def _next_piece(self) -> bool:
        piece = next(self._coming, b"")
        self._start += len(self._piece)
        self._piece = piece
        return bool(piece)

    def refuse_what_follows(self) -> tuple[str, ...]:
        """Return what is harmless of that which follows the last stream, in words.

        Raises
        ------
        DamagedFileError
            If it is anything but a few zeros; the data inside are whole then.
        """
        at = self._end_of_streams
        count = self._packed.size - at
        if not count:
            return ()
        if count < _FILL and self._packed.zeros_from(at):
            return (f"{count} zeros follow the gzip data",)
        raise self._packed.damaged(Fault.LONG, at, f"{count} bytes follow the gzip data")

    # --- streams -------------------------------------------------------------------------------

    def _streams(self) -> Iterator[bytes]:
        """Yield all that comes out of the file, which may have several streams, one by one."""
        at = came = 0
        for _ in range(_MAX_STREAMS):
            at, size = yield from self._stream(self._data_of(at), came)
            self._end, came = at, came + size
            if self._packed.read(at, len(MAGIC)) != MAGIC:
                return
        raise self._broken(at, f"it has more than {_MAX_STREAMS} gzip streams")

    def _stream(self, at: int, came: int) -> Generator[bytes, None, tuple[int, int]]:
        """Yield what one stream holds; return the byte after its trailer, and how much it held."""
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_DEFLATE)
        crc = size = 0
        while not inflater.eof:
            packed = self._packed.read(at, _PACKED_PIECE) if inflater.needs_input else b""
            if inflater.needs_input and not packed:
                raise self._cut()
            at += len(packed)
            piece = self._inflated(inflater, packed, at)
            crc, size = isal_zlib.crc32(piece, crc), size + len(piece)
            if came + size > self._most:
                raise self._broken(at, f"more than {self._most} bytes come out of it")
            if piece:
                yield piece
        at -= len(inflater.unused_data)
        self._verify(at, crc, size)
        return at + _TRAILER.size, size

    def _inflated(self, inflater: igzip_lib.IgzipDecompressor, packed: bytes, at: int) -> bytes:
        try:
            return inflater.decompress(packed, _INFLATED_PIECE)
        except _InflateError as broken:
            raise self._broken(at, f"its deflated data are broken ({broken})") from None

    def _verify(self, at: int, crc: int, size: int) -> None:
        trailer = self._packed.read(at, _TRAILER.size)
        if len(trailer) < _TRAILER.size:
            raise self._cut()
        said_crc, said_size = _TRAILER.unpack(trailer)
        if said_crc != crc:
            raise self._broken(at, f"CRC-32 is {crc:08x} where gzip says {said_crc:08x}")
        if said_size != size & 0xFFFFFFFF:
            raise self._broken(at, f"{size} bytes come out where gzip says {said_size}")

    def _data_of(self, start: int) -> int:
        """Return the first byte of the deflated data of the stream at `start` (RFC 1952, 2.3)."""
        head = self._packed.read(start, _MAX_HEADER)
        if len(head) < _FIXED.size:
            raise self._cut()
        _, method, flags, _ = _FIXED.unpack_from(head)
        if method != _DEFLATED or flags & _RESERVED:
            raise self._broken(start, f"gzip of method {method} and flags {flags} is unknown")
        at = _FIXED.size
        if flags & _EXTRA:
            at += 2 + int.from_bytes(head[at : at + 2], "little")
        for _ in [flag for flag in (_NAME, _COMMENT) if flags & flag]:
            end = head.find(b"\0", at)
            at = end + 1 if end >= 0 else len(head) + 1
        at += 2 if flags & _HEADER_CHECK else 0
        if at > len(head):
            raise self._cut() if len(head) < _MAX_HEADER else self._broken(start, "no header ends")
        return start + at

    def _cut(self) -> Exception:
        return self._packed.damaged(Fault.SHORT, self._packed.size, "the gzip data end early")

    def _broken(self, at: int, what: str) -> Exception:
        return self._packed.damaged(Fault.MALFORMED, at, what)
