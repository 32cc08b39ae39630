"""Whether a file of the tree is still the one that was published.

Quickly: that it is there, a regular file, of the same size and modification time. Or in full:
its SHA-256 and its structure, read in pieces by whoever asks, at the speed they choose.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from winter_sync.catalog import Check
from winter_sync.core import (
    Damage,
    DamagedFileError,
    Fault,
    SymbolicLinkError,
    TreeFiles,
    file_kind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from winter_sync.catalog import Held

PIECE = 1024 * 1024
"""Bytes read at a time."""
_SECOND = 1_000_000_000
_COARSE = 2 * _SECOND
"""File systems keep times to the nanosecond or, some, to one or two seconds."""
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})
_NOT_REGULAR = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})
"""The result of opening a link, a socket or a directory as a file."""
_LINK = "this is a symbolic link, followed only with `follow_links = true` under [mirror]"
_NO_FILE = "there is no such file"
_STRUCTURE = {
    Fault.FOREIGN: "it is not what its name says",
    Fault.SHORT: "it is cut short",
    Fault.LONG: "something follows its end",
    Fault.MALFORMED: "its structure is broken",
    Fault.CHECKSUM: "a checksum in it is wrong",
    Fault.EXTENSIONS: "it lacks extensions, or has too many",
}


@dataclass(frozen=True, slots=True)
class FileFinding:
    """What was found of one file.

    `check.damage` is None for a file that is right and for one that could not be read; the latter
    has `unreadable` set, to the system's words. `note` is set where a file is byte for byte what
    was published and yet its structure is odd. `size` is the number of bytes read.
    """

    check: Check
    unreadable: str | None = None
    note: str | None = None
    size: int = 0


def stat_file(files: TreeFiles, held: Held) -> FileFinding:
    """Check a file without opening it: one `lstat`."""
    try:
        found = files.lstat(held.path)
    except OSError as failed:
        return _failed(held, failed)
    return FileFinding(Check(held, *_differs(found, held, times=True)))


def stat_files(
    root: Path, some: Iterable[Held], *, follow_links: bool = False
) -> list[FileFinding]:
    """Return the findings on files that are not as they were published.

    A file that was missing before and is there again is returned, too. One whose content was found
    wrong is not: a quick check cannot clear it.
    """
    with TreeFiles(root, follow_links=follow_links) as files:
        seen = (stat_file(files, held) for held in some)
        return [finding for finding in seen if _is_news(finding)]


def _is_news(seen: FileFinding) -> bool:
    if seen.check.damage is not None or seen.unreadable is not None:
        return True
    return seen.check.held.damage is Damage.MISSING


class Examination:
    """One file read in full, in pieces.

    `while examination.step(): ...` reads it, and `examination.seen` is the result. Use as a
    context manager, which closes the file. No method raises: a file that cannot be read, or
    vanishes meanwhile, is a result as well.

    Parameters
    ----------
    root
        The top of the tree.
    held
        What the file should be.
    piece
        Where pieces are read to.
    follow_links
        Whether directories of the tree may be links.
    """

    def __init__(
        self, root: Path, held: Held, piece: bytearray, *, follow_links: bool = False
    ) -> None:
        self._held = held
        self._path = root / held.path
        self._piece = memoryview(piece)
        self._sha256 = hashlib.sha256()
        self._size = 0
        self._descriptor = -1
        self._found: os.stat_result | None = None
        self._early: FileFinding | None = None
        with TreeFiles(root, follow_links=follow_links) as files:
            try:
                self._descriptor = files.open(held.path)
                self._found = os.fstat(self._descriptor)
            except OSError as failed:
                self._early = _not_opened(files, held, failed)
                return
        damage, reason = _differs(self._found, held, times=False)
        if damage is not None:
            self._early = FileFinding(Check(held, damage, reason))

    def step(self) -> int:
        """Read the next piece; returns how many bytes it has, 0 when there is nothing to read."""
        if self._early is not None:
            return 0
        try:
            size = os.readv(self._descriptor, [self._piece])
        except OSError as failed:
            self._early = _failed(self._held, failed)
            return 0
        self._sha256.update(self._piece[:size])
        self._size += size
        return size

    @property
    def seen(self) -> FileFinding:
        """What was seen, once all was read."""
        if self._early is not None or self._found is None:
            return self._early or FileFinding(Check(self._held))
        if self._is_removed():
            return FileFinding(Check(self._held, Damage.MISSING, _NO_FILE), size=self._size)
        fault = self._structure()
        if self._sha256.hexdigest() == self._held.sha256:
            return FileFinding(
                Check(self._held, mtime_ns=self._found.st_mtime_ns), note=fault, size=self._size
            )
        reason = "its content is not what was downloaded (SHA-256)"
        whole = f"{reason}; {fault}" if fault else reason
        return FileFinding(Check(self._held, Damage.CHANGED, whole), size=self._size)

    def _is_removed(self) -> bool:
        """Return whether nothing has the file's name any more: it was deleted while it was read."""
        try:
            return os.fstat(self._descriptor).st_nlink == 0 and not os.path.lexists(self._path)
        except OSError:
            return False

    def _structure(self) -> str | None:
        """Say what is wrong with the structure. None of the file's own words is quoted.

        Checksums inside it are left out: where the SHA-256 is right they add nothing.
        """
        from winter_sync.formats import check_file  # noqa: PLC0415 - `status` opens no file

        product = self._held.product
        try:
            check_file(self._descriptor, product.filename, sums=False)
        except DamagedFileError as broken:
            return _STRUCTURE[broken.fault]
        except OSError as failed:
            return f"its structure could not be read: {failed.strerror}"
        return None

    def close(self) -> None:
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Throttle:
    """Spreads reading over time, so that all threads together keep to a rate.

    Parameters
    ----------
    rate
        Bytes a second; 0 for as fast as can be.
    monotonic
        Returns a time in seconds that never goes back.
    """

    def __init__(self, rate: int, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._free_at = 0.0
        self._guard = threading.Lock()

    def delay(self, size: int) -> float:
        """Return how many seconds to wait after this many bytes were read."""
        if not self._rate:
            return 0.0
        with self._guard:
            now = self._monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            return self._free_at - now


def _differs(
    found: os.stat_result, held: Held, *, times: bool
) -> tuple[Damage, str] | tuple[None, None]:
    """Return how a file differs from what was published, as far as `stat` shows."""
    if not stat.S_ISREG(found.st_mode):
        return Damage.CHANGED, _kind(found)
    if found.st_size != held.size:
        return Damage.CHANGED, f"it has {found.st_size} bytes instead of {held.size}"
    if times and not _same_time(found.st_mtime_ns, held.mtime_ns):
        return Damage.CHANGED, "it was modified after it was downloaded"
    return None, None


def _kind(found: os.stat_result) -> str:
    return f"{file_kind(found.st_mode)} has its name"


def _same_time(found: int, published: int | None) -> bool:
    """Return whether a modification time is the one at publication, as far as it was kept."""
    if published is None or found == published:
        return True
    return found % _SECOND == 0 and abs(found - published) < _COARSE


def _not_opened(files: TreeFiles, held: Held, failed: OSError) -> FileFinding:
    """Distinguish a file that is not regular from one that cannot be read."""
    if failed.errno in _NOT_REGULAR and not isinstance(failed, SymbolicLinkError):
        try:
            return FileFinding(Check(held, *_differs(files.lstat(held.path), held, times=False)))
        except OSError as gone:
            failed = gone
    return _failed(held, failed)


def _failed(held: Held, failed: OSError) -> FileFinding:
    if failed.errno in _GONE:
        return FileFinding(Check(held, Damage.MISSING, _NO_FILE))
    if isinstance(failed, SymbolicLinkError):
        return FileFinding(Check(held), unreadable=f"{failed.filename}: {_LINK}")
    return FileFinding(Check(held), unreadable=failed.strerror or str(failed))
