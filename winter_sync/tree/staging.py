"""Parts: files that are still arriving, and the space reserved for them."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from winter_sync.core import begin_writing, open_regular, storage_errors_explained, write_all

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.tree.space import Space


_PIECE = 1024 * 1024
"""Bytes read at a time."""


class Part:
    """A file that is still arriving.

    Reserve its space first (`Reservation`).

    Parameters
    ----------
    path
        Its path.
    within
        The descriptor of the directory that it is in, which is used instead of the path's.
    linked
        Whether the file is there already, a second name of one that is whole; nothing is written.
    """

    def __init__(
        self, path: Path | str, within: int | None = None, *, linked: bool = False
    ) -> None:
        self.path = str(path)
        """Its path."""
        self._name = self.path if within is None else self.path.rpartition("/")[2]
        self._within = within
        self.size = 0
        self._digest = hashlib.sha256()
        self._is_synced = self._is_published = False
        self._linked: os.stat_result | None = None
        if linked:
            self._descriptor = open_regular(self._name, within=within)
            self._linked = os.fstat(self._descriptor)
            self._take_content()
            return
        flags = os.O_NOFOLLOW | os.O_RDWR | os.O_CREAT | os.O_EXCL
        self._descriptor = os.open(self._name, flags, 0o666, dir_fd=within)

    def _take_content(self) -> None:
        try:
            while piece := os.read(self._descriptor, _PIECE):
                self._digest.update(piece)
                self.size += len(piece)
        except BaseException:
            self.close()
            raise

    def refuse_changed(self) -> None:
        """Raise OSError if somebody wrote, under its other name, to a file that is linked."""
        if self._linked is None:
            return
        now = os.fstat(self._descriptor)
        if (now.st_size, now.st_mtime_ns) != (self.size, self._linked.st_mtime_ns):
            raise OSError(errno.EBUSY, "somebody is writing to it")

    @property
    def sha256(self) -> str:
        """The digest of what was written so far, hexadecimal."""
        return self._digest.hexdigest()

    @property
    def descriptor(self) -> int:
        """The open file, for reading back what was written."""
        return self._descriptor

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._is_synced = False
        self._digest.update(data)
        with storage_errors_explained(self.path):
            write_all(self._descriptor, data)
        self.size += len(data)

    def begin_writing(self) -> None:
        """Have the system begin to write it to the disk, and do not wait; `sync` does."""
        if not self._is_synced:
            begin_writing(self._descriptor)

    def sync(self) -> None:
        """Make the file durable, unless it is already."""
        if not self._is_synced:
            with storage_errors_explained(self.path):
                os.fsync(self._descriptor)
            self._is_synced = True

    def mark_changed(self) -> None:
        """Record that the next `sync` must write the file again: its owner or mode was changed."""
        self._is_synced = False

    def rename(self, name: str, directory: int) -> None:
        """Move it to its final name in a directory, known by its descriptor."""
        os.rename(self._name, name, src_dir_fd=self._within, dst_dir_fd=directory)
        self._is_published = True

    def close(self) -> None:
        """Close the file; safe to repeat."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # what is not durable by now is not wanted
                os.close(descriptor)

    def discard(self) -> None:
        """Remove the file, if it was not published."""
        self.close()
        if self._is_published:
            return
        with storage_errors_explained(self.path), suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._within)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


class Reservation:
    """The space reserved for one batch, growing when its products are larger than expected.

    Use as a context manager: leaving it releases what was not used.

    Parameters
    ----------
    space
        The space of the file system.
    expected
        How many bytes are expected.

    Raises
    ------
    StorageError
        If the file system does not have as much to spare.
    """

    def __init__(self, space: Space, expected: int) -> None:
        self._space = space
        self._held = 0
        self._grow(expected)

    def _grow(self, size: int) -> None:
        self._space.reserve(size)
        self._held += size

    def write(self, part: Part, data: bytes | memoryview) -> None:
        """Append bytes to a part, in the space reserved.

        Raises
        ------
        StorageError
            If they exceed what was reserved and the file system has no more to spare.
        """
        size = len(data)
        self._grow(max(0, size - self._held))
        part.write(data)
        self._held -= size
        self._space.release(size)

    def end(self) -> None:
        """Release what was not used."""
        held, self._held = self._held, 0
        self._space.release(held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
