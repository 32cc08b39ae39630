"""What a run did, counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from winter_sync.core import (
    ExitCode,
    Failed,
    Missing,
    Outcome,
    Published,
    Unchanged,
    WinterSyncError,
    gravest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.catalog import Poll, Waiting

_KEPT_NAMED = 10_000
"""So many are named; a reprocessed archive would fill the memory."""


@dataclass(slots=True)
class Report:
    """What a run did."""

    queries: int = 0
    listed: int = 0
    new: int = 0
    changed: int = 0
    published: int = 0
    unchanged: int = 0
    missing: int = 0
    failed: int = 0
    """How many times a product failed; it may have succeeded later in the run."""
    left: int = 0
    """How many products are still wanted at the end."""
    waiting: list[Waiting] = field(default_factory=list)
    """What was not asked for because its next attempt is later."""
    size: int = 0
    not_asked: dict[str, str] = field(default_factory=dict)
    """Programs of which no question was asked, and why."""
    lost: int = 0
    """How many files were found deleted and are wanted again."""
    unlisted: int = 0
    """How many files were found deleted that the archive no longer lists."""
    altered: int = 0
    """How many files are not as they were downloaded, and were left so."""
    kept: list[tuple[str, str]] = field(default_factory=list)
    """Where files that stood in the place of a download were moved: (path, new path)."""
    errors: list[WinterSyncError] = field(default_factory=list)

    def note(self, poll: Poll) -> None:
        """Add what a listing brought."""
        self.queries += 1
        self.listed += poll.listed
        self.new += poll.new
        self.changed += poll.changed

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Add what became of a batch."""
        for outcome in outcomes:
            match outcome:
                case Published(_, evidence):
                    self.published += 1
                    self.size += evidence.size
                    if evidence.kept is not None:
                        self._keep(evidence.path, evidence.kept)
                case Unchanged():
                    self.unchanged += 1
                case Missing():
                    self.missing += 1
                case Failed():
                    self.failed += 1

    def _keep(self, path: str, kept: str) -> None:
        if len(self.kept) < _KEPT_NAMED:
            self.kept.append((path, kept))

    @property
    def exit_code(self) -> ExitCode:
        """What the run has to tell its caller: the gravest of what went wrong.

        A run that asked nothing has done nothing, whatever the reason.
        """
        codes = [error.exit_code for error in self.errors]
        if self.left:
            codes.append(ExitCode.INCOMPLETE)
        if not self.queries and not self.errors:
            codes.append(ExitCode.USAGE)
        return gravest(codes)
