"""Pictures that are kept, in so many bytes: which nobody has looked at for longest, go first.

On the disk where that can be written, otherwise in memory. Nothing here is ever missed: what is
lost, damaged or does not fit is drawn again.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from winter_sync.core import (
    StorageError,
    closing_descriptor,
    free_space,
    make_directory,
    open_directory,
    open_own_file,
    open_root_directory,
    read_own_file,
    take_lock,
    write_all,
)
from winter_sync.previews.requests import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREVIEWS = "previews"
"""The directory of the pictures, in the state."""
MOST_IN_MEMORY = 32 * 1024 * 1024
"""Bytes kept in memory where the disk cannot be written."""
_LOCK = "lock"
_TEMPORARY = ".new"
_BLOCK = 4096
"""Bytes of the disk that a file takes at least."""
_SUM_BYTES = 4
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


class PreviewCache(Protocol):
    """What is kept, by names. For one thread."""

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        ...

    def get(self, name: str) -> bytes | None:
        """Return what was kept under a name; None if that is not there."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Keep something, as long as there is room for it."""
        ...

    def close(self) -> None:
        """Give up what is held."""
        ...


class Shelf:
    """Names and sizes, the least recently used first, of no more than so many bytes. Pure."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0
        self._sizes: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def use(self, name: str) -> None:
        """Record that a name is used now."""
        self._sizes.move_to_end(name)

    def remove(self, name: str) -> None:
        """Forget a name."""
        self.size -= self._sizes.pop(name, 0)

    def make_room(self, size: int) -> list[str] | None:
        """Forget as many names as it takes to have room for so many bytes.

        Returns
        -------
        list of str or None
            These names; None if there can be no such room, and nothing was forgotten.
        """
        if size > self.most:
            return None
        forgotten = []
        while self.size + size > self.most:
            name, freed = self._sizes.popitem(last=False)
            self.size -= freed
            forgotten.append(name)
        return forgotten

    def add(self, name: str, size: int) -> None:
        """Add a name, used now; there must be room for it."""
        self.remove(name)
        self._sizes[name] = size
        self.size += size


class MemoryCache:
    """Keeps pictures in memory."""

    def __init__(self, most: int) -> None:
        self._shelf = Shelf(min(most, MOST_IN_MEMORY))
        self._contents: dict[str, bytes] = {}

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return self._shelf.size

    def get(self, name: str) -> bytes | None:
        """Return what was kept under a name; None if that is not there."""
        if (content := self._contents.get(name)) is not None:
            self._shelf.use(name)
        return content

    def put(self, name: str, content: bytes) -> None:
        """Keep something, as long as there is room for it."""
        self._shelf.remove(name)
        self._contents.pop(name, None)
        forgotten = self._shelf.make_room(len(content))
        if forgotten is None:
            return
        for each in forgotten:
            del self._contents[each]
        self._contents[name] = content
        self._shelf.add(name, len(content))

    def close(self) -> None:
        """Forget everything."""
        self._contents.clear()
        self._shelf = Shelf(self._shelf.most)


class DiskCache:
    """Keeps pictures in a directory that belongs to it alone while it is open.

    Parameters
    ----------
    directory, place
        The descriptor and the path of the directory, and of its lock, which are closed with it.
    lock
        The descriptor of the lock.
    most
        Bytes that it takes at most.
    has_room
        Whether so many bytes may be written there at all.
    """

    def __init__(
        self, directory: int, place: Path, lock: int, most: int, has_room: Callable[[int], bool]
    ) -> None:
        self._directory = directory
        self._place = place
        self._lock = lock
        self._has_room = has_room
        self._shelf = Shelf(most)
        self._memory = MemoryCache(most)
        """What the disk had no room for."""
        self._read_directory()

    @property
    def size(self) -> int:
        """How many bytes it takes on the disk."""
        return self._shelf.size

    def get(self, name: str) -> bytes | None:
        """Return what was kept under a name; None if that is not there, or damaged."""
        if name not in self._shelf:
            return self._memory.get(name)
        content = read_kept(self._place / name, self._directory)
        if content is None:
            self._remove(name)
            return None
        self._shelf.use(name)
        with suppress(OSError):
            # In which order they were used is known to the next who opens the directory.
            os.utime(name, dir_fd=self._directory, follow_symlinks=False)
        return content

    def put(self, name: str, content: bytes) -> None:
        """Keep something, as long as there is room for it."""
        size = _on_disk(len(content) + _SUM_BYTES)
        self._remove(name)
        if not self._make_room(size):
            return
        if self._has_room(size) and self._write(name, content):
            self._shelf.add(name, size)
        else:
            self._memory.put(name, content)

    def close(self) -> None:
        """Leave the directory to others."""
        os.close(self._directory)
        os.close(self._lock)

    def _write(self, name: str, content: bytes) -> bool:
        """Write a file as a whole or not at all; not durably: what is lost is drawn again."""
        place = self._place / _TEMPORARY
        try:
            with closing_descriptor(open_own_file(place, _NEW_FILE, self._directory)) as file:
                write_all(file, zlib.crc32(content).to_bytes(_SUM_BYTES) + content)
            os.rename(_TEMPORARY, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except OSError:
            self._unlink(_TEMPORARY)
            return False
        return True

    def _make_room(self, size: int) -> bool:
        """Remove files until there is room for so many bytes; return whether there can be."""
        forgotten = self._shelf.make_room(size)
        for name in forgotten or ():
            self._unlink(name)
        return forgotten is not None

    def _remove(self, name: str) -> None:
        if name in self._shelf:
            self._shelf.remove(name)
            self._unlink(name)

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._directory)

    def _read_directory(self) -> None:
        """Find what an earlier run kept, and remove what there is no room for now."""
        self._unlink(_TEMPORARY)
        with os.scandir(self._directory) as entries:
            found = sorted(
                (status.st_mtime_ns, entry.name, _on_disk(status.st_size))
                for entry in entries
                if entry.name != _LOCK and (status := _status(entry)) is not None
            )
        for _, name, size in found:
            if self._make_room(size):
                self._shelf.add(name, size)
            else:
                self._unlink(name)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False) if entry.is_file(follow_symlinks=False) else None
    except OSError:
        return None


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def read_kept(place: Path, directory: int) -> bytes | None:
    """Return the content of a file that was kept; None if it is not there, or damaged."""
    try:
        content = read_own_file(place, LARGEST + _SUM_BYTES, directory)
    except (OSError, ValueError):
        return None
    kept = content[_SUM_BYTES:]
    is_whole = content[:_SUM_BYTES] == zlib.crc32(kept).to_bytes(_SUM_BYTES)
    return kept if kept and is_whole else None


class BorrowedCache:
    """Reads what another process keeps on the disk, and keeps its own pictures in memory."""

    def __init__(self, directory: int, place: Path, most: int) -> None:
        self._directory = directory
        self._place = place
        self._own = MemoryCache(most)

    @property
    def size(self) -> int:
        """How many bytes it takes itself."""
        return self._own.size

    def get(self, name: str) -> bytes | None:
        """Return what either of the two has kept under a name; None if that is not there."""
        own = self._own.get(name)
        return own if own is not None else read_kept(self._place / name, self._directory)

    def put(self, name: str, content: bytes) -> None:
        """Keep something in memory."""
        self._own.put(name, content)

    def close(self) -> None:
        """Give up what is held."""
        os.close(self._directory)
        self._own.close()


def open_cache(state: Path, most: int, min_free: int) -> PreviewCache:
    """Open the pictures of a mirror: on the disk, if it can be written and nobody else does.

    Parameters
    ----------
    state
        The directory of the catalog.
    most
        Bytes that they take at most.
    min_free
        Bytes that stay free on the disk.
    """
    place = state / PREVIEWS
    try:
        with closing_descriptor(open_root_directory(state)) as above:
            directory = _open_directory(above, place)
    except (OSError, StorageError):
        return MemoryCache(most)
    try:
        lock = take_lock(place / _LOCK, directory)
    except (OSError, StorageError):
        return BorrowedCache(directory, place, most)

    def has_room(size: int) -> bool:
        try:
            return free_space(place) >= min_free + size
        except OSError:
            return False

    return DiskCache(directory, place, lock, most, has_room)


def _open_directory(above: int, place: Path) -> int:
    try:
        return make_directory(PREVIEWS, above, place, ours=True)
    except OSError as failed:
        if failed.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
            return open_directory(PREVIEWS, above, place, ours=True)
        raise
