"""What a run did, counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from winter_sync.errors import ExitCode, WinterSyncError, gravest
from winter_sync.models import Failed, Missing, Outcome, Published, Unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.records import Poll


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
    size: int = 0
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
                case Unchanged():
                    self.unchanged += 1
                case Missing():
                    self.missing += 1
                case Failed():
                    self.failed += 1

    @property
    def exit_code(self) -> ExitCode:
        """What the run has to tell its caller: the gravest of what went wrong."""
        codes = [error.exit_code for error in self.errors]
        return gravest([*codes, ExitCode.INCOMPLETE] if self.left else codes)
