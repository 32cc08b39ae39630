"""Files of withdrawn products: moved out of the tree in one step, moved back, or deleted."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from itertools import chain, count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.core import (
    STATE_DIR,
    closing_descriptor,
    storage_errors_explained,
    sync_directory,
)
from winter_sync.tree.directories import mode_of
from winter_sync.tree.publishing import mtime_ns

if TYPE_CHECKING:
    from winter_sync.tree.directories import Directories

WITHDRAWN = f"{STATE_DIR}/withdrawn"
"""Where files of withdrawn products are moved, relative to the root."""


class WithdrawnFiles:
    """The files of withdrawn products of one mirror. Every step is durable when it returns.

    Parameters
    ----------
    directories
        The directories of the tree.
    """

    def __init__(self, directories: Directories) -> None:
        self._directories = directories

    def free_place(self, path: str) -> str:
        """Return where a file can be moved that is at this path of the tree, relative to the root.

        Nothing is there: what was moved from the same path before keeps its name.
        """
        place = PurePosixPath(WITHDRAWN, path)
        with (
            storage_errors_explained(self._directories.place(path)),
            closing_descriptor(self._directories.make(place.parent)) as directory,
        ):
            numbered = (f"{place.stem}.{number}{place.suffix}" for number in count(1))
            names = chain((place.name,), numbered)
            return str(place.with_name(next(n for n in names if not mode_of(n, directory))))

    def move_out(self, path: str, kept: str) -> None:
        """Move a file of the tree to a free place of ours, in one rename."""
        self._move(path, kept, path)

    def move_back(self, kept: str, path: str) -> int | None:
        """Move a file back to its path in the tree, unless something is there already.

        Returns
        -------
        int or None
            Its modification time there, nanoseconds since 1970; None if it is gone again.

        Raises
        ------
        StorageError
            If the disk cannot do it, or if something is in its place.
        """
        return self._move(kept, path, path)

    def _move(self, source: str, target: str, about: str) -> int | None:
        here, there = PurePosixPath(source), PurePosixPath(target)
        with (
            storage_errors_explained(self._directories.place(about)),
            closing_descriptor(self._directories.make(here.parent)) as old,
            closing_descriptor(self._directories.make(there.parent)) as new,
        ):
            if mode_of(there.name, new):
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), target)
            os.rename(here.name, there.name, src_dir_fd=old, dst_dir_fd=new)
            sync_directory(new)
            sync_directory(old)
            return mtime_ns(there.name, new)

    def delete(self, path: str) -> None:
        """Delete a file of the tree, if it is there."""
        place = PurePosixPath(path)
        with (
            storage_errors_explained(self._directories.place(path)),
            closing_descriptor(self._directories.make(place.parent)) as directory,
        ):
            with suppress(FileNotFoundError):
                os.unlink(place.name, dir_fd=directory)
            sync_directory(directory)
