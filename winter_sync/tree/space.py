"""Room for what is arriving: what a file system has free, less a minimum, less what is promised.

Each process that fetches into a mirror keeps an account of what it has promised and not yet
written, in a file that the others read. So all of them together leave the minimum free.
"""

from __future__ import annotations

import errno
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from winter_sync.core import NO_SPACE, StorageError, explained, open_own, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ACCOUNT = "promised"
_DIGITS = 20
"""Of an account, so that it is written and read in one piece."""


class Room:
    """The room on the file system of a mirror. Thread-safe.

    Parameters
    ----------
    root
        The top of the tree.
    sessions
        The directory of all sessions of work, each of which has one of its own in there.
    min_free
        Bytes that must stay free.
    space
        Tells how many bytes are free on the file system of a path.
    """

    def __init__(
        self, root: Path, sessions: Path, *, min_free: int, space: Callable[[Path], int]
    ) -> None:
        self._root = root
        self._sessions = sessions
        self._min_free = min_free
        self._space = space
        self._promised = 0
        self._accounts: dict[Path, int] = {}
        self._guard = threading.Lock()

    @contextmanager
    def account(self, session: Path, within: int) -> Iterator[None]:
        """Let other processes know what is promised, as long as the session of this one lasts.

        `within` is the descriptor of its directory.
        """
        path = session / _ACCOUNT
        with explained(path):
            self._accounts[path] = open_own(path, os.O_WRONLY | os.O_CREAT, within)
        try:
            yield
        finally:
            os.close(self._accounts.pop(path))

    def free(self) -> int:
        """Give how many bytes may still be promised; less than none where others took too much."""
        with explained(self._root):
            free = self._space(self._root)
        return free - self._min_free - self._promised - self._promised_by_others()

    def promise(self, size: int) -> None:
        """Set space aside for what is about to arrive.

        Raises
        ------
        StorageError
            If there is not so much, after the minimum that must stay free.
        """
        with self._guard:
            if size <= 0:
                return
            # Told before it is looked at: of two processes that want the last room, none takes what
            # the other has, though both may be refused.
            self._change(size)
            try:
                self._make_sure(size)
            except BaseException:
                self._change(-size)
                raise

    def redeem(self, size: int) -> None:
        """Give back what was set aside: it has been written, or will not come."""
        with self._guard:
            self._change(-size)

    def _make_sure(self, size: int) -> None:
        free = self.free()
        if free < 0:
            raise StorageError(
                f"{self._root} has no room: {size} bytes are needed and "
                f"{max(free + size, 0)} are free above the minimum of {self._min_free}",
                remedy=NO_SPACE,
                errno=errno.ENOSPC,
            )

    def _change(self, by: int) -> None:
        self._promised += by
        for descriptor in self._accounts.values():
            # A disk that is full or failing is found by what is written for its own sake.
            with suppress(OSError):
                os.pwrite(descriptor, f"{self._promised:0{_DIGITS}}".encode(), 0)

    def _promised_by_others(self) -> int:
        """Sum up the other accounts; one of a killed process counts until its session is buried."""
        accounts = set(self._sessions.glob(f"*/{_ACCOUNT}")) - set(self._accounts)
        return sum(map(_promised_in, accounts))


def _promised_in(account: Path) -> int:
    """Read an account; one that is just begun or gone says nothing."""
    try:
        return int(read_regular(account, _DIGITS))
    except (OSError, ValueError):
        return 0
