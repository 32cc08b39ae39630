"""Events for other programs, recorded with what they tell."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.catalogs import DIFF, STACK, candidates, commit, poll, publish, query
from support.makers import evidence, path_of, product, row, sha256

from winter_sync.catalog.event_bound import MOST_SINGLE
from winter_sync.catalog.records import Poll
from winter_sync.core import EventFilter
from winter_sync.core.downloads import Missing, Published
from winter_sync.core.errors import StorageError
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


def test_a_flood_is_counted(catalog: Catalog) -> None:
    """Of what an answer changes of very many products, the rest is one event; also in each next."""
    many = [product(number) for number in range(MOST_SINGLE + 20)]
    poll(catalog, many)
    for target in ("M31", "M33"):
        listed = [(replace(row(each), target=target), path_of(each)) for each in many]
        before = catalog.outbox.newest()
        catalog.listings.record_poll(Poll(query(), sweep=False), listed=listed)
        events = catalog.outbox.since(before, 10_000)
        assert [event.kind for event in events] == ["corrected"] * MOST_SINGLE + ["many_changed"]
        rest = {name: value for name, value in events[-1].fields.items() if value is not None}
        assert rest == {
            "change": "corrected",
            "program": "2024A000",
            "instrument": "winter",
            "image_type": "stack",
            "products": 20,
            "nights": sorted({each.night.name for each in many[MOST_SINGLE:]}),
        }
        for wanted in (
            {"kinds": ("corrected",)},
            {"targets": ("M81",)},
            {"nights": rest["nights"]},
        ):
            assert EventFilter(**wanted).accepts(events[-1])
        for other in ({"kinds": ("returned",)}, {"image_types": ("raw",)}, {"nights": ("2020",)}):
            assert not EventFilter(**other).accepts(events[-1])


def test_what_came_is_never_only_counted(catalog: Catalog) -> None:
    """However much comes at once: a receiver acts on each."""
    many = [product(number) for number in range(MOST_SINGLE + 20)]
    poll(catalog, many)
    for each in candidates(catalog, limit=2000):
        commit(catalog, Published(each, evidence(each.product, each.path.encode())))
    assert [event.kind for event in catalog.outbox.since(0, 10_000)] == ["downloaded"] * len(many)


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


ODD_EVENTS = {
    "details that are no JSON": "details = 'x'",
    "details that are a list": "details = '[]'",
    "details that are not flat": """details = '{"a": {"b": 1}}'""",
    "details of bytes": "details = x'00ff'",
    "details that are deep": f"details = '{'[' * 100_000}'",
    "a time that is none": "at_ms = 'yesterday'",
    "a time without a zone": "at_ms = '2024-02-01T00:00:00'",
    "a kind of bytes": "kind = x'00ff'",
}


@pytest.mark.parametrize("change", ODD_EVENTS.values(), ids=ODD_EVENTS)
def test_an_event_that_no_version_writes_is_a_storage_error(catalog: Catalog, change: str) -> None:
    """Whoever reads or delivers events is told that the catalog is broken, and what to do."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"1")
    with closing(sqlite3.connect(catalog.path)) as db, db:
        db.execute(f"UPDATE events SET {change}")  # noqa: S608 - our own words
    with pytest.raises(StorageError, match="a row that winter-sync never writes") as broken:
        catalog.outbox.since(0, 10)
    assert broken.value.remedy


@pytest.mark.parametrize("at", ["yesterday", "2024-02-01T00:00:00", "0001-01-01T00:00:00+23:59"])
def test_instants_of_sinks_are_checked_as_all_are(catalog: Catalog, at: str) -> None:
    """Before anybody reckons with them: without a zone, or at an end of time, that would fail."""
    catalog.sinks.register(["chat"])
    with closing(sqlite3.connect(catalog.path)) as db, db:
        db.execute("UPDATE event_sinks SET failing_since = ?", [at])
    with pytest.raises(StorageError, match="failing_since"):
        catalog.sinks.progress("chat")


def test_counts_are_bounded_so_that_one_can_be_added(catalog: Catalog) -> None:
    """A number at the end of SQLite's is reported where it is read, and not added to."""
    catalog.sinks.register(["chat"])
    with closing(sqlite3.connect(catalog.path)) as db, db:
        db.execute("UPDATE event_sinks SET failures = 9223372036854775807")
    with pytest.raises(StorageError, match="failures"):
        catalog.sinks.progress("chat")


def test_what_no_catalog_holds_is_in_none(catalog: Catalog) -> None:
    """A number beyond those of SQLite comes after all of them, or before."""
    catalog.sinks.register(["chat"])
    poll(catalog, [STACK])
    publish(catalog, STACK, b"1")
    assert catalog.outbox.since(10**30, 10) == []
    assert len(catalog.outbox.since(-(10**30), 10)) == 1
    assert catalog.sinks.progress("\udcff") is None
