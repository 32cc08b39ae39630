"""What is wrong with a mirror, and what to do about each: decided from what was read. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from winter_sync.core import Damage, show_instant, show_size
from winter_sync.monitoring import ArchiveState, by_program, failing, never_answered, when
from winter_sync.pages.words import full_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import TypeVar

    from winter_sync.catalog import Damaged, PollState, Trouble
    from winter_sync.core import HeldWithdrawal
    from winter_sync.monitoring import SinkState

    T = TypeVar("T")
    K = TypeVar("K", bound=Hashable)

_NAMED = 3
_REASONS_SHOWN = 5
_NUMBERS = re.compile(r"\b[0-9a-f]*\d[0-9a-f]*\b")
MOST_READ = 200
"""Products that are read of each kind of problem; if there are more, "at least" so many are."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong.

    Parameters
    ----------
    said
        What it is.
    remedy
        What to do: commands stand in backticks.
    examples
        Paths of the first few products that it is about.
    mends_itself
        Whether nothing needs to be done about it.
    """

    said: str
    remedy: str
    examples: tuple[str, ...] = ()
    mends_itself: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """What may be wrong with a mirror, as it was read.

    Parameters
    ----------
    now
        When.
    daemon
        What is stuck in the daemon.
    states
        How the polls of all that is mirrored went.
    missing
        How many products of the last nights are listed and missing on the server.
    failed
        Products that failed to download, at most `MOST_READ`.
    damaged
        Products whose file is missing here or changed, as many at most.
    held
        What vanished from listings at once.
    sinks
        How the delivery to other programs stands.
    free, min_free
        Bytes free on the disk, and how many stay free; None where unknown.
    """

    now: datetime
    daemon: tuple[str, ...] = ()
    states: tuple[PollState, ...] = ()
    missing: int = 0
    failed: tuple[Trouble, ...] = ()
    damaged: tuple[Damaged, ...] = ()
    held: tuple[HeldWithdrawal, ...] = ()
    sinks: tuple[SinkState, ...] = field(default=())
    free: int | None = None
    min_free: int | None = None


def find_problems(condition: Condition) -> tuple[Problem, ...]:
    """Return what is wrong, the gravest first, and last what mends itself."""
    parts = (_daemon, _disk, _archive, _damaged, _held, _sinks, _failed, _missing)
    found = [problem for part in parts for problem in part(condition)]
    return tuple(sorted(found, key=lambda problem: problem.mends_itself))


def _daemon(condition: Condition) -> Iterator[Problem]:
    for trouble in condition.daemon:
        yield Problem(
            trouble, "The daemon exits and is started again if this goes on: see its log."
        )


def _disk(condition: Condition) -> Iterator[Problem]:
    free, least = condition.free, condition.min_free
    if free is not None and least is not None and free < least:
        yield Problem(
            f"{show_size(free)} free on the disk, less than min_free ({show_size(least)}): nothing "
            "is downloaded",
            "Free some space, or lower `min_free` under `[mirror]`.",
        )


def _archive(condition: Condition) -> Iterator[Problem]:
    reach = ArchiveState.of(condition.states)
    if reach.failing_since is not None:
        yield Problem(
            f"Every poll has failed since {full_instant(reach.failing_since)}: {reach.error}",
            "It is tried again by itself. `winter-sync check` shows whether the cause is here.",
        )
    else:
        yield from _failing_polls(condition.states)
    for program, states in by_program(never_answered(condition.states)).items():
        yield Problem(
            f"Never polled yet: {program} {_kinds(states)}",
            "A running daemon does it next; otherwise run `winter-sync sync`.",
            mends_itself=True,
        )


def _failing_polls(states: Sequence[PollState]) -> Iterator[Problem]:
    for program, failed in by_program(failing(states)).items():
        for error, alike in _grouped(failed, lambda state: state.error).items():
            since = min(state.failing_since for state in alike if state.failing_since is not None)
            yield Problem(
                f"Polls of {program} {_kinds(alike)} have failed since {full_instant(since)}: "
                f"{error}",
                "They are tried again by themselves; `winter-sync check` checks the credentials.",
            )


def _kinds(states: Sequence[PollState]) -> str:
    kinds = list(
        dict.fromkeys(f"{state.subject.instrument} {state.subject.image_type}" for state in states)
    )
    return f"{kinds[0]} and {len(kinds) - 1} more" if len(kinds) > 1 else kinds[0]


def _damaged(condition: Condition) -> Iterator[Problem]:
    for damage, what in ((Damage.MISSING, "deleted here"), (Damage.CHANGED, "changed here")):
        these = [file for file in condition.damaged if file.damage is damage]
        if these:
            yield Problem(
                f"{_count(these, condition.damaged, 'file')} {what} after the download",
                "Run `winter-sync verify --repair` to download again what the archive still has.",
                tuple(file.path for file in these[:_NAMED]),
            )


def _failed(condition: Condition) -> Iterator[Problem]:
    groups = _grouped(condition.failed, lambda trouble: _NUMBERS.sub("#", _reason(trouble)))
    commonest = sorted(groups.values(), key=len, reverse=True)
    for alike in commonest[:_REASONS_SHOWN]:
        soonest = when(min(trouble.not_before for trouble in alike), condition.now)
        several = ", and the like" if len(set(map(_reason, alike))) > 1 else ""
        yield Problem(
            f"{_count(alike, condition.failed, 'product')} could not be downloaded: "
            f"{_reason(alike[0])}{several}",
            f"To be retried, next {soonest}; nothing needs to be done.",
            tuple(trouble.product.filename for trouble in alike[:_NAMED]),
            mends_itself=True,
        )
    if rarer := [trouble for alike in commonest[_REASONS_SHOWN:] for trouble in alike]:
        yield Problem(
            f"{_count(rarer, condition.failed, 'product')} could not be downloaded for other "
            "reasons",
            "`winter-sync status` and the log name them.",
            mends_itself=True,
        )


def _reason(trouble: Trouble) -> str:
    """Return why a product could not be downloaded, without its name, which stands below."""
    return (trouble.last_error or "").removeprefix(f"{trouble.product.filename}: ")


def _missing(condition: Condition) -> Iterator[Problem]:
    if condition.missing:
        plural = "" if condition.missing == 1 else "s"
        yield Problem(
            f"{condition.missing} listed product{plural} of the nights below missing on the server",
            "They are requested periodically; nothing needs to be done.",
            mends_itself=True,
        )


def _held(condition: Condition) -> Iterator[Problem]:
    for held in condition.held:
        about = held.subject
        yield Problem(
            f"{held.products} products ({about.program}, {about.instrument} {about.image_type}) "
            f"vanished from the listing at once, at {show_instant(held.since, condition.now)}",
            "They count as withdrawn if the archive goes on to list none of them; "
            "`winter-sync sync --accept-withdrawals` believes it now.",
        )


def _sinks(condition: Condition) -> Iterator[Problem]:
    for sink in condition.sinks:
        if sink.failing_since is not None:
            since = show_instant(sink.failing_since, condition.now)
            yield Problem(
                f"Sink {sink.name} has failed since {since}: {sink.error} ({sink.waiting} events "
                "waiting)",
                "Delivery is tried again by itself; see docs/events.md.",
            )
        if sink.lost:
            yield Problem(
                f"Sink {sink.name}: {sink.lost} events were removed before it had them",
                "`winter-sync list --new-since` shows what arrived meanwhile.",
            )


def _count(things: Sequence[object], of: Sequence[object], word: str) -> str:
    at_least = "At least " if len(of) >= MOST_READ else ""
    return f"{at_least}{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _grouped(things: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: dict[K, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups
