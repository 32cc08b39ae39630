"""What only happens in memory, recorded as events: each only when a state changes."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from winter_sync.core import (
    Cause,
    EventKind,
    EventTable,
    Polled,
    PollFailed,
    ProgramRefused,
    ServerFailing,
    ServerRecovered,
    SpaceChecked,
    StorageError,
    free_space,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from winter_sync.catalog import CatalogThread, Outbox
    from winter_sync.core import Event, EventValue, Sink

_KEPT = 1000
"""Changes that wait while the catalog fails; of more, the oldest are forgotten."""
_CHECK_SPACE_EVERY = timedelta(minutes=5)
_AMPLE = 1.05
"""So many times what must stay free is enough again, so that a state does not come and go."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A state of something, and the event to record if that is a change."""

    subject: str
    state: str
    usual: str
    kind: EventKind
    fields: Mapping[str, EventValue] = field(default_factory=dict)


def _server_down(reason: str) -> StateChange:
    return StateChange("server", "down", "up", EventKind.SERVER_DOWN, {"reason": reason})


_SERVER_UP = StateChange("server", "up", "up", EventKind.SERVER_UP)


def _refused(program: str, reason: str) -> StateChange:
    fields = {"program": program, "reason": reason}
    kind = EventKind.CREDENTIALS_REFUSED
    return StateChange(f"credentials of {program}", "refused", "accepted", kind, fields)


def _accepted(program: str) -> StateChange:
    kind, fields = EventKind.CREDENTIALS_ACCEPTED, {"program": program}
    return StateChange(f"credentials of {program}", "accepted", "accepted", kind, fields)


def _poll_failed(event: PollFailed) -> tuple[StateChange, ...]:
    if event.cause != Cause.REFUSED:
        return ()
    return (_refused(event.query.subject.program, event.reason),)


def _space(event: SpaceChecked) -> tuple[StateChange, ...]:
    fields = {"free": event.free, "min_free": event.min_free}
    if event.free < event.min_free:
        return (StateChange("disk", "low", "ok", EventKind.DISK_LOW, fields),)
    if event.free >= _AMPLE * event.min_free:
        return (StateChange("disk", "ok", "ok", EventKind.DISK_OK, fields),)
    return ()


CHANGES = EventTable[tuple[StateChange, ...]]()
"""The states that each event of the process says something about."""
CHANGES.add(ServerFailing, lambda event: (_server_down(event.reason),))
CHANGES.add(ServerRecovered, lambda _: (_SERVER_UP,))
CHANGES.add(Polled, lambda event: (_SERVER_UP, _accepted(event.query.subject.program)))
CHANGES.add(PollFailed, _poll_failed)
CHANGES.add(ProgramRefused, lambda event: (_refused(event.program, event.reason),))
CHANGES.add(SpaceChecked, _space)


class StateRecorder:
    """Records in the outbox what happens to the server, the credentials and the disk.

    `handle` is a sink of the events of the process. It only remembers; a task writes.
    """

    def __init__(self) -> None:
        self._changes: deque[StateChange] = deque(maxlen=_KEPT)
        self._arrived = asyncio.Event()

    def handle(self, event: Event) -> None:
        """Remember what an event says about a state."""
        for change in CHANGES.of(event) or ():
            if not self._changes or self._changes[-1] != change:
                self._changes.append(change)
            self._arrived.set()

    @asynccontextmanager
    async def recording(
        self, catalog: CatalogThread, root: Path, min_free: int, emit: Sink
    ) -> AsyncIterator[None]:
        """Record in a catalog, and check the space of a root: at once, at times, and at the end."""
        tasks = [
            asyncio.create_task(self._record_repeatedly(catalog)),
            asyncio.create_task(_check_space_repeatedly(root, min_free, emit)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await _check_space(root, min_free, emit)
            with suppress(StorageError):
                await self.flush(catalog)

    async def flush(self, catalog: CatalogThread) -> None:
        """Record what is remembered.

        Raises
        ------
        StorageError
            If the catalog cannot be written; nothing is forgotten then.
        """
        while self._changes:
            change = self._changes[0]
            await catalog.outbox(partial(_record, change=change))
            with suppress(ValueError):
                self._changes.remove(change)

    async def _record_repeatedly(self, catalog: CatalogThread) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            with suppress(StorageError):
                await self.flush(catalog)


def _record(outbox: Outbox, change: StateChange) -> None:
    outbox.append_change(change.subject, change.state, change.usual, change.kind, **change.fields)


async def _check_space_repeatedly(root: Path, min_free: int, emit: Sink) -> None:
    while True:
        await _check_space(root, min_free, emit)
        await asyncio.sleep(_CHECK_SPACE_EVERY.total_seconds())


async def _check_space(root: Path, min_free: int, emit: Sink) -> None:
    """Look at the space in a thread: a remote file system may never answer."""
    with suppress(OSError):
        emit(SpaceChecked(await asyncio.to_thread(free_space, root), min_free))
