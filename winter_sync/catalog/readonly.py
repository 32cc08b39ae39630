"""A database opened for reading only, also where nothing can be written beside it.

SQLite reads a database in WAL mode through two files beside it, and makes them when they are not
there. Where that is forbidden it can still read a database that no process has open, if opened as
immutable (measured with SQLite 3.40). Whether it really did not change can be seen afterwards:
writers do not touch the file itself until they check the log in.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, StorageError, file_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BESIDE = ("-wal", "-shm", "-journal")

_TRIES = 3
"""How often a file beside the database must be found to be there and forbidden."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A connection that only reads.

    Parameters
    ----------
    connection
        To the database.
    path
        Its file.
    version
        The state of the file, which must be the same after a query for its result to count; None
        where SQLite itself takes care of that.
    """

    connection: sqlite3.Connection
    path: Path
    version: tuple[int, ...] | None = None

    def check(self) -> None:
        """Make sure that what was just read was not written meanwhile.

        Raises
        ------
        StorageError
            If it was.
        """
        if self.version is not None and _version(self.path) != self.version:
            raise StorageError(
                f"the catalog {self.path} was written while it was read",
                remedy="Look again.",
                code=ErrorCode.CATALOG_BUSY,
            )


def refuse_irregular(path: Path) -> None:
    """Make sure that a database, and what SQLite keeps beside it, are regular files or absent.

    SQLite follows links, and waits for pipes.

    Raises
    ------
    StorageError
        If one is not.
    """
    for beside in (path, *(path.with_name(path.name + suffix) for suffix in _BESIDE)):
        with suppress(FileNotFoundError, NotADirectoryError):
            mode = beside.lstat().st_mode
            if not stat.S_ISREG(mode):
                quoted = shlex.quote(str(beside))
                raise StorageError(
                    f"the catalog {path} cannot be used: {beside} is {file_kind(mode)}",
                    remedy=f"Nothing of ours is like that: `mv {quoted} {quoted}.aside`, then "
                    "restore the catalog from a backup; nothing in the tree is affected.",
                    code=ErrorCode.DISK_IN_THE_WAY,
                )


def may_write(path: Path) -> bool:
    """Return whether this process may write a database, and what SQLite keeps beside it."""
    ours = all(os.access(file, os.W_OK) for file in (path.parent, path))
    return ours and not any(_is_forbidden(file) for file in _beside(path))


def _is_forbidden(file: Path) -> bool:
    """Return whether a file may not be written.

    Another process that opens or closes the database makes and removes it meanwhile: one that is
    gone forbids nothing, and one that is new is asked about again.
    """
    return all(not os.access(file, os.W_OK) and file.exists() for _ in range(_TRIES))


def connect(path: Path, patience: float) -> Reader:
    """Open a database for reading.

    Parameters
    ----------
    path
        Its file.
    patience
        How long to wait while another process locks it, in seconds.

    Raises
    ------
    StorageError
        If this user cannot read it.
    """
    try:
        return Reader(_connection(path, "mode=ro", patience), path)
    except sqlite3.OperationalError as broken:
        if not os.access(path, os.R_OK) or any(file.stat().st_size for file in _beside(path)):
            raise _unreadable(path, broken) from broken
    version = _version(path)
    return Reader(_connection(path, "mode=ro&immutable=1", patience), path, version)


def _connection(path: Path, how: str, patience: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, timeout=patience, isolation_level=None
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _beside(path: Path) -> Iterator[Path]:
    """Yield the files that SQLite keeps beside a database in WAL mode, as far as they exist."""
    for suffix in ("-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            yield beside


def _version(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _unreadable(path: Path, broken: sqlite3.Error) -> StorageError:
    return StorageError(
        f"the catalog {path} cannot be read by this user: {broken}",
        remedy="Give this user permission to read it and the files beside it. If winter-sync was "
        "killed, let the user who runs it run `winter-sync status` once: that tidies up.",
        code=ErrorCode.DISK_PERMISSION,
    )
