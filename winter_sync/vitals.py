"""Whether the daemon gets on, told by what comes of its work and by no timer that lives anyway."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from winter_sync.events import (
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


class Vitals:
    """Watches what is under way, and whether polls come when they should.

    Something is stuck when nothing at all has come of it for too long: no byte, no answer, no
    commit. While the server is being left alone nothing can come, and nothing is stuck.

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
        self._under_way: dict[str, float] = {}
        self._poll_expected: float | None = None

    def tell(self, event: Event) -> None:
        """Note what an event says of progress."""
        match event:
            case BatchBegun(batch) | Received(batch):
                self._under_way[_name(batch.identifier)] = self._monotonic()
            case BatchEnded(batch):
                self._under_way.pop(_name(batch.identifier), None)
            case Polled(query) | PollFailed(query) | WindowHalved(query):
                self._mark(_polls(query.subject.program))
            case Retrying():
                # It does not say of what. The number of tries is bounded, so this ends.
                for name in self._under_way:
                    self._mark(name)
            case _:
                pass

    @contextmanager
    def polling(self, program: str) -> Iterator[None]:
        """Watch the polls of a program while they are under way."""
        name = _polls(program)
        self._under_way[name] = self._monotonic()
        try:
            yield
        finally:
            self._under_way.pop(name, None)

    def expect_poll(self, seconds: float | None) -> None:
        """Expect that a poll begins within so many seconds; None if none is to come."""
        self._poll_expected = None if seconds is None else self._monotonic() + seconds

    def forget(self) -> None:
        """Expect nothing: all work was ended on purpose."""
        self._under_way.clear()
        self._poll_expected = None

    def troubles(self) -> tuple[str, ...]:
        """Say what is stuck; nothing if all is well."""
        now = self._monotonic()
        free_since = self.held_until()
        found = [
            f"nothing has come of {name} for {now - last:.0f} s"
            for name, last in self._under_way.items()
            if now - max(last, free_since) > self._stall_after
        ]
        polling = any(name.startswith(_polls("")) for name in self._under_way)
        due = self._poll_expected
        if due is not None and not polling and now - max(due, free_since) > self._stall_after:
            found.append(f"a poll was due {now - due:.0f} s ago and has not begun")
        return tuple(found)

    def _mark(self, name: str) -> None:
        if name in self._under_way:
            self._under_way[name] = self._monotonic()


def _name(batch: str) -> str:
    return f"download {batch}"


def _polls(program: str) -> str:
    return f"the polls of {program}"
