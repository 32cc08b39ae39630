"""Older revisions: a file that is about to be replaced is given a second name first."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from winter_sync.core import (
    NO_HARD_LINKS,
    STATE_DIR,
    closing_descriptor,
    open_own_file,
    sha256_of_descriptor,
    storage_errors_explained,
    sync_directory,
)
from winter_sync.tree.directories import mode_of, system_error
from winter_sync.tree.staging import Reservation

if TYPE_CHECKING:
    from collections.abc import Callable

    from winter_sync.tree.directories import Directories
    from winter_sync.tree.space import Space
    from winter_sync.tree.staging import Part

REVISIONS = f"{STATE_DIR}/revisions"
"""Where older revisions are kept, relative to the root."""
_PIECE = 1024 * 1024
_LOCK = "revisions.lock"
_LONGEST_NAME = 255
_OTHER_KINDS = frozenset({errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.ENXIO})
"""What the system says of what is no regular file."""
_MOST_DIGITS = 9


class Revisions:
    """The older revisions of one mirror.

    Parameters
    ----------
    directories
        The directories of the tree.
    space
        The space of its file system, where a revision must be copied.
    """

    def __init__(self, directories: Directories, space: Space) -> None:
        self._directories = directories
        self._space = space

    def keep(self, path: str, directory: int, stage: Callable[[], Part]) -> str:
        """Keep a file under a second name among the revisions, so that it outlives its replacement.

        Parameters
        ----------
        path
            Its path, relative to the root.
        directory
            The descriptor of the directory that it is in.
        stage
            Opens an empty part, where the file system has no hard links.

        Returns
        -------
        str
            The second name, relative to the root.
        """
        place = PurePosixPath(REVISIONS, path)
        with closing_descriptor(self._directories.make(place.parent)) as revisions:
            for number in count(1):
                kept = place.with_name(_numbered(place.name, number))
                if self._link(place.name, directory, kept.name, revisions, stage):
                    break
            sync_directory(revisions)
        return str(kept)

    def kept_of(self, path: str) -> list[str]:
        """Return the files that were kept of a path, relative to the root, the oldest first."""
        place = PurePosixPath(REVISIONS, path)
        try:
            found = sorted((self._directories.root / place.parent).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = [file.name for file in found]
        numbers = {name: number for name in names if (number := _number_of(name, place.name))}
        return [str(place.with_name(name)) for name in sorted(numbers, key=numbers.__getitem__)]

    def lock(self) -> int:
        """Return the descriptor of a lock that only one process has who removes revisions.

        Raises
        ------
        BlockingIOError
            If another has it.
        """
        return self._directories.take_own_lock(_LOCK)

    def remove(self, kept: str, sha256: str) -> bool:
        """Remove the file of a kept revision; return False if it is another file, and stays.

        One that is gone already counts as removed: an interrupted removal is repeated. The name
        is durable in neither case before this returns.
        """
        place = PurePosixPath(kept)
        path = self._directories.own_place(kept, REVISIONS)
        with (
            storage_errors_explained(path),
            closing_descriptor(self._directories.make(place.parent)) as revisions,
        ):
            if mode_of(place.name, revisions):
                try:
                    file = open_own_file(path, os.O_RDONLY, revisions)
                    with closing_descriptor(file):
                        if sha256_of_descriptor(file) != sha256:
                            return False
                except OSError as failed:
                    if failed.errno in _OTHER_KINDS:
                        return False
                    raise
                os.unlink(place.name, dir_fd=revisions)
            sync_directory(revisions)
        return True

    def _link(
        self, name: str, directory: int, kept: str, revisions: int, stage: Callable[[], Part]
    ) -> bool:
        """Link a file to its second name; return False if another file has that name."""
        try:
            os.link(name, kept, src_dir_fd=directory, dst_dir_fd=revisions, follow_symlinks=False)
        except FileExistsError:
            return os.path.samestat(_lstat(name, directory), _lstat(kept, revisions))
        except OSError as refused:
            if refused.errno not in NO_HARD_LINKS:
                raise
            return self._copy(name, directory, kept, revisions, stage)
        return True

    def _copy(
        self, name: str, directory: int, kept: str, revisions: int, stage: Callable[[], Part]
    ) -> bool:
        """Copy a file that cannot be linked; it is never absent this way.

        Anything but a file, which is never a product, is moved. False if the second name
        is taken.
        """
        if mode_of(kept, revisions):
            return False
        found = _lstat(name, directory)
        if stat.S_ISDIR(found.st_mode):
            raise system_error(errno.EISDIR, Path(name))
        if not stat.S_ISREG(found.st_mode):
            os.rename(name, kept, src_dir_fd=directory, dst_dir_fd=revisions)
            return True
        with (
            stage() as part,
            closing_descriptor(open_own_file(Path(name), os.O_RDONLY, directory)) as file,
        ):
            self._copy_content(file, part, found)
            part.rename(kept, revisions)
        return True

    def _copy_content(self, file: int, part: Part, found: os.stat_result) -> None:
        with Reservation(self._space, found.st_size) as reservation:
            while piece := os.read(file, _PIECE):
                reservation.write(part, piece)
            with suppress(OSError):  # not every file system without links has modes
                os.utime(part.descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))
                os.fchmod(part.descriptor, stat.S_IMODE(found.st_mode))
            part.sync()


def _lstat(name: str, directory: int) -> os.stat_result:
    return os.stat(name, dir_fd=directory, follow_symlinks=False)


def _number_of(kept: str, name: str) -> int:
    """Return the number that a kept file of this name was given; 0 if it is not one of it."""
    digits = PurePosixPath(kept).stem.rpartition(".")[2]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        return 0
    return int(digits) if _numbered(name, int(digits)) == kept else 0


def _numbered(name: str, number: int) -> str:
    """Put a number before the last suffix of a file name, within what a name may have."""
    path = PurePosixPath(name)
    tail = f".{number}{path.suffix}"
    room = _LONGEST_NAME - len(tail.encode())
    return path.stem.encode()[:room].decode(errors="ignore") + tail
