"""What to adopt, and what came of each file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from winter_sync.core import ExitCode, gravest

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.core import WinterSyncError

LISTED = 10_000
"""At most this many files of a kind are named; all are counted."""


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """What to adopt, and how.

    Parameters
    ----------
    directory
        Where the files are; None for those at their places in the root.
    move
        Whether files on the root's file system are moved there instead of copied.
    offline
        Whether only the catalog says what is listed: no request is sent.
    dry_run
        Whether nothing is written to the tree and to the catalog.
    """

    directory: Path | None = None
    move: bool = False
    offline: bool = False
    dry_run: bool = False


class Fate(StrEnum):
    """What came of a file; the words are a contract."""

    ADOPTED = "adopted"
    """It is known in the catalog now, or would be."""
    HERE = "here"
    """Its product is here already, with this content."""
    DIFFERENT = "different"
    """Its product is here already, with other content, which stays."""
    BUSY = "busy"
    """Another process is downloading its product now."""
    UNKNOWN = "unknown"
    """It is not listed."""
    AMBIGUOUS = "ambiguous"
    """Several products have its name, and nothing says which it is."""
    DAMAGED = "damaged"
    """It is not whole, or not what its name says."""
    DOUBTFUL = "doubtful"
    """No data seem to be missing, and yet more may have been meant: it is not adopted."""
    UNREADABLE = "unreadable"
    """It could not be read."""


@dataclass(frozen=True, slots=True)
class AdoptedFile:
    """What came of one file.

    Parameters
    ----------
    name
        Its path, and within a zip its name there; relative to the root where it is in place.
    fate
        What came of it.
    size
        Its bytes, where it was adopted.
    path
        Its place, relative to the root, where that is known.
    reason
        Why it was not adopted; of an adopted file what is odd about it.
    """

    name: str
    fate: Fate
    size: int = 0
    path: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class AdoptResult:
    """What came of all files: all are counted, and the first of each kind named."""

    request: AdoptRequest
    counts: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    files: dict[Fate, list[AdoptedFile]] = field(
        default_factory=lambda: {fate: [] for fate in Fate}
    )
    size: int = 0
    """Bytes adopted."""
    errors: tuple[WinterSyncError, ...] = ()
    """Why not everything was listed."""

    def add(self, file: AdoptedFile) -> None:
        """Count a file."""
        self.counts[file.fate] += 1
        self.size += file.size if file.fate is Fate.ADOPTED else 0
        if len(self.files[file.fate]) < LISTED:
            self.files[file.fate].append(file)

    @property
    def exit_code(self) -> ExitCode:
        """The gravest of what went wrong: files that are not listed are not wrong."""
        codes = [error.exit_code for error in self.errors]
        if self.counts[Fate.UNREADABLE]:
            codes.append(ExitCode.STORAGE)
        if any(
            self.counts[fate] for fate in (Fate.DAMAGED, Fate.DOUBTFUL, Fate.AMBIGUOUS, Fate.BUSY)
        ):
            codes.append(ExitCode.INCOMPLETE)
        return gravest(codes)
