"""Files and directories opened without following links, and nothing but regular files read.

Whoever may write in a tree can put a link, a pipe or a device in the place of anything in it. So
paths below the root are walked directory by directory, each opened in the one before
(`O_NOFOLLOW`, openat(2)), and what is opened is looked at before it is used. The root itself, and
what is above it, may be links.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Self

_REGULAR = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_DIRECTORY | os.O_CLOEXEC
_NO_NAMES = frozenset({"", ".", ".."})
_LOOK: int = getattr(os, "O_PATH", os.O_RDONLY)
"""On Linux a directory that can be entered and not listed can be passed through."""
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISREG, "a file"),
)
_NOT_OPENED = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.EMLINK})
"""The result of opening a link, a socket or a directory as a file; BSD says EMLINK of a link."""


class SymbolicLinkError(OSError):
    """A symbolic link stands where a directory should be, and is not followed.

    `ours` says whether it is a directory of our own, which is never a link.
    """

    def __init__(self, path: Path | str, *, ours: bool = False) -> None:
        super().__init__(errno.ELOOP, "this is a symbolic link, and is not followed", str(path))
        self.ours = ours


class NotRegularFileError(OSError):
    """Something stands where a regular file of ours should be."""

    def __init__(self, path: Path | str, kind: str) -> None:
        super().__init__(errno.EINVAL, f"this is {kind}, not a regular file", str(path))


class TooLargeError(OSError):
    """A file is larger than any that is written there."""

    def __init__(self, path: Path | str, limit: int) -> None:
        super().__init__(errno.EFBIG, f"this has more than {limit} bytes", str(path))


def file_kind(mode: int) -> str:
    """Return what a mode of `stat` is the mode of, like "a pipe"."""
    return next((name for test, name in _KINDS if test(mode)), "a device")


def open_regular(
    path: Path | str,
    flags: int = os.O_RDONLY,
    *,
    within: int | None = None,
    follow: bool = False,
) -> int:
    """Open a regular file without waiting; return its descriptor.

    Parameters
    ----------
    path
        Its path; a name when `within` is given.
    flags
        As for open(2). A file is made with the mode 0666, less the umask.
    within
        The descriptor of the directory that it is in.
    follow
        Whether it may be a link to a regular file.

    Raises
    ------
    KindError
        If it is anything else.
    OSError
        If it cannot be opened.
    """
    wanted = flags | (_REGULAR & ~os.O_NOFOLLOW if follow else _REGULAR)
    try:
        descriptor = os.open(path, wanted, 0o666, dir_fd=within)
    except OSError as failed:
        if failed.errno in _NOT_OPENED:
            _refuse_irregular(path, within)
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise NotRegularFileError(path, file_kind(mode))
    return descriptor


def _refuse_irregular(path: Path | str, within: int | None) -> None:
    with suppress(FileNotFoundError):
        mode = os.stat(path, dir_fd=within, follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode):
            raise NotRegularFileError(path, file_kind(mode)) from None


def read_regular(
    path: Path | str, limit: int, *, within: int | None = None, follow: bool = False
) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; see `open_regular`.

    Raises
    ------
    TooLargeError
        If it has more.
    """
    descriptor = open_regular(path, within=within, follow=follow)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        content = file.read(limit + 1)
    if len(content) > limit:
        raise TooLargeError(path, limit)
    return content


def open_directory(  # noqa: PLR0913 - all by name
    name: str,
    within: int,
    where: Path,
    *,
    follow: bool = False,
    ours: bool = False,
    look: bool = False,
) -> int:
    """Open a directory in another one; return its descriptor.

    Parameters
    ----------
    name
        Its name.
    within
        The descriptor of the other one.
    where
        Its path, for messages.
    follow
        Whether it may be a link.
    ours
        Whether it is one of our own, for messages.
    look
        Whether it is only passed through, and neither listed nor synced.

    Raises
    ------
    LinkError
        If it is a link, and that may not be followed.
    OSError
        If it cannot be opened.
    """
    flags = _DIRECTORY | (0 if follow else os.O_NOFOLLOW) | (_LOOK if look else os.O_RDONLY)
    try:
        return os.open(name, flags, dir_fd=within)
    except OSError as failed:
        if not follow and failed.errno in {errno.ENOTDIR, errno.ELOOP, errno.EMLINK}:
            with suppress(FileNotFoundError):
                if stat.S_ISLNK(os.stat(name, dir_fd=within, follow_symlinks=False).st_mode):
                    raise SymbolicLinkError(where, ours=ours) from None
        raise type(failed)(failed.errno, failed.strerror, str(where)) from None


def open_root_directory(root: Path, *, look: bool = False) -> int:
    """Open the top of a tree, which may be a link; return its descriptor."""
    return os.open(root, _DIRECTORY | (_LOOK if look else os.O_RDONLY))


class TreeFiles:
    """The files of a tree, looked at without leaving it. For one thread.

    The directory looked into last stays open, because files are looked at directory by directory.
    Use as a context manager.

    Parameters
    ----------
    root
        The top of the tree.
    follow_links
        Whether directories below it may be links, as `mirror.follow_links` allows.
    """

    def __init__(self, root: Path, *, follow_links: bool = False) -> None:
        self._root = root
        self._follow = follow_links
        self._parent: str | None = None
        self._absent: FileNotFoundError | None = None
        """Where the directory looked into last is not there."""
        self._descriptor = -1

    def lstat(self, path: str) -> os.stat_result:
        """Return what a path is, not following a link that has its name.

        Raises
        ------
        LinkError
            If a link leads there, and that may not be followed.
        OSError
            If it cannot be looked at.
        """
        name = self._enter(path)
        return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)

    def open(self, path: str) -> int:
        """Open a file for reading, whatever it is, without waiting; raise as `lstat` does."""
        name = self._enter(path)
        return os.open(name, os.O_RDONLY | _REGULAR, dir_fd=self._descriptor)

    def _enter(self, path: str) -> str:
        above, _, name = path.rpartition("/")
        if above != self._parent or name in _NO_NAMES or "\0" in name:
            *parents, name = path_parts(path)
            self.close()
            try:
                self._descriptor = self._walk(parents)
            except FileNotFoundError as absent:
                self._absent = absent
            self._parent = "/".join(parents)
        if self._absent is not None:
            raise self._absent.with_traceback(None)
        return name

    def _walk(self, parents: list[str]) -> int:
        descriptor, where = open_root_directory(self._root, look=True), self._root
        for part in parents:
            where /= part
            try:
                below = open_directory(part, descriptor, where, follow=self._follow, look=True)
            finally:
                os.close(descriptor)
            descriptor = below
        return descriptor

    def close(self) -> None:
        """Close what is open; safe to repeat."""
        descriptor, self._descriptor = self._descriptor, -1
        self._parent = self._absent = None
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def path_parts(path: str) -> tuple[str, ...]:
    """Return the parts of a path below the root.

    Raises
    ------
    ValueError
        If it leads out of the tree, or is the path of nothing.
    """
    pure = PurePosixPath(path)
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise ValueError(f"{path!r} leads out of the tree")
    return pure.parts


class closing_descriptor:  # noqa: N801 - used as the function that it stands for
    """Close a descriptor at the end."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
