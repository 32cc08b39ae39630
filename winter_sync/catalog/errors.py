"""Errors of SQLite, explained with a remedy."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winter_sync.core import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SAFE = "nothing in the tree is affected."
_REMEDIES = {
    sqlite3.SQLITE_BUSY: "Another process keeps it locked: see which (fuser), then try again.",
    sqlite3.SQLITE_FULL: f"Free some space; {_SAFE}",
    sqlite3.SQLITE_READONLY: "Give the user who runs winter-sync write permission there.",
    sqlite3.SQLITE_CANTOPEN: "Check that its directory exists and may be written to.",
    sqlite3.SQLITE_CORRUPT: f"Restore it from a backup, or move it away to start afresh; {_SAFE}",
    sqlite3.SQLITE_NOTADB: f"Restore it from a backup, or move it away to start afresh; {_SAFE}",
}


def is_busy(error: BaseException) -> bool:
    """Return whether another connection keeps the database locked."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.OperationalError) and code & 0xFF == sqlite3.SQLITE_BUSY


@contextmanager
def rows_explained(path: Path) -> Iterator[None]:
    """Turn an error about a row that no version has written into a `StorageError`."""
    try:
        yield
    except (ValueError, TypeError, KeyError, OverflowError) as odd:
        quoted = shlex.quote(str(path))
        raise StorageError(
            f"the catalog {path} has a row that winter-sync never writes: {odd}",
            remedy=f"Restore it from a backup. Or start afresh: `mv {quoted} {quoted}.aside`; "
            "nothing in the tree is affected.",
        ) from odd


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an error of SQLite into a `StorageError` with a remedy."""
    try:
        yield
    except sqlite3.Error as broken:
        code, said = getattr(broken, "sqlite_errorcode", 0), str(broken)
        if said.startswith("Could not decode to UTF-8"):  # raised by Python, without a code
            code, said = sqlite3.SQLITE_CORRUPT, "a text in it is not UTF-8"
        raise StorageError(
            f"the catalog {path} failed: {said}",
            remedy=_REMEDIES.get(
                code & 0xFF, f"Check the space and the permissions of its directory; {_SAFE}"
            ),
        ) from broken
