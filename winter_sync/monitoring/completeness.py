"""Whether a night is complete and the archive answers: pure decisions from counts and polls.

The night directory of Palomar runs from 16:00 UTC to 15:59 (`Night.at`). The sun sets there
between 00:30 and 03:10 UTC and rises between 12:35 and 15:00, whatever clocks on the wall say.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from winter_sync.core import NIGHT_ENDS, Night, end_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from winter_sync.catalog import PollState
    from winter_sync.core import Numbers

# --- the calendar --------------------------------------------------------------------------------


def last_night(now: datetime) -> Night:
    """Return the newest night that is over: the one before the night an instant belongs to."""
    return Night.at(now).plus(-1)


def tonight(now: datetime) -> Night | None:
    """Return the night under way; None during the day at Palomar, 16:00 to 24:00 UTC."""
    return Night.at(now) if now.astimezone(UTC).time() < NIGHT_ENDS.replace(tzinfo=None) else None


# --- how the archive answered --------------------------------------------------------------------


def never_answered(states: Iterable[PollState]) -> list[PollState]:
    """Return what was never listed with success and did not fail either: it was never asked."""
    return [state for state in states if state.answered_at is None and state.failing_since is None]


def failing(states: Iterable[PollState]) -> list[PollState]:
    """Return what could not be listed when it was last asked."""
    return [state for state in states if state.failing_since is not None]


def is_listed(states: Sequence[PollState]) -> bool:
    """Return whether everything was listed, and nothing failed when it was last asked."""
    return bool(states) and all(state.answered_at and not state.failing_since for state in states)


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """When the archive, or a program of it, last answered, and since when every poll fails."""

    last_answer: datetime | None = None
    failing_since: datetime | None = None
    error: str | None = None

    @classmethod
    def of(cls, states: Sequence[PollState]) -> ArchiveState:
        """Summarize the states of polls.

        The archive fails as a whole when the latest poll of everything that was ever polled
        failed; since the first failure after its last answer.
        """
        asked = [state for state in states if state.answered_at or state.failing_since]
        last = max((state.answered_at for state in asked if state.answered_at), default=None)
        down = [state.down_since for state in asked if state.down_since is not None]
        if not down or len(down) < len(asked):
            return cls(last)
        after = [at for at in down if last is None or at > last]
        return cls(last, min(after or down), asked[-1].error)


def by_program(states: Iterable[PollState]) -> dict[str, list[PollState]]:
    """Group the states of polls by program, in their order."""
    programs: dict[str, list[PollState]] = defaultdict(list)
    for state in states:
        programs[state.subject.program].append(state)
    return dict(programs)


# --- what may be claimed -------------------------------------------------------------------------


def all_here(numbers: Numbers, states: Sequence[PollState]) -> bool:
    """Return whether it may be said that all that is listed is here.

    Something must be listed, all of it here, and nothing never asked or failing: otherwise nobody
    knows what is listed.
    """
    return numbers.listed == numbers.here > 0 and is_listed(states)


@dataclass(frozen=True, slots=True)
class NightState:
    """How one night stands.

    Parameters
    ----------
    night
        Which.
    numbers
        What is listed of it.
    states
        How the polls of everything that is mirrored went, as seen from it.
    programs
        Those that list something of it.
    """

    night: Night
    numbers: Numbers
    states: Sequence[PollState]
    programs: frozenset[str] = frozenset()

    @property
    def is_all_here(self) -> bool:
        """Whether it may be said that all that is listed of it is here."""
        return all_here(self.numbers, self.states)

    @property
    def is_listed_since(self) -> bool:
        """Whether every program that lists something of it was listed since it ended.

        The others need not have been: one that ended long ago is listed once a day.
        """
        end = end_of(self.night)
        return all(
            state.night_answered_at is not None and state.night_answered_at >= end
            for state in self.states
            if state.subject.program in self.programs
        )

    @property
    def is_complete(self) -> bool:
        """Whether all of it is here, by listings made after it ended."""
        return self.is_all_here and self.is_listed_since
