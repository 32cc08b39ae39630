"""Nights in numbers, and when one is settled: pure decisions about what was seen.

The night directory of Palomar runs from 16:00 UTC to 15:59 (`Night.at`). The sun sets there
between 00:30 and 03:10 UTC and rises between 12:35 and 15:00, whatever clocks on the wall say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from winter_sync.core.products import Night
    from winter_sync.core.traits import ImageType

NIGHT_ENDS = time(16, tzinfo=UTC)
USUAL_DELAY = timedelta(days=1)
"""Products of a night appear through the next day (winter-api.md, "What changes")."""


def end_of(night: Night) -> datetime:
    """Return when a night is over: 16:00 UTC of the day after its evening."""
    return datetime.combine(night.day + timedelta(days=1), NIGHT_ENDS)


class KindCount(Protocol):
    """Products of one kind of a night, by state, as the catalog counts them."""

    @property
    def image_type(self) -> ImageType:
        """Their type."""

    @property
    def published(self) -> int:
        """In the tree, as they were downloaded."""

    @property
    def withdrawn_here(self) -> int:
        """Those of the published that are no longer listed."""

    @property
    def wanted(self) -> int:
        """Listed and to be downloaded."""

    @property
    def missing(self) -> int:
        """Listed, without a file on the server."""

    @property
    def damaged(self) -> int:
        """Listed and downloaded, with a file that is missing or changed since."""

    @property
    def size(self) -> int:
        """Bytes of the published."""

    @property
    def withdrawn_size(self) -> int:
        """Bytes of `withdrawn_here`, a part of `size`."""


class ProgramCount(Protocol):
    """Products of one program, by what remains to do."""

    @property
    def here(self) -> int:
        """In the tree."""

    @property
    def wanted(self) -> int:
        """To be downloaded."""

    @property
    def missing(self) -> int:
        """Without a file on the server, and of a type that the archive keeps."""

    @property
    def not_kept(self) -> int:
        """Without a file on the server, and of a type that it does not keep."""

    @property
    def damaged(self) -> int:
        """Downloaded, with a file that is missing or changed since."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Products that are listed now, each counted once, and the bytes of those that are here."""

    here: int = 0
    pending: int = 0
    missing: int = 0
    """Listed, and without a file on the server when it was last asked; without `not_kept`."""
    not_kept: int = 0
    """`science` products without a file: they do not count against a night."""
    size: int = 0
    damaged: int = 0
    """Downloaded, but the file was found missing or changed since."""

    @property
    def listed(self) -> int:
        """How many are expected here: all that is listed but for what the archive does not keep."""
        return self.here + self.pending + self.missing + self.damaged

    @classmethod
    def of(cls, counts: Iterable[KindCount]) -> Numbers:
        """Sum counts."""
        counts = tuple(counts)
        kept = [count for count in counts if count.image_type.traits.is_kept]
        missing = sum(count.missing for count in kept)
        return cls(
            here=sum(count.published - count.withdrawn_here for count in counts),
            pending=sum(count.wanted for count in counts),
            missing=missing,
            not_kept=sum(count.missing for count in counts) - missing,
            size=sum(count.size - count.withdrawn_size for count in counts),
            damaged=sum(count.damaged for count in counts),
        )

    @classmethod
    def of_program(cls, count: ProgramCount) -> Numbers:
        """Take the numbers of one program; their bytes are not counted."""
        return cls(count.here, count.wanted, count.missing, count.not_kept, damaged=count.damaged)


@dataclass(frozen=True, slots=True)
class NightHistory:
    """What was seen of a night of one program, and when.

    Parameters
    ----------
    night
        Which.
    numbers
        What the program lists of it now.
    changed_at
        When it was last noticed that anything of it had changed; None if that is not known.
    listed_at
        When the whole of it was last listed by complete answers: of all that is mirrored of the
        program, the time of what was listed longest ago. None if anything was never listed, or
        could not be listed when it was last asked.
    held
        How many products of it vanished with so many others that this is not believed yet.
    """

    night: Night
    numbers: Numbers
    changed_at: datetime | None
    listed_at: datetime | None
    held: int = 0

    @property
    def quiet_since(self) -> datetime | None:
        """Since when nothing has changed, counted from the usual delay after the night."""
        if self.changed_at is None:
            return None
        return max(self.changed_at, end_of(self.night) + USUAL_DELAY)

    def is_settled(self, settle_after: timedelta, now: datetime) -> bool:
        """Return whether all of the night is here or known to be missing, and that has lasted.

        Nothing may be pending or damaged. The archive must have listed the whole night once more
        when nothing had changed for `settle_after`: that nobody looked is no sign of quiet. An
        answer that lacks products which count as listed does not say how the night stands.
        """
        quiet, listed = self.quiet_since, self.listed_at
        if quiet is None or listed is None or self.held or not self._is_all_known:
            return False
        return quiet + settle_after <= listed <= now

    @property
    def _is_all_known(self) -> bool:
        numbers = self.numbers
        return not numbers.pending and not numbers.damaged and numbers.listed + numbers.not_kept > 0
