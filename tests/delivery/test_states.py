"""What only happens in memory: recorded when a state changes, and not again after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.catalogs import query

from winter_sync.core import (
    Cause,
    Polled,
    PollFailed,
    ProgramRefused,
    ServerFailing,
    ServerRecovered,
    SpaceChecked,
)
from winter_sync.delivery.states import StateRecorder

if TYPE_CHECKING:
    from delivery.conftest import Place

    from winter_sync.core import Event

POLLED = Polled(query(), 0, new=0, changed=0, returned=0, withdrawn=0, seconds=0.1)


async def record(place: Place, *events: Event, free: int = 1) -> list[str]:
    """Let a process see events, with so much free on its disk; return the kinds recorded since."""
    async with place.opened() as catalog:
        before = await catalog(lambda whole: whole.outbox.newest())
        recorder = StateRecorder()
        # What is free on a real disk does not matter: every look at it is answered for here.
        async with recorder.recording(catalog, place.root / "gone", 0, recorder.handle):
            recorder.handle(SpaceChecked(free, 1))
            for event in events:
                recorder.handle(event)
                await recorder.flush(catalog)
        return [event.kind for event in await catalog(lambda whole: whole.outbox.since(before, 99))]


async def test_only_changes_are_recorded(place: Place) -> None:
    """However often the archive fails, answers, or refuses."""
    down, refused = ServerFailing("HTTP 500", 15.0), ProgramRefused("2024A000", "HTTP 401", 60.0)
    assert await record(place, ServerRecovered(1.0), POLLED) == []
    assert await record(place, down, down) == ["server_down"]
    assert await record(place, down) == []
    assert await record(place, ServerRecovered(20.0), POLLED, down) == ["server_up", "server_down"]
    assert await record(place, POLLED) == ["server_up"]
    assert await record(place, refused, PollFailed(query(), "HTTP 401", Cause.REFUSED)) == [
        "credentials_refused"
    ]
    assert await record(place, PollFailed(query(), "HTTP 500", Cause.TRANSIENT)) == []
    assert await record(place, POLLED, POLLED) == ["credentials_accepted"]


async def test_a_disk_that_is_about_full_does_not_come_and_go(place: Place) -> None:
    """It is well again when clearly more is free than must be."""
    async with place.opened() as catalog:
        recorder = StateRecorder()
        for free in (2000, 999, 1000, 999, 1049, 1050, 1049):
            recorder.handle(SpaceChecked(free, 1000))
            await recorder.flush(catalog)
        events = await catalog(lambda whole: whole.outbox.since(0, 99))
    assert [(event.kind, event.fields["free"]) for event in events] == [
        ("disk_low", 999),
        ("disk_ok", 1050),
    ]
