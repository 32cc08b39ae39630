"""Directories of the tree: where a product's path leads, made durably, and what blocks it."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, suppress
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self

from winter_sync.core import (
    STATE_DIR,
    ErrorCode,
    StorageError,
    closing_descriptor,
    make_directory,
    open_directory,
    open_root_directory,
    path_parts,
    storage_errors_explained,
    sync_directory,
    take_lock,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from winter_sync.tree.root import Root

_OBSTACLES = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EXDEV, errno.ELOOP, errno.ENAMETOOLONG})
"""What the system says where something blocks one path, and others are free."""
_NO_NAMES = frozenset({"", ".", ".."})


class Directories:
    """The directories of one mirror. Thread-safe.

    Parameters
    ----------
    root
        The root of the mirror.
    follow_links
        Whether directories of products may be symbolic links. Our own never are.
    """

    def __init__(self, root: Root, *, follow_links: bool) -> None:
        self._root = root
        self._follow_links = follow_links
        self._durable: set[PurePosixPath] = set()

    @property
    def root(self) -> Path:
        """The top of the tree."""
        return self._root.path

    def place(self, path: str) -> Path:
        """Return where a path of the catalog is, which never leads out of the tree.

        Raises
        ------
        StorageError
            If no product can be there.
        """
        try:
            parts = path_parts(path)
            if parts[0] == STATE_DIR:
                raise ValueError(f"{path!r} is a place of our own")  # noqa: TRY301 - said as below
            return self._root.path.joinpath(*parts)
        except ValueError as wrong:
            raise StorageError(
                f"no product can be there: {wrong}",
                remedy="Restore the catalog from a backup; nothing outside "
                f"{self._root.path} was touched.",
                code=ErrorCode.DISK_ERROR,
            ) from None

    def own_place(self, path: str, below: str) -> Path:
        """Return where a path of the catalog is that must be in a directory of our own.

        Raises
        ------
        StorageError
            If it is not there.
        """
        parts, top = PurePosixPath(path).parts, PurePosixPath(below).parts
        if parts[: len(top)] != top or len(parts) == len(top) or ".." in parts:
            raise StorageError(
                f"{path!r} is not below {below}",
                remedy="Restore the catalog from a backup; nothing was touched.",
                code=ErrorCode.DISK_ERROR,
            )
        return self._root.path.joinpath(*parts)

    def take_own_lock(self, name: str) -> int:
        """Return the descriptor of a locked file of our own; see `take_lock`."""
        with closing_descriptor(self._root.open_own()) as own:
            return take_lock(self._root.own_directory / name, own)

    def obstacle(self, path: str) -> StorageError | None:
        """Return the error of what blocks a file's path, None if nothing does; see `look_at`."""
        (found,) = self.look_at([path])
        return found if isinstance(found, StorageError) else None

    def look_at(self, paths: Iterable[str]) -> Iterator[StorageError | bool]:
        """Yield what blocks the path of each file to download, or whether anything may be there.

        What blocks it is a fault of this one path, which says nothing of others: a file where a
        directory should be or the other way round, a link, or another file system. Paths of one
        directory that follow each other cost one way to it.
        """
        for directory, group in groupby(paths, key=lambda path: path.rpartition("/")[0]):
            with ExitStack() as stack:
                way = self._way_to(directory, stack)
                for path in group:
                    yield self._look_at(path, way)

    def _way_to(self, directory: str, stack: ExitStack) -> int | OSError | None:
        """Return the descriptor of a directory, open until the stack is left.

        None if there is no such directory yet; the error of what blocks the way to it.
        """
        try:
            descriptor = self._walk_to(self.place(f"{directory}/x" if directory else "x").parent)
        except OSError as blocked:
            return blocked
        if descriptor is not None:
            stack.callback(os.close, descriptor)
        return descriptor

    def _look_at(self, path: str, way: int | OSError | None) -> StorageError | bool:
        above, _, name = path.rpartition("/")
        if not above or name in _NO_NAMES or "\0" in name:
            name = self.place(path).name
        try:
            with storage_errors_explained(f"{self.root}/{path}"):
                if isinstance(way, OSError):
                    raise way
                mode = 0 if way is None else mode_of(name, way)
                if stat.S_ISDIR(mode):
                    raise system_error(errno.EISDIR, self.place(path))
        except StorageError as refused:
            return refused if refused.errno in _OBSTACLES else True
        return mode != 0

    def _walk_to(self, directory: Path) -> int | None:
        """Open a directory of the tree; None if there is none; raise what blocks the way."""
        descriptor, where = open_root_directory(self._root.path, look=True), self._root.path
        try:
            device = os.fstat(descriptor).st_dev
            for part in directory.relative_to(self._root.path).parts:
                where /= part
                below = self._open_next(descriptor, where)
                if below is None:
                    os.close(descriptor)
                    return None
                os.close(descriptor)
                descriptor = below
                if os.fstat(descriptor).st_dev != device:
                    raise system_error(errno.EXDEV, where)  # noqa: TRY301 - closed as any other
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _open_next(self, above: int, where: Path) -> int | None:
        """Open the next directory on the way; None if there is none yet."""
        try:
            return open_directory(where.name, above, where, follow=self._follow_links, look=True)
        except FileNotFoundError:
            if stat.S_ISLNK(mode_of(where.name, above)):
                raise system_error(errno.ENOTDIR, where) from None
            return None

    def make(self, directory: PurePosixPath) -> int:
        """Make a directory of the tree, and every name on the way to it durable.

        Also those that are there already: another thread or process may have made them and not
        synced them yet. Returns its descriptor.
        """
        descriptor, where = self._root.open(), PurePosixPath()
        for part in directory.parts:
            where /= part
            try:
                below = self._make_below(descriptor, where)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def opened(self) -> OpenDirectories:
        """Return directories that are each made and opened once, for a group of files."""
        return OpenDirectories(self)

    def _make_below(self, above: int, where: PurePosixPath) -> int:
        ours = where.parts[0] == STATE_DIR
        follow = self._follow_links and not ours
        place = self._root.path / where
        if where in self._durable:
            with suppress(FileNotFoundError):
                return open_directory(where.name, above, place, follow=follow, ours=ours)
        made = make_directory(where.name, above, place, follow=follow, ours=ours)
        try:
            sync_directory(above)
        except BaseException:
            os.close(made)
            raise
        self._durable.add(where)
        return made


class OpenDirectories:
    """Directories of one tree, made durably and opened when first needed. For one thread.

    Use as a context manager, for a moment: what is open stays the same directory, whatever
    becomes of its name.
    """

    def __init__(self, directories: Directories) -> None:
        self._directories = directories
        self._open: dict[str, int] = {}

    def of(self, path: str) -> tuple[int, str]:
        """Return the descriptor of the directory that a file of the catalog is in, and its name.

        Raises
        ------
        StorageError
            If no product can be there, or the directory cannot be made.
        """
        above, _, name = path.rpartition("/")
        if above not in self._open or name in _NO_NAMES or "\0" in name:
            place = self._directories.place(path)
            above, name = str(place.parent.relative_to(self._directories.root)), place.name
            if above not in self._open:
                with storage_errors_explained(place):
                    self._open[above] = self._directories.make(PurePosixPath(above))
        return self._open[above], name

    def sync(self) -> None:
        """Make the names in all of them durable."""
        for above, descriptor in self._open.items():
            with storage_errors_explained(self._directories.root / above):
                sync_directory(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


def mode_of(name: str, directory: int) -> int:
    """Return the mode of what has a name in a directory; 0 if nothing has."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


def system_error(code: int, path: Path) -> OSError:
    """Return the system's error of this number about a path."""
    return OSError(code, os.strerror(code), str(path))
