"""What to verify, and what a verification found and repaired."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from winter_sync.catalog import Scope
from winter_sync.core import Damage, ExitCode, gravest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from winter_sync.catalog import Damaged
    from winter_sync.core import Night
    from winter_sync.maintenance.file_checker import Verified
    from winter_sync.sync import Report


@dataclass(frozen=True, slots=True)
class Request:
    """What to verify, and how."""

    quick: bool = False
    programs: tuple[str, ...] = ()
    nights: tuple[Night, ...] = ()
    repair: bool = False

    @property
    def scope(self) -> Scope:
        """The products to check; no program means all that the catalog knows."""
        return Scope(programs=self.programs, nights=self.nights)

    @property
    def selection(self) -> str:
        """The name under which an interrupted verification of the same products is resumed."""
        return json.dumps([sorted(self.programs), sorted(night.name for night in self.nights)])


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of the files saw."""

    verified: Verified
    recorded: bool
    """Whether what was found is in the catalog."""
    checked_before: int = 0
    """Files found right by the interrupted run that this one resumed."""
    begun: str | None = None
    """When that run began (ISO 8601, UTC); None if none was resumed."""


@dataclass(frozen=True, slots=True)
class Damages:
    """Products whose files are missing here or changed."""

    listed: Sequence[Damaged] = ()
    """By path; a limited number."""
    counts: Mapping[Damage, int] = field(default_factory=dict)
    """All of them."""

    def of(self, kind: Damage) -> list[Damaged]:
        """Return the listed products with one kind of damage."""
        return [product for product in self.listed if product.damage is kind]

    @property
    def total(self) -> int:
        """The number of damaged products."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair did."""

    report: Report | None = None
    """Of its downloads; None if nothing was repaired."""
    unlisted: Sequence[Damaged] = ()
    """Products deleted here that the archive no longer lists: they cannot be downloaded."""


@dataclass(frozen=True, slots=True)
class Strays:
    """Files that belong to no product, relative to the root; None where they were not sought."""

    foreign: tuple[str, ...] | None = None
    foreign_files: int = 0
    orphaned: tuple[str, ...] | None = None
    orphaned_files: int = 0
    closed: tuple[str, ...] = ()
    """Directories that could not be read."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a verification found, and what is left of it after a repair."""

    request: Request
    checked: Checked
    damages: Damages
    repair: Repair
    strays: Strays

    @property
    def verified(self) -> Verified:
        """What was seen of the files."""
        return self.checked.verified

    @property
    def wrong(self) -> int:
        """The number of products that are missing here or changed, in the end."""
        return self.damages.total + len(self.repair.unlisted)

    @property
    def repaired(self) -> int:
        """The number of products that were downloaded again."""
        report = self.repair.report
        return report.published + report.unchanged if report else 0

    @property
    def kept(self) -> Sequence[tuple[str, str]]:
        """Changed files that were moved aside, each with where it is now."""
        return self.repair.report.kept if self.repair.report else ()

    @property
    def exit_code(self) -> ExitCode:
        """The gravest of what is wrong; foreign and orphaned files are not wrong."""
        report = self.repair.report
        codes = [error.exit_code for error in report.errors] if report else []
        if self.verified.unreadable:
            codes.append(ExitCode.STORAGE)
        if self.wrong:
            codes.append(ExitCode.INCOMPLETE)
        return gravest(codes)
