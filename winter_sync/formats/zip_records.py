"""The records of a zip, as bytes: signatures, headers and data descriptors.

The source of every offset and signature is PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

LOCAL = b"PK\x03\x04"
CENTRAL = b"PK\x01\x02"
END = b"PK\x05\x06"
ZIP64_END = b"PK\x06\x06"
ZIP64_LOCATOR = b"PK\x06\x07"
DESCRIPTOR = b"PK\x07\x08"
RECORDS = (LOCAL, CENTRAL, END, ZIP64_END)
"""What an archive may begin with, and what may follow a member."""

LOCAL_FIELDS = struct.Struct("<HHHHHIIIHH")
CENTRAL_FIELDS = struct.Struct("<HHHHHHIIIHHHHHII")
ZIP64_END_FIELDS = struct.Struct("<QHHIIQQQQ")
ZIP64_LOCATOR_SIZE = 16
END_FIELDS = struct.Struct("<HHHHIIH")

ENCRYPTED, HAS_DESCRIPTOR, UTF8_NAME = 0x0001, 0x0008, 0x0800
STORED, DEFLATED = 0, 8
IN_ZIP64, COUNT_IN_ZIP64 = 0xFFFFFFFF, 0xFFFF
_ZIP64_EXTRA = 0x0001


@dataclass(frozen=True, slots=True)
class DescriptorForm:
    """A way to write a data descriptor (APPNOTE 4.3.9): signed or not, sizes of 4 or 8 bytes."""

    signature: bytes
    fields: struct.Struct

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return len(self.signature) + self.fields.size

    def read(self, buffer: bytes, at: int) -> tuple[int, int, int]:
        """Return the CRC-32, the packed size and the size."""
        crc, packed, size = self.fields.unpack_from(buffer, at + len(self.signature))
        return crc, packed, size


DESCRIPTOR_FORMS = tuple(
    DescriptorForm(signature, struct.Struct(fields))
    for fields in ("<III", "<IQQ")
    for signature in (b"", DESCRIPTOR)
)
"""From the shortest to the longest."""
SIGNED_FORMS = tuple(form for form in DESCRIPTOR_FORMS if form.signature)
LONGEST_FORM = DESCRIPTOR_FORMS[-1].size


@dataclass(slots=True)
class Member:
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
        """Whether a descriptor follows its data."""
        return bool(self.flags & HAS_DESCRIPTOR)

    @property
    def length_known(self) -> bool:
        """Whether its header says how many packed bytes it has."""
        return not self.has_descriptor or self.packed not in (0, IN_ZIP64)

    @property
    def is_deflated(self) -> bool:
        """Whether it is deflated: some writers call an empty one so, and write no stream at all."""
        return self.method == DEFLATED and not (self.length_known and self.packed == 0)

    @property
    def promised(self) -> int | None:
        """How many bytes its header says will come out; None where a descriptor says so."""
        return None if self.has_descriptor else self.size

    def verdict(self, crc: int, packed: int, size: int) -> str | None:
        """Return how what arrived differs from what was promised; None if it agrees."""
        if self.got_packed != packed:
            return f"{self.got_packed} packed bytes where {packed} were promised"
        if self.got_size != size:
            return f"{self.got_size} bytes where {size} were promised"
        if self.got_crc != crc:
            return f"CRC-32 is {self.got_crc:08x} where {crc:08x} was promised"
        return None


def zip64_sizes(extra: bytes, size: int, packed: int) -> tuple[int, int]:
    """Replace sizes that did not fit 32 bits by those of the zip64 field (APPNOTE 4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _ZIP64_EXTRA:
            count = min(length, len(extra) - at - 4) // 8
            values = iter(struct.unpack_from(f"<{count}Q", extra, at + 4))
            size = next(values, size) if size == IN_ZIP64 else size
            packed = next(values, packed) if packed == IN_ZIP64 else packed
            return size, packed
        at += 4 + length
    return size, packed
