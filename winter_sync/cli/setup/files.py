"""Writes new settings and their secrets: whole or not at all, and over nothing."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import (
    ErrorCode,
    StorageError,
    UsageError,
    storage_errors_explained,
    sync_directory,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def refuse_existing(paths: Iterable[Path]) -> None:
    """Make sure that none of these names is taken.

    Raises
    ------
    UsageError
        If one is.
    """
    if taken := [path for path in paths if os.path.lexists(path)]:
        names = ", ".join(map(str, taken))
        raise UsageError(
            f"{names}: already there, and nothing was changed",
            remedy="Edit it, and run `winter-sync check`. For new settings give --config FILE, or "
            "--force, which keeps what is there as a backup beside it.",
            code=ErrorCode.USE_INIT,
        )


def refuse_unwritable(directory: Path) -> None:
    """Make sure, before anybody types a password, that files can be made in a directory.

    Raises
    ------
    StorageError
        If they cannot.
    """
    nearest = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        raise StorageError(
            f"{nearest} is not a directory",
            remedy="Give another place with --config FILE.",
            code=ErrorCode.DISK_IN_THE_WAY,
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise StorageError(
            f"{nearest}: Permission denied",
            remedy="Give another place with --config FILE.",
            code=ErrorCode.DISK_PERMISSION,
        )


def write_files(texts: Mapping[Path, str], *, backup_suffix: str | None = None) -> list[Path]:
    """Write files that only their owner can read, all or none; the last one is put there last.

    Each is written under another name and then given its own, which no file loses: without
    `backup_suffix` a name that is taken is an error.

    Parameters
    ----------
    texts
        What to write; all in one directory.
    backup_suffix
        What the names of files that are there already get.

    Returns
    -------
    list of Path
        The backups.

    Raises
    ------
    StorageError
        If they cannot be written.
    UsageError
        If a name is taken.
    """
    directory = next(iter(texts)).parent
    writing = _Writing(backup_suffix)
    with storage_errors_explained(directory):
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            for path, text in texts.items():
                writing.write_aside(path, text)
            for path in texts:
                writing.place(path)
            sync_directory(directory)
        except BaseException as failed:
            writing.undo()
            _remove_empty(missing)
            if isinstance(failed, FileExistsError):
                refuse_existing(texts)
            raise
        writing.clean()
    return list(writing.backups.values())


class _Writing:
    """Files under other names, and those that have their own name by now."""

    def __init__(self, backup_suffix: str | None) -> None:
        self._suffix = backup_suffix
        self._temporary: dict[Path, Path] = {}
        self._placed: list[Path] = []
        self.backups: dict[Path, Path] = {}
        """By the name of what was there."""

    def write_aside(self, path: Path, text: str) -> None:
        """Write the file that will have this name, on disk when this returns."""
        descriptor, name = tempfile.mkstemp(prefix=".winter-sync-init-", dir=path.parent)
        self._temporary[path] = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def place(self, path: Path) -> None:
        """Give a file its name, and what has it a second one if that is wanted."""
        if self._suffix is not None and os.path.lexists(path):
            backup = path.with_name(path.name + self._suffix)
            backup.hardlink_to(path)
            self.backups[path] = backup
            self._temporary[path].replace(path)
        else:
            path.hardlink_to(self._temporary[path])
            self._placed.append(path)

    def undo(self) -> None:
        """Leave everything as it was."""
        for path in self._placed:
            path.unlink(missing_ok=True)
        for path, backup in self.backups.items():
            with suppress(OSError):
                backup.replace(path)
        self.clean()

    def clean(self) -> None:
        """Remove what is left of the other names."""
        for path in self._temporary.values():
            path.unlink(missing_ok=True)


def _remove_empty(directories: list[Path]) -> None:
    for directory in directories:
        with suppress(OSError):
            directory.rmdir()
