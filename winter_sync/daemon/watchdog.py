"""Whether the daemon gets on, told by what comes of its work and by no timer that lives anyway."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import (
    BatchBegun,
    BatchEnded,
    Event,
    Polled,
    PollFailed,
    Received,
    Retrying,
    WindowHalved,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_ATTEMPTS = 5
"""So many times as long may pass while requests are tried again: more than the archive's client
makes of one."""
_LATE = 0.1
"""A look that comes later than it should by this fraction of the patience means that the process
was stopped meanwhile. What is less is within the margin of the patience."""


@dataclass(slots=True)
class _Life:
    """When something came of a work, and when that or another try of something."""

    progress: float
    sign: float


class Watchdog:
    """Watches what is under way, and whether polls come when they should.

    Something is stuck when nothing at all has come of it for too long: no byte, no answer, no
    commit. While the server is being left alone nothing can come, and nothing is stuck. Nor can
    anything come while the process is stopped: by a signal, with its container or its machine. It
    is known afterwards, because the next look comes late; all patience begins anew then.

    Parameters
    ----------
    stall_after
        After how many seconds without progress something is stuck; longer than any wait that may
        be needed.
    monotonic
        Gives a time in seconds that never goes back.
    """

    def __init__(self, stall_after: float, monotonic: Callable[[], float]) -> None:
        self.held_until: Callable[[], float] = lambda: 0.0
        """Gives until when, by the monotonic clock, the server is left alone."""
        self._stall_after = stall_after
        self._monotonic = monotonic
        self._under_way: dict[str, _Life] = {}
        self._poll_expected: float | None = None
        self._look_expected: float | None = None
        self._awake_since = monotonic()

    def tell(self, event: Event) -> None:
        """Note what an event says of progress."""
        match event:
            case BatchBegun(batch):
                self._begin(_name(batch.identifier))
            case Received(batch):
                self._mark(_name(batch.identifier))
            case BatchEnded(batch):
                self._under_way.pop(_name(batch.identifier), None)
            case Polled(query) | PollFailed(query) | WindowHalved(query):
                self._mark(_polls(query.subject.program))
            case Retrying():
                # It does not say of what: so it counts for all, and for none of them for long.
                for life in self._under_way.values():
                    life.sign = self._monotonic()
            case _:
                pass

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
        """Note that something came of the polls of a program."""
        self._mark(_polls(program))

    def expect_poll(self, seconds: float | None) -> None:
        """Expect that a poll begins within so many seconds; None if none is to come."""
        self._poll_expected = None if seconds is None else self._monotonic() + seconds

    def expect_check(self, seconds: float) -> float:
        """Expect to be called again within so many seconds.

        Returns
        -------
        float
            By how many seconds this call came too late because the process was stopped; 0 if it
            was not.
        """
        now = self._monotonic()
        late = self._lateness(now)
        if late:
            self._awake_since = now
        self._look_expected = now + seconds
        return late

    def _lateness(self, now: float) -> float:
        """Return how late the next look is, in seconds, if the process must have been stopped."""
        late = 0.0 if self._look_expected is None else now - self._look_expected
        return late if late > _LATE * self._stall_after else 0.0

    def troubles(self) -> tuple[str, ...]:
        """Return what is stuck, a sentence each; nothing if all is well."""
        now = self._monotonic()
        if self._lateness(now):
            return ()
        free_since = max(self.held_until(), self._awake_since)
        found = [
            f"nothing has come of {name} for {now - life.progress:.0f} s"
            for name, life in self._under_way.items()
            if now - max(life.sign, free_since) > self._stall_after
            or now - max(life.progress, free_since) > _ATTEMPTS * self._stall_after
        ]
        polling = any(name.startswith(_polls("")) for name in self._under_way)
        due = self._poll_expected
        if due is not None and not polling and now - max(due, free_since) > self._stall_after:
            found.append(f"a poll was due {now - due:.0f} s ago and has not begun")
        return tuple(found)

    def _begin(self, name: str) -> None:
        now = self._monotonic()
        self._under_way[name] = _Life(now, now)

    def _mark(self, name: str) -> None:
        if name in self._under_way:
            self._begin(name)


def _name(batch: str) -> str:
    return f"download {batch}"


def _polls(program: str) -> str:
    return f"the polls of {program}"
