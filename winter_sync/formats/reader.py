"""A finished file read in reader, and the words for what is wrong at one of its bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from winter_sync.core import DamagedFileError, ErrorCode, Fault

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


class FileReader:
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

    def damaged(self, fault: Fault, at: int, what: str) -> DamagedFileError:
        """Make the error that says what is wrong, at which byte, and quotes what stands there."""
        found = self.read(at, _LOOKED_AT)
        there = f"there is {self._quoted(found)}" if found else "the file ends there"
        return DamagedFileError(
            f"{self.filename}: {what} (byte {at} of {self.size}: {there})",
            remedy=_REMEDY_WHOLE if fault.leaves_data_whole else _REMEDY,
            filename=self.filename,
            fault=fault,
            at=at,
            size=self.size,
            code=ErrorCode.FILE_DAMAGED,
        )

    def _quoted(self, found: bytes) -> str:
        """Show how some bytes begin; secrets are taken out before they are shortened."""
        whole = repr(found)
        shown = self.redact(whole)
        return repr(found[:_QUOTED]) if shown == whole else shown[:_QUOTED]
