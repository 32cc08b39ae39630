"""The manifests of settled nights: files of ours in the state, each complete or not there."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from winter_sync.core import (
    closing_descriptor,
    make_directory,
    open_own_file,
    open_root_directory,
    share_with_group,
    storage_errors_explained,
    sync_directory,
    take_lock,
    was_removed,
    write_all,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MANIFESTS = "manifests"
"""The directory of all manifests, in the state."""
_LOCK = "lock"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class ManifestFiles:
    """The files `manifests/<program>/<name>` in the directory of the state.

    They are written while a lock is held (`acquire`), by one process at a time: the file of another
    process that was killed is recognised by its temporary name, and replaced. No links are
    followed below the state.

    Parameters
    ----------
    state
        The directory of the catalog.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._lock = -1

    def acquire(self) -> bool:
        """Take the lock; return False if another process has it.

        Raises
        ------
        StorageError
            If it cannot be taken for another reason.
        """
        place = self._state / MANIFESTS / _LOCK
        with storage_errors_explained(place), self._directory() as directory:
            try:
                self._lock = take_lock(place, directory)
            except BlockingIOError:
                return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._lock)

    def write(self, program: str, contents: Mapping[str, bytes | None]) -> None:
        """Put files of these names and contents in place, durably; None removes one.

        Raises
        ------
        StorageError
            If that is not possible; every file is as it was, or as it should be.
        """
        with (
            storage_errors_explained(self._state / MANIFESTS / program),
            self._directory(program) as directory,
        ):
            for name, content in contents.items():
                place = self._state / MANIFESTS / program / name
                if content is None:
                    _remove(name, directory)
                else:
                    _replace(place, content, directory)
            sync_directory(directory)

    def has(self, program: str, name: str) -> bool:
        """Return whether there may be such a file: False if there certainly is not."""
        return not was_removed(self._state / MANIFESTS / program / name)

    @contextmanager
    def _directory(self, program: str | None = None) -> Iterator[int]:
        """Open the directory of all manifests, or of a program's; make it if necessary."""
        with closing_descriptor(open_root_directory(self._state)) as state:
            where = self._state / MANIFESTS
            with closing_descriptor(make_directory(MANIFESTS, state, where, ours=True)) as above:
                sync_directory(state)
                if program is None:
                    yield above
                    return
                made = make_directory(program, above, where / program, ours=True)
                with closing_descriptor(made) as below:
                    sync_directory(above)
                    yield below


def _replace(place: Path, content: bytes, directory: int) -> None:
    """Write a file under a temporary name, durably, and give it its own in one rename."""
    temporary = place.with_name(f".{place.name}.tmp")
    _remove(temporary.name, directory)
    try:
        with closing_descriptor(open_own_file(temporary, _NEW_FILE, directory)) as file:
            with suppress(OSError):  # some file systems have no groups or modes
                share_with_group(file, directory)
            write_all(file, content)
            os.fsync(file)
        os.rename(temporary.name, place.name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        _remove(temporary.name, directory)
        raise


def _remove(name: str, directory: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
