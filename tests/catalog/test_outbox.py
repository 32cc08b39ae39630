"""Events for other programs, recorded with what they tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.catalogs import DIFF, STACK, candidates, commit, poll, publish
from support.makers import row, sha256

from winter_sync.core.downloads import Missing
from winter_sync.core.outbox import EVENT_VERSION, EventKind

if TYPE_CHECKING:
    from winter_sync.catalog.catalog import Catalog


def told(catalog: Catalog) -> list[str]:
    """Return the kinds of all events."""
    return [event.kind for event in catalog.outbox.since(0, 100)]


def test_content_is_told_once(catalog: Catalog) -> None:
    """A first content is an event, another one a different event, the same one none."""
    poll(catalog, [STACK, DIFF])
    publish(catalog, STACK, b"one")
    assert told(catalog) == ["downloaded"]
    poll(catalog, [STACK, DIFF], wanted=[row(STACK)])
    publish(catalog, STACK, b"two", kept="aside")
    assert told(catalog) == ["downloaded", "replaced"]
    event = catalog.outbox.since(1, 100)[0]
    assert event.number == catalog.outbox.newest() == 2
    said = json.loads(event.json)
    assert (said["version"], said["event"], said["number"]) == (EVENT_VERSION, "replaced", 2)
    assert (said["night"], said["programs"], said["revision"]) == (
        STACK.night.name,
        ["2024A000"],
        2,
    )
    assert (said["sha256"], said["kept"]) == (sha256(b"two"), "aside")
    assert not any(isinstance(value, dict) for value in said.values())


def test_what_is_missing_is_told_when_it_begins(catalog: Catalog) -> None:
    """Not each time it is asked for in vain."""
    poll(catalog, [STACK])
    for _ in range(3):
        commit(catalog, *(Missing(each) for each in candidates(catalog)))
    assert told(catalog) == ["missing"]


def test_withdrawals_and_returns_are_told_once(catalog: Catalog) -> None:
    """However often a product is found to be withdrawn, or listed."""
    poll(catalog, [STACK, DIFF])
    poll(catalog, [DIFF], withdrawn=[STACK])
    poll(catalog, [DIFF], withdrawn=[STACK])
    assert told(catalog) == ["withdrawn"]
    poll(catalog, [STACK, DIFF])
    poll(catalog, [STACK, DIFF])
    assert told(catalog) == ["withdrawn", "returned"]


def test_what_is_rolled_back_is_not_told(catalog: Catalog) -> None:
    """An event and what it tells are durable together, or neither is."""
    poll(catalog, [STACK])

    def fail() -> None:
        with catalog.connection.writing():
            catalog.outbox.append_product(EventKind.DOWNLOADED, STACK)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert told(catalog) == []
