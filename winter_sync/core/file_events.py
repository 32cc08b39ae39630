"""The events of the tree and its disk: files lost or changed, storage that fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from winter_sync.core.error_codes import ErrorCode


@dataclass(frozen=True, slots=True)
class FilesLost:
    """Files of the tree were deleted; their products are wanted again.

    `unlisted` of them are no longer listed by the archive, so they cannot be downloaded. `paths`
    are the first few, relative to the root.
    """

    files: int
    unlisted: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """Files of the tree were changed after download, and are left so; `reason` of the first."""

    files: int
    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class FilesUnreadable:
    """Files of the tree cannot be read; `reason` is the system's message for the first."""

    files: int
    paths: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class WithdrawnFilesChanged:
    """Files of withdrawn products were moved out of the tree or deleted, or brought back.

    `failed` of them could not be; `reason` is why the last could not.
    """

    moved: int
    deleted: int
    restored: int
    failed: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class FileChecked:
    """A file of the tree was read in full by the daemon; `size` is how many bytes it has."""

    size: int


@dataclass(frozen=True, slots=True)
class CheckPaused:
    """The daemon's check of files pauses for `wait` seconds; all other work continues."""

    reason: str
    remedy: str
    wait: float


@dataclass(frozen=True, slots=True)
class FactsRead:
    """Facts of images were recorded; `left` others are due, as counted when this began.

    `odd` are the paths, relative to the root, of those of which something could not be read.
    """

    files: int
    odd: tuple[str, ...]
    left: int


@dataclass(frozen=True, slots=True)
class FactsUpToDate:
    """The facts of all that was downloaded are recorded.

    Those of `left` files are not: the files are not there, or not as they were downloaded.
    """

    files: int
    left: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FactsPaused:
    """Facts cannot be read or recorded now; retried after `wait` seconds, None: by the next run."""

    reason: str
    remedy: str
    wait: float | None


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a crash had left was recovered: files adopted, leases released."""

    adopted: int
    released: int


@dataclass(frozen=True, slots=True)
class RevisionsRemoved:
    """Older revisions were removed, as the settings ask: files, and their bytes."""

    files: int
    size: int


@dataclass(frozen=True, slots=True)
class RevisionsNotRemoved:
    """An older revision could not be removed; it is tried again later."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class StorageFailing:
    """The disk or the catalog fails: all work is paused for `wait` seconds."""

    reason: str
    remedy: str
    wait: float
    code: ErrorCode | None = None


@dataclass(frozen=True, slots=True)
class DirectoriesNotSynced:
    """The file system of the root cannot make names durable; emitted once, when a mirror opens."""

    root: str


@dataclass(frozen=True, slots=True)
class GroupNotGiven:
    """Files cannot be given the group of their set-group-ID directory; emitted once for a group."""

    directory: str
    group: int
