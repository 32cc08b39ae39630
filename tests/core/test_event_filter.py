"""Which events a filter lets through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from winter_sync.core.event_filter import EventFilter
from winter_sync.core.outbox import EventKind, OutboxEvent

if TYPE_CHECKING:
    from winter_sync.core.outbox import EventValue

STACK: dict[str, EventValue] = {
    "programs": ["2024A000", "2024B000"],
    "target": "SN2024wex",
    "image_type": "stack",
    "night": "20240130",
}
SETTLED: dict[str, EventValue] = {"program": "2024A000", "night": "20240130"}


def event(kind: EventKind, fields: dict[str, EventValue] | None = None) -> OutboxEvent:
    """Return an event."""
    return OutboxEvent(1, "2024-02-01T12:00:00.000+00:00", kind, fields or {})


DOWNLOADED = event(EventKind.DOWNLOADED, STACK)
NIGHT = event(EventKind.WITHDRAWN, SETTLED)
DOWN = event(EventKind.SERVER_DOWN)


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        (EventFilter(), [DOWNLOADED, NIGHT, DOWN]),
        (EventFilter(kinds=("server_down", "server_up")), [DOWN]),
        (EventFilter(programs=("2024A000",)), [DOWNLOADED, NIGHT]),
        (EventFilter(programs=("2024B000",)), [DOWNLOADED]),
        (EventFilter(targets=("sn2024WEX",)), [DOWNLOADED]),
        (EventFilter(targets=("SN2024*", "M31")), [DOWNLOADED]),
        (EventFilter(targets=("SN2024",)), []),
        (EventFilter(image_types=("stack",)), [DOWNLOADED]),
        (EventFilter(image_types=("raw",)), []),
        (EventFilter(nights=("20240130",)), [DOWNLOADED, NIGHT]),
        (EventFilter(kinds=("withdrawn",), image_types=("stack",)), []),
    ],
)
def test_all_conditions_must_hold(wanted: EventFilter, accepted: list[OutboxEvent]) -> None:
    """An event passes if it has what each condition asks for; one that lacks it does not."""
    assert [each for each in (DOWNLOADED, NIGHT, DOWN) if wanted.accepts(each)] == accepted
