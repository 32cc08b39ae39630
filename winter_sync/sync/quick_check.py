"""Quick check of the files of the nights that are polled: deleted ones are downloaded again.

It costs one `lstat` a product, in a thread. Files that were changed are reported and left as they
are: `winter-sync verify --repair` keeps them aside and downloads the product again.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog import Checks, Files, Polls, Scope, Views
from winter_sync.core import Damage, FilesChanged, FilesLost, FilesUnreadable, Night, run_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor

    from winter_sync.catalog import Check, Held
    from winter_sync.core import PollSchedule, Selection, Sink, Subject
    from winter_sync.sync.checked_mirror import CheckedMirror
    from winter_sync.sync.file_check import FileFinding

_NAMED = 5
"""How many files an event about many names."""


@dataclass(frozen=True, slots=True)
class CheckedFiles:
    """What a check of files found.

    `lost` are files that were deleted and are wanted again; `unlisted` are deleted ones that the
    archive no longer lists, which nobody can download; `changed` are not as they were downloaded.
    """

    lost: int = 0
    unlisted: int = 0
    changed: int = 0

    def __add__(self, other: CheckedFiles) -> CheckedFiles:
        """Return both together."""
        return CheckedFiles(
            self.lost + other.lost,
            self.unlisted + other.unlisted,
            self.changed + other.changed,
        )


class QuickCheck:
    """Checks files before their nights are polled, and records what is wrong with them.

    Parameters
    ----------
    mirror
        The mirror whose files are checked.
    threads
        Where files are checked.
    poll_schedule
        How far back polls of a subject look.
    emit
        Receives events.
    """

    def __init__(
        self,
        mirror: CheckedMirror,
        *,
        threads: Executor,
        poll_schedule: Callable[[Subject], PollSchedule],
        emit: Sink,
    ) -> None:
        self.mirror = mirror
        self._catalog = mirror.catalog
        self._threads = threads
        self._poll_schedule = poll_schedule
        self._emit = emit
        self._last_unreadable: tuple[str, ...] = ()

    async def check_before_polls(self, selections: Sequence[Selection]) -> CheckedFiles:
        """Check the nights that polls of these selections cover now."""
        scopes: dict[Night | None, list[Subject]] = defaultdict(list)
        for selection in selections:
            for subject in selection.subjects:
                scopes[await self._first_night(selection, subject)].append(subject)
        checked = CheckedFiles()
        for first, subjects in scopes.items():
            checked += await self.check(_scope(subjects, first))
        return checked

    async def check_before_poll(
        self, selection: Selection, subject: Subject, on_progress: Callable[[], None]
    ) -> CheckedFiles:
        """Check the nights that a poll of one subject covers now.

        `on_progress` is called after each night: a sweep of years on a slow disk takes its time.
        """
        scope = _scope([subject], await self._first_night(selection, subject))
        return await self.check(scope, on_progress)

    async def _first_night(self, selection: Selection, subject: Subject) -> Night | None:
        """Return the first night that a poll covers; None if it is a sweep of all nights.

        Where nothing was observed for a while, or clocks differ, the nights before the newest
        count: that is the night of which `status` speaks.
        """
        schedule = self._poll_schedule(subject)
        last = await self._catalog.polls(Polls.last_sweep, subject)
        now = self.mirror.time.clock()
        if last is None or now - last >= schedule.sweep_every:
            return selection.since
        newest = await self._catalog.views(Views.newest_night)
        last_night = min(Night.at(now), newest) if newest else Night.at(now)
        first = last_night.plus(-schedule.lookback_nights)
        return max(first, selection.since) if selection.since else first

    async def check(
        self, scope: Scope, on_progress: Callable[[], None] = lambda: None
    ) -> CheckedFiles:
        """Check all files of a scope, night by night; `on_progress` is called after each."""
        checked = CheckedFiles()
        for night in await self._catalog.files(Files.held_nights, scope):
            await self._check_earlier(scope, night)
            held = await self._catalog.files(Files.held, scope, night)
            seen = await run_in_thread(self._threads, self.mirror.find_changed, held)
            known = sum(1 for _ in _changed_before(held, seen))
            checked += await self.record(seen) + CheckedFiles(changed=known)
            on_progress()
        return checked

    async def _check_earlier(self, scope: Scope, night: Night) -> None:
        """Check the earlier contents of products that are fetched again, or missing now.

        What happened to them changes nothing about what is downloaded.
        """
        earlier = await self._catalog.files(Files.earlier, scope, night)
        if not earlier:
            return
        seen = await run_in_thread(self._threads, self.mirror.find_changed, earlier)
        found = [file.check for file in seen if file.unreadable is None]
        if any(check.damage is Damage.MISSING for check in found):
            await run_in_thread(self._threads, self.mirror.check_root)
        await self._catalog.checks(Checks.record_earlier, found)

    async def record(self, seen: Sequence[FileFinding], *, in_full: bool = False) -> CheckedFiles:
        """Record what was seen of files, and report what is new.

        Parameters
        ----------
        seen
            What was seen.
        in_full
            Whether the files were read, and not only their `lstat`.
        """
        lost = [file.check for file in seen if file.check.damage is Damage.MISSING]
        if lost:
            await run_in_thread(self._threads, self.mirror.check_root)
            lost = await self._catalog.checks(Checks.want_lost, lost)
        record = Checks.record if in_full else Checks.record_quick
        others = [file.check for file in seen if _needs_record(file, in_full=in_full)]
        recorded = await self._catalog.checks(record, others) if others else []
        changed = [check for check in recorded if check.damage is Damage.CHANGED]
        unlisted = [check for check in lost if check.held.withdrawn]
        self._report(lost, unlisted, [check for check in changed if _is_first(check)])
        self._report_unreadable(seen)
        total = sum(file.check.damage is Damage.CHANGED for file in seen)
        return CheckedFiles(len(lost) - len(unlisted), len(unlisted), total)

    def _report(
        self, lost: Sequence[Check], unlisted: Sequence[Check], changed: Sequence[Check]
    ) -> None:
        if lost:
            self._emit(FilesLost(len(lost), len(unlisted), _paths(lost)))
        if changed:
            self._emit(FilesChanged(len(changed), _paths(changed), changed[0].reason or ""))

    def _report_unreadable(self, seen: Sequence[FileFinding]) -> None:
        unreadable = [file for file in seen if file.unreadable is not None]
        if unreadable:
            paths = _paths([file.check for file in unreadable])
            if paths != self._last_unreadable:
                self._emit(FilesUnreadable(len(unreadable), paths, unreadable[0].unreadable or ""))
            self._last_unreadable = paths


def _scope(subjects: Sequence[Subject], first: Night | None) -> Scope:
    programs = tuple(dict.fromkeys(subject.program for subject in subjects))
    return Scope(programs=programs, subjects=tuple(subjects), first_night=first)


def _changed_before(held: Iterable[Held], seen: Iterable[FileFinding]) -> Iterator[Held]:
    """Return what was found changed before and of which nothing else was seen now."""
    reported = {file.check.held.path for file in seen}
    return (file for file in held if file.damage is Damage.CHANGED and file.path not in reported)


def _needs_record(seen: FileFinding, *, in_full: bool) -> bool:
    """Return whether to record what was found of a file; a quick check repeats nothing."""
    if seen.unreadable is not None or seen.check.damage is Damage.MISSING:
        return False
    return in_full or _is_first(seen.check)


def _is_first(check: Check) -> bool:
    return check.held.damage is not check.damage


def _paths(checks: Sequence[Check]) -> tuple[str, ...]:
    return tuple(check.held.path for check in checks[:_NAMED])
