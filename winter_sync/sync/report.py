"""What a run did: one frozen report, built from the results of its polls and downloads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from winter_sync.core import (
    Adopted,
    ExitCode,
    Failed,
    Missing,
    Outcome,
    Published,
    Unchanged,
    WinterSyncError,
    gravest,
)
from winter_sync.sync.results import united

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from winter_sync.catalog import NotCompared, Waiting
    from winter_sync.core import Instrument
    from winter_sync.sync.quick_check import CheckedFiles
    from winter_sync.sync.results import PollResult

_KEPT_NAMED = 10_000
"""At most this many are named; a reprocessed archive would fill the memory."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did."""

    queries: int = 0
    listed: int = 0
    """How many rows: a product is listed again by each program, and where windows overlap."""
    new: int = 0
    changed: int = 0
    published: int = 0
    unchanged: int = 0
    adopted: int = 0
    """How many files were here that the catalog did not know."""
    missing: int = 0
    failed: int = 0
    """How many times a product failed; it may have succeeded later in the run."""
    left: int = 0
    """How many products are still wanted at the end."""
    waiting: Sequence[Waiting] = ()
    """What was not asked for because its next attempt is later."""
    again: int = 0
    """What is here and was not fetched again, though its marks changed: today's budget is used."""
    size: int = 0
    """Bytes published."""
    asked: tuple[date, date] | None = field(default=None, compare=False)
    """The first and the last date that was asked for; `date.max` for up to now."""
    matching: frozenset[tuple[Instrument, str]] | None = field(default=None, compare=False)
    """The products that are listed of a part; None of a run that is for everything."""
    here: int = 0
    """How many products of the programs are here, where the archive listed nothing now."""
    not_asked: Mapping[str, str] = field(default_factory=dict)
    """Programs of which nothing was queried, and why."""
    lost: int = 0
    """How many files were found deleted and are wanted again."""
    unlisted: int = 0
    """How many files were found deleted that the archive no longer lists."""
    altered: int = 0
    """How many files are not as they were downloaded, and were left so."""
    not_compared: NotCompared | None = None
    """What a recheck left out; None of a run that is none."""
    kept: tuple[tuple[str, str], ...] = ()
    """Where files that stood in the place of a download were moved: (path, new path)."""
    errors: tuple[WinterSyncError, ...] = ()

    def with_poll(self, program: str, result: PollResult) -> Report:
        """Return this report with what polling a subject of a program came to."""
        why = {} if result.not_asked is None else {program: result.not_asked}
        return replace(
            self,
            queries=self.queries + result.queries,
            listed=self.listed + result.listed,
            new=self.new + result.new,
            changed=self.changed + result.changed,
            not_asked={**self.not_asked, **why},
            asked=united(self.asked, result.asked),
            matching=None if self.matching is None else self.matching | result.matching,
        )

    def with_outcomes(self, outcomes: Sequence[Outcome]) -> Report:
        """Return this report with what became of a batch."""
        published = [outcome for outcome in outcomes if isinstance(outcome, Published)]
        return replace(
            self,
            published=self.published + len(published),
            size=self.size + sum(outcome.evidence.size for outcome in published),
            unchanged=self.unchanged + _count(outcomes, Unchanged),
            adopted=self.adopted + _count(outcomes, Adopted),
            missing=self.missing + _count(outcomes, Missing),
            failed=self.failed + _count(outcomes, Failed),
            kept=(*self.kept, *_moved(published))[:_KEPT_NAMED],
        )

    def with_files(self, checked: CheckedFiles) -> Report:
        """Return this report with what was found of the files in the tree."""
        return replace(self, lost=checked.lost, unlisted=checked.unlisted, altered=checked.changed)

    def with_error(self, error: WinterSyncError) -> Report:
        """Return this report with one more error."""
        return replace(self, errors=(*self.errors, error))

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the run: the gravest of what went wrong.

        A run that asked nothing has done nothing, whatever the reason.
        """
        codes = [error.exit_code for error in self.errors]
        if self.left:
            codes.append(ExitCode.INCOMPLETE)
        if not self.queries and not self.errors:
            codes.append(ExitCode.USAGE)
        return gravest(codes)


def _count(outcomes: Sequence[Outcome], kind: type[object]) -> int:
    return sum(isinstance(outcome, kind) for outcome in outcomes)


def _moved(published: Iterable[Published]) -> Iterable[tuple[str, str]]:
    """Yield where files were moved that stood in the place of a download."""
    for outcome in published:
        if outcome.evidence.kept is not None:
            yield outcome.evidence.path, outcome.evidence.kept
