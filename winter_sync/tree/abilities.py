"""What a mirror needs of a file system, each tried for real where the mirror is or will be."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from winter_sync.core import NO_HARD_LINKS, StorageError, explained, sync_directory, take_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ELSEWHERE = "Mount it with options that allow this, or set another mirror.root."


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that a file system cannot do.

    Parameters
    ----------
    message
        What is lacking.
    remedy
        What to do about it.
    is_fatal
        Whether no mirror can live without it.
    """

    message: str
    remedy: str
    is_fatal: bool = True


@dataclass(frozen=True, slots=True)
class Abilities:
    """What was found: what is lacking, and whether an older file can be kept by a hard link."""

    lacks: tuple[Lack, ...]
    has_links: bool


def try_out(place: Path) -> Abilities:
    """Do in a directory what publishing does, in a temporary one that is removed afterwards.

    Raises
    ------
    StorageError
        If not even files can be written there.
    """
    with (
        explained(place),
        tempfile.TemporaryDirectory(dir=place, prefix=".winter-sync-check-") as name,
    ):
        directory = Path(name)
        (directory / "staging").mkdir()
        (directory / "night").mkdir()
        tried = (_sync_file, _rename, _lock, _sync_directory)
        lacks = tuple(lack for attempt in tried for lack in _tried(attempt, directory))
        return Abilities(lacks, _can_link(directory))


def _tried(attempt: Callable[[Path], Lack | None], directory: Path) -> Iterator[Lack]:
    lack = attempt(directory)
    if lack is not None:
        yield lack


def _sync_file(directory: Path) -> Lack | None:
    with (directory / "file").open("wb") as file:
        file.write(b"x")
        file.flush()
        try:
            os.fsync(file.fileno())
        except OSError as refused:
            return Lack(f"files cannot be synced (fsync): {refused.strerror}", _ELSEWHERE)
    return None


def _rename(directory: Path) -> Lack | None:
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
    return Lack(f"a file cannot be renamed over another one: {said}", _ELSEWHERE)


def _lock(directory: Path) -> Lack | None:
    """Lock a file, and see that nobody else can."""
    path = directory / "lock"
    try:
        first = take_lock(path)
    except StorageError as refused:
        code = refused.fields["errno"]
        said = os.strerror(code) if isinstance(code, int) else refused.message
        return Lack(f"files cannot be locked (flock): {said}", refused.remedy)
    try:
        os.close(take_lock(path))
    except BlockingIOError:
        return None
    finally:
        os.close(first)
    return Lack("locks of files (flock) exclude nobody", _ELSEWHERE)


def _sync_directory(directory: Path) -> Lack | None:
    if sync_directory(directory):
        return None
    return Lack(
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
