"""Sentences of the pages, in the words of `winter-sync status`. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from winter_sync.core import show_duration
from winter_sync.monitoring import ArchiveState, headline, remainder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from winter_sync.catalog import LastPoll, PollState, QueueCount
    from winter_sync.core import Numbers, Position

_MINUTE = timedelta(minutes=1)


def full_instant(at: datetime) -> str:
    """Write an instant with its date, to the minute, UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def sexagesimal(position: Position) -> tuple[str, str]:
    """Write a position in degrees as hours and degrees, to 0.01 s and 0.1 arcsec."""
    hundredths = round(position[0] % 360 / 15 * 360_000) % (24 * 360_000)
    tenths = round(abs(position[1]) * 36_000)
    sign = "-" if position[1] < 0 else "+"
    return _sixtieths(hundredths, 100, 5), sign + _sixtieths(tenths, 10, 4)


def _sixtieths(parts: int, parts_a_second: int, width: int) -> str:
    minutes, rest = divmod(parts, 60 * parts_a_second)
    seconds = f"{rest / parts_a_second:0{width}.{width - 3}f}"
    return f"{minutes // 60:02} {minutes % 60:02} {seconds}"


def said_of_numbers(
    numbers: Numbers, queue: QueueCount | None, now: datetime, *, may_say_all: bool
) -> str:
    """Say how much of what is listed is here, and what is not."""
    return ", ".join([headline(numbers, may_say_all=may_say_all), *remainder(numbers, queue, now)])


def said_of_archive(states: Sequence[PollState], now: datetime) -> str:
    """Say whether the archive answers, by the polls of all that is mirrored."""
    reach = ArchiveState.of(states)
    if reach.failing_since is not None:
        last = f"; it last answered {full_instant(reach.last_answer)}" if reach.last_answer else ""
        return (
            f"not answering: every poll has failed since {full_instant(reach.failing_since)}{last}"
        )
    if reach.last_answer is None:
        return "has not answered yet: no listing was ever read"
    return f"last answered {full_instant(reach.last_answer)}{_ago(reach.last_answer, now)}"


def said_of_last_polls(polls: Sequence[LastPoll], last_answer: datetime | None) -> str:
    """Say the same where no settings say what is mirrored: only what was recorded."""
    if not polls:
        return "was never asked, as far as the catalog knows"
    failed = sum(poll.error is not None for poll in polls)
    said = f"last answered {full_instant(last_answer)}" if last_answer else "has not answered"
    return f"{said}; {failed} of the {len(polls)} latest polls failed" if failed else said


def _ago(at: datetime, now: datetime) -> str:
    minutes = (now - at) // _MINUTE
    return f" ({show_duration(minutes * 60).removesuffix(' 0 s')} ago)" if minutes >= 1 else ""
