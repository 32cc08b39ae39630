"""The polls in a status: when the archive last answered, what fails, what was never polled."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from winter_sync.cli.views.grouping import grouped
from winter_sync.cli.views.sentences import print_sentence
from winter_sync.core import show_duration
from winter_sync.monitoring import ArchiveState, by_program, failing, never_answered

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import Console

    from winter_sync.catalog import PollState
    from winter_sync.monitoring import Status

_MINUTE = timedelta(minutes=1)


def show_polls(console: Console, status: Status) -> None:
    """Print when the archive last answered, what fails, and what was never polled."""
    if not status.states:
        return
    reach = ArchiveState.of(status.states)
    now = status.now
    if reach.last_answer is None:
        print_sentence(console, "The archive has not answered yet: no listing was ever read.")
    else:
        print_sentence(
            console, f"The archive last answered {_full(reach.last_answer)}{_ago(reach, now)}."
        )
    if reach.failing_since is not None:
        since = _full(reach.failing_since)
        print_sentence(console, f"Every poll has failed since {since}: {reach.error}", "red")
    else:
        _show_failing(console, status.states)
    for program, states in by_program(never_answered(status.states)).items():
        print_sentence(console, f"Never polled yet: {program} {_kinds(states)}.", "red")
    if unusable := max((state.unusable for state in status.states), default=0):
        print_sentence(
            console, f"At least {unusable} rows of the last listings made no sense: see the log."
        )


def _full(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _ago(reach: ArchiveState, now: datetime) -> str:
    minutes = (now - reach.last_answer) // _MINUTE if reach.last_answer else 0
    if minutes < 1:
        return ""
    return f" ({show_duration(minutes * 60).removesuffix(' 0 s')} ago)"


def _show_failing(console: Console, states: Sequence[PollState]) -> None:
    """Print which polls fail, since when and why; those of a program that fail alike together."""
    for program, failed in by_program(failing(states)).items():
        for error, alike in grouped(failed, lambda state: state.error).items():
            since = min(state.failing_since for state in alike if state.failing_since is not None)
            what = f"Polls of {program} {_kinds(alike)} have failed since {_full(since)}"
            print_sentence(console, f"{what}: {error}", "red")


def _kinds(states: Sequence[PollState]) -> str:
    """Return the camera and type of the first poll, and the number of others."""
    kinds = list(
        dict.fromkeys((state.subject.instrument, state.subject.image_type) for state in states)
    )
    first = " ".join(kinds[0])
    return f"{first} and {len(kinds) - 1} more" if len(kinds) > 1 else first
