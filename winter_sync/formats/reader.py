"""A finished file read in pieces, and the words for what is wrong at one of its bytes."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from winter_sync.core import DamagedError

if TYPE_CHECKING:
    from collections.abc import Callable

_QUOTED = 60
"""Bytes quoted of what was found: enough to know an error page by its first words."""
_LOOKED_AT = 512
"""Bytes looked at for secrets, of which the quote could have a part."""
_LOOKED_THROUGH = 64 * 1024
"""Bytes read at once where a tail is looked through."""
_REMEDY = "Fetch it again; if the same bytes come, the archive's own copy is at fault."
_REMEDY_WHOLE = "Fetch it again after an hour; if the same bytes come, the archive has no others."


class Fault(StrEnum):
    """What kind of damage was found; in `DamagedError.fields["fault"]`, for the caller to weigh."""

    FOREIGN = "foreign"
    """Another format than the name says, or a name of no format we know."""
    SHORT = "short"
    """The file ends before what it announces: data or headers are missing."""
    MALFORMED = "malformed"
    """It says what the format does not allow, so nothing tells what is missing."""
    LONG = "long"
    """Something follows the end."""
    CHECKSUM = "checksum"
    """The bytes do not add up to what a checksum card says."""
    EXTENSIONS = "extensions"
    """Whole HDUs, but not as many as announced or asked for."""

    @property
    def leaves_data_whole(self) -> bool:
        """Whether the structure is whole all the same, so that no data seem to be missing.

        The file then only contradicts a card, which its writer may have copied from another file,
        or something follows it. When the archive sends the very same bytes again much later, that
        is what it holds.
        """
        return self in {Fault.LONG, Fault.CHECKSUM, Fault.EXTENSIONS}


class Pieces:
    """A finished file behind a descriptor, read by `pread`: its file position never moves.

    Memory is flat as long as the lengths asked for are. `size` is the length in bytes when the
    judging began; a file that shrinks afterwards only reads as short.
    """

    def __init__(self, descriptor: int, filename: str, redact: Callable[[str], str] = str) -> None:
        self.size = os.fstat(descriptor).st_size
        self.filename = filename
        self.descriptor = descriptor
        self.redact = redact

    def read(self, at: int, length: int) -> bytes:
        """Return `length` bytes from byte `at`, fewer where the file ends before."""
        if at >= self.size:
            return b""
        return os.pread(self.descriptor, length, at)

    def zeros_from(self, at: int) -> bool:
        """Return whether nothing but zeros stands from byte `at` to the end; true at the end."""
        return not any(
            self.read(start, _LOOKED_THROUGH).strip(b"\0")
            for start in range(at, self.size, _LOOKED_THROUGH)
        )

    def damaged(self, fault: Fault, at: int, what: str) -> DamagedError:
        """Make the error that says what is wrong, at which byte, and quotes what stands there."""
        found = self.read(at, _LOOKED_AT)
        there = f"there is {self._quoted(found)}" if found else "the file ends there"
        return DamagedError(
            f"{self.filename}: {what} (byte {at} of {self.size}: {there})",
            remedy=_REMEDY_WHOLE if fault.leaves_data_whole else _REMEDY,
            filename=self.filename,
            fault=fault,
            at=at,
            size=self.size,
        )

    def _quoted(self, found: bytes) -> str:
        """Show how some bytes begin; secrets are taken out before they are shortened."""
        whole = repr(found)
        shown = self.redact(whole)
        return repr(found[:_QUOTED]) if shown == whole else shown[:_QUOTED]
