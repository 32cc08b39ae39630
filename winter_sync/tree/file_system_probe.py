"""What a mirror needs of a file system, each tried for real where the mirror is or will be."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from winter_sync.core import (
    NO_HARD_LINKS,
    StorageError,
    storage_errors_explained,
    sync_directory,
    take_lock,
)

_ELSEWHERE = "Mount it with options that allow this, or set another mirror.root."


@dataclass(frozen=True, slots=True)
class Limitation:
    """Something that a file system cannot do.

    Parameters
    ----------
    message
        What it cannot do.
    remedy
        What to do about it.
    is_fatal
        Whether no mirror can do without it.
    """

    message: str
    remedy: str
    is_fatal: bool = True


@dataclass(frozen=True, slots=True)
class FileSystemReport:
    """What a file system cannot do, and whether an older file can be kept by a hard link."""

    limitations: tuple[Limitation, ...]
    has_hard_links: bool


def probe_file_system(place: Path) -> FileSystemReport:
    """Do in a directory what publishing does, in a temporary one that is removed afterwards.

    Raises
    ------
    StorageError
        If not even files can be written there.
    """
    with (
        storage_errors_explained(place),
        tempfile.TemporaryDirectory(dir=place, prefix=".winter-sync-check-") as name,
    ):
        directory = Path(name)
        (directory / "staging").mkdir()
        (directory / "night").mkdir()
        probes = (_sync_file, _rename, _lock, _sync_directory)
        found = [probe(directory) for probe in probes]
        limitations = tuple(limitation for limitation in found if limitation is not None)
        return FileSystemReport(limitations, _can_link(directory))


def _sync_file(directory: Path) -> Limitation | None:
    with (directory / "file").open("wb") as file:
        file.write(b"x")
        file.flush()
        try:
            os.fsync(file.fileno())
        except OSError as refused:
            return Limitation(f"files cannot be synced (fsync): {refused.strerror}", _ELSEWHERE)
    return None


def _rename(directory: Path) -> Limitation | None:
    """Put a file into another directory, and a second one in its place."""
    target = directory / "night" / "file"
    try:
        for content in (b"older", b"newer"):
            staged = directory / "staging" / "file"
            staged.write_bytes(content)
            staged.rename(target)
        if target.read_bytes() == b"newer":
            return None
        said = "the older file stays"
    except OSError as refused:
        said = refused.strerror or str(refused)
    return Limitation(f"a file cannot be renamed over another one: {said}", _ELSEWHERE)


def _lock(directory: Path) -> Limitation | None:
    """Lock a file, and try to lock it again."""
    path = directory / "lock"
    try:
        first = take_lock(path)
    except StorageError as refused:
        said = os.strerror(refused.errno) if refused.errno else refused.message
        return Limitation(f"files cannot be locked (flock): {said}", refused.remedy)
    try:
        os.close(take_lock(path))
    except BlockingIOError:
        return None
    finally:
        os.close(first)
    return Limitation("locks of files (flock) have no effect", _ELSEWHERE)


def _sync_directory(directory: Path) -> Limitation | None:
    if sync_directory(directory):
        return None
    return Limitation(
        "directories cannot be synced: after a power failure the files downloaded last may be "
        "missing",
        "Run `winter-sync verify --quick --repair` after a power failure.",
        is_fatal=False,
    )


def _can_link(directory: Path) -> bool:
    try:
        (directory / "link").hardlink_to(directory / "file")
    except OSError as refused:
        if refused.errno not in NO_HARD_LINKS:
            raise
        return False
    return True
