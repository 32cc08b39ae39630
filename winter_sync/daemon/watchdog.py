"""Whether work gets on, judged by its progress and not by a timer that runs anyway."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import (
    BatchEnded,
    BatchStarted,
    Event,
    EventTable,
    Polled,
    PollFailed,
    Received,
    Retrying,
    WindowHalved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_ATTEMPTS = 5
"""How many times `stall_after` may pass while requests are retried: more than the archive's client
makes attempts at one."""
_LATE = 0.1
"""A check that comes later than expected by this fraction of `stall_after` means that the process
was stopped meanwhile. Smaller delays are within the margin of `stall_after`."""


@dataclass(slots=True)
class _Activity:
    """When work last made progress, and when it last showed a sign of life, a retry for one."""

    progress: float
    sign: float


class Watchdog:
    """Watches what is under way, and whether polls begin when they should.

    Something is stuck when it has made no progress at all for too long: no byte, no answer, no
    commit. While the server is left alone nothing can arrive, and nothing is stuck. Nor can
    anything arrive while the process is stopped: by a signal, with its container or its machine.
    That is known afterwards, because the next check is late; all time limits start over then.

    Parameters
    ----------
    stall_after
        After how many seconds without progress something is stuck; longer than any wait that may
        be needed.
    monotonic
        Returns a time in seconds that never goes back.
    """

    def __init__(self, stall_after: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._handlers = self._handler_table()
        self.reset(stall_after)

    def reset(self, stall_after: float) -> None:
        """Forget all that was under way or expected; `stall_after` is as for the class."""
        self.held_until: Callable[[], float] = lambda: 0.0
        """Returns until when, by the monotonic clock, the server is left alone."""
        self._stall_after = stall_after
        self._under_way: dict[str, _Activity] = {}
        self._poll_expected: float | None = None
        self._check_expected: float | None = None
        self._awake_since = self._monotonic()

    def handle(self, event: Event) -> None:
        """Record the progress that an event reports."""
        self._handlers.of(event)

    def _handler_table(self) -> EventTable[None]:
        handlers = EventTable[None]()
        handlers.add(BatchStarted, self._batch_started)
        handlers.add(Received, self._received)
        handlers.add(BatchEnded, self._batch_ended)
        handlers.add(Polled, self._poll_progressed)
        handlers.add(PollFailed, self._poll_progressed)
        handlers.add(WindowHalved, self._poll_progressed)
        handlers.add(Retrying, self._retrying)
        return handlers

    def _batch_started(self, event: BatchStarted) -> None:
        self._begin(_download(event.batch.identifier))

    def _received(self, event: Received) -> None:
        self._record_progress(_download(event.batch.identifier))

    def _batch_ended(self, event: BatchEnded) -> None:
        self._under_way.pop(_download(event.batch.identifier), None)

    def _poll_progressed(self, event: Polled | PollFailed | WindowHalved) -> None:
        self.record_poll_progress(event.query.subject.program)

    def _retrying(self, event: Retrying) -> None:
        # It does not say of what: so it counts for all, and for none of them for long.
        del event
        for activity in self._under_way.values():
            activity.sign = self._monotonic()

    @contextmanager
    def polling(self, program: str) -> Iterator[None]:
        """Watch the polls of a program while they are under way."""
        name = _polls(program)
        self._begin(name)
        try:
            yield
        finally:
            self._under_way.pop(name, None)

    def record_poll_progress(self, program: str) -> None:
        """Record that the polls of a program made progress."""
        self._record_progress(_polls(program))

    def expect_poll(self, seconds: float | None) -> None:
        """Expect that a poll begins within the given number of seconds; None if none is due."""
        self._poll_expected = None if seconds is None else self._monotonic() + seconds

    def expect_check(self, seconds: float) -> float:
        """Expect to be called again within the given number of seconds.

        Returns
        -------
        float
            By how many seconds this call was late because the process was stopped; 0 if it was not.
        """
        now = self._monotonic()
        late = self._lateness(now)
        if late:
            self._awake_since = now
        self._check_expected = now + seconds
        return late

    def _lateness(self, now: float) -> float:
        """Return how late the next check is, in seconds, if the process must have been stopped."""
        late = 0.0 if self._check_expected is None else now - self._check_expected
        return late if late > _LATE * self._stall_after else 0.0

    def troubles(self) -> tuple[str, ...]:
        """Return what is stuck, a sentence each; nothing if all is well."""
        now = self._monotonic()
        if self._lateness(now):
            return ()
        free_since = max(self.held_until(), self._awake_since)
        return (*self._stuck_work(now, free_since), *self._overdue_poll(now, free_since))

    def _stuck_work(self, now: float, free_since: float) -> list[str]:
        return [
            f"nothing has come of {name} for {now - activity.progress:.0f} s"
            for name, activity in self._under_way.items()
            if now - max(activity.sign, free_since) > self._stall_after
            or now - max(activity.progress, free_since) > _ATTEMPTS * self._stall_after
        ]

    def _overdue_poll(self, now: float, free_since: float) -> list[str]:
        due = self._poll_expected
        is_polling = any(name.startswith(_polls("")) for name in self._under_way)
        if due is None or is_polling or now - max(due, free_since) <= self._stall_after:
            return []
        return [f"a poll was due {now - due:.0f} s ago and has not begun"]

    def _begin(self, name: str) -> None:
        now = self._monotonic()
        self._under_way[name] = _Activity(now, now)

    def _record_progress(self, name: str) -> None:
        if name in self._under_way:
            self._begin(name)


def _download(batch: str) -> str:
    return f"download {batch}"


def _polls(program: str) -> str:
    return f"the polls of {program}"
