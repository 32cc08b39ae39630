"""Errors of SQLite, explained with a remedy."""

from __future__ import annotations

import shlex
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SAFE = "nothing in the tree is affected."
_REMEDIES = {
    sqlite3.SQLITE_BUSY: "Another process keeps it locked: see which (fuser), then try again.",
    sqlite3.SQLITE_FULL: f"Free some space; {_SAFE}",
    sqlite3.SQLITE_READONLY: "Give the user who runs winter-sync write permission there.",
    sqlite3.SQLITE_CANTOPEN: "Check that its directory exists and may be written to.",
}

_CODES = {
    sqlite3.SQLITE_BUSY: ErrorCode.CATALOG_BUSY,
    sqlite3.SQLITE_FULL: ErrorCode.DISK_FULL,
    sqlite3.SQLITE_READONLY: ErrorCode.DISK_PERMISSION,
    sqlite3.SQLITE_CORRUPT: ErrorCode.CATALOG_BROKEN,
    sqlite3.SQLITE_NOTADB: ErrorCode.CATALOG_BROKEN,
}

_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def how_to_rebuild(path: Path) -> str:
    """Return what to do about a catalog that is broken: nothing of it is deleted by us."""
    quoted = shlex.quote(str(path))
    away = shlex.quote(str(path.with_name("broken")))
    return (
        f"Restore it from a backup. Or build it again from the files: `mkdir {away} && "
        f"mv {quoted}* {away}/`, then `winter-sync adopt`; {_SAFE}"
    )


def is_busy(error: BaseException) -> bool:
    """Return whether another connection keeps the database locked."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, sqlite3.OperationalError) and code & 0xFF == sqlite3.SQLITE_BUSY


@contextmanager
def rows_explained(path: Path) -> Iterator[None]:
    """Turn an error about a row that no version has written into a `StorageError`."""
    try:
        yield
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as odd:
        raise StorageError(
            f"the catalog {path} has a row that winter-sync never writes: {odd}",
            remedy=how_to_rebuild(path),
            code=ErrorCode.CATALOG_BROKEN,
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
        other = f"Check the space and the permissions of its directory; {_SAFE}"
        is_broken = code & 0xFF in _BROKEN
        raise StorageError(
            f"the catalog {path} failed: {said}",
            remedy=how_to_rebuild(path) if is_broken else _REMEDIES.get(code & 0xFF, other),
            code=_CODES.get(code & 0xFF, ErrorCode.CATALOG_FAILED),
        ) from broken
