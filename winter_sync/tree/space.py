"""Space for what is arriving: what is free, less the minimum, less what is reserved.

Each process that fetches into a mirror records what it has reserved and not yet written, in a file
that the others read. So all of them together leave the minimum free.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from winter_sync.core import (
    NO_SPACE,
    ErrorCode,
    StorageError,
    open_own_file,
    read_regular,
    show_size,
    storage_errors_explained,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_RECORD = "promised"
"""The name that every version of winter-sync reads."""
_PARTS = 64
"""What is announced may exceed what is reserved by one part in so many: many files are small."""
_DIGITS = 20
"""Of a record, so that it is written and read in one piece."""


class Space:
    """The space on the file system of a mirror. Thread-safe.

    Parameters
    ----------
    root
        The top of the tree.
    sessions
        The directory of all sessions of work, each of which has one of its own in there.
    min_free
        Bytes that must stay free.
    free_space
        Returns how many bytes are free on the file system of a path.
    """

    def __init__(
        self, root: Path, sessions: Path, *, min_free: int, free_space: Callable[[Path], int]
    ) -> None:
        self._root = root
        self._sessions = sessions
        self._min_free = min_free
        self._free_space = free_space
        self._reserved = self._announced = 0
        self._records: dict[Path, int] = {}
        self._guard = threading.Lock()

    @contextmanager
    def announced(self, session: Path, within: int) -> Iterator[None]:
        """Announce what is reserved to other processes, as long as the session of this one lasts.

        `within` is the descriptor of its directory.
        """
        path = session / _RECORD
        with storage_errors_explained(path):
            self._records[path] = open_own_file(path, os.O_WRONLY | os.O_CREAT, within)
        try:
            yield
        finally:
            os.close(self._records.pop(path))

    def free(self) -> int:
        """Return how many bytes can still be reserved; negative where others took too much."""
        with storage_errors_explained(self._root):
            free = self._free_space(self._root)
        return free - self._min_free - self._reserved - self._reserved_by_others()

    def reserve(self, size: int) -> None:
        """Set space aside for what is about to arrive.

        Raises
        ------
        StorageError
            If there is not as much, beyond the minimum that must stay free.
        """
        with self._guard:
            if size <= 0:
                return
            # Announced before it is looked for: of two processes that want the last space, neither
            # takes what the other has, though both may be refused.
            self._change(size)
            try:
                self._ensure_free(size)
            except BaseException:
                self._change(-size)
                raise

    def release(self, size: int) -> None:
        """Release what was set aside: it has been written, or will not arrive."""
        with self._guard:
            self._change(-size)

    def _ensure_free(self, size: int) -> None:
        free = self.free()
        if free >= 0:
            return
        available = show_size(free + size) if free + size > 0 else "nothing"
        raise StorageError(
            f"not enough space in {self._root}: {show_size(size)} needed; {available} is free "
            f"beyond mirror.min_free ({show_size(self._min_free)})",
            remedy=NO_SPACE,
            errno=errno.ENOSPC,
            code=ErrorCode.DISK_FULL,
        )

    def _change(self, by: int) -> None:
        """Change what is reserved; others learn at once of more, and of a little less later."""
        self._reserved += by
        if 0 <= self._announced - self._reserved <= self._announced // _PARTS:
            return
        self._announced = self._reserved
        for descriptor in self._records.values():
            # A disk that is full or failing is found by what is written for its own sake.
            with suppress(OSError):
                os.pwrite(descriptor, f"{self._reserved:0{_DIGITS}}".encode(), 0)

    def _reserved_by_others(self) -> int:
        """Sum up the other records; a killed process's counts until its session is removed."""
        records = set(self._sessions.glob(f"*/{_RECORD}")) - set(self._records)
        return sum(map(_read, records))


def _read(record: Path) -> int:
    """Return what a record says; 0 if it is just begun or gone."""
    try:
        return int(read_regular(record, _DIGITS))
    except (OSError, ValueError):
        return 0
