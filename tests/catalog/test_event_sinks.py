"""How far each sink has got, and which events are removed."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from support.clock import Clock

from winter_sync.catalog.catalog import Catalog
from winter_sync.core.event_filter import EventFilter
from winter_sync.core.outbox import EventKind

if TYPE_CHECKING:
    from pathlib import Path

MANY = 1_000_000
WEEK = timedelta(days=7)


def record(catalog: Catalog, count: int = 1, kind: EventKind = EventKind.MISSING) -> None:
    """Record events."""
    with catalog.connection.writing():
        for _ in range(count):
            catalog.outbox.append(kind)


def numbers(catalog: Catalog) -> list[int]:
    """Return the numbers of all events."""
    return [event.number for event in catalog.outbox.since(0, MANY)]


def cursor(catalog: Catalog, name: str) -> int:
    """Return up to which number a sink has all events."""
    progress = catalog.sinks.progress(name)
    assert progress is not None
    return progress.cursor


def prune(catalog: Catalog, keep: timedelta = WEEK, most: int = MANY) -> dict[str, int]:
    """Remove all that may go; return what was lost."""
    lost: dict[str, int] = {}
    again = True
    while again:
        again, found = catalog.sinks.prune(keep, most)
        lost = {name: lost.get(name, 0) + found.get(name, 0) for name in {*lost, *found}}
    return lost


def test_a_new_sink_begins_with_the_next_event(catalog: Catalog) -> None:
    """What happened before it was named is not delivered to it; entered again, it goes on."""
    record(catalog, 3)
    catalog.sinks.register(["reduce"])
    assert cursor(catalog, "reduce") == 3
    record(catalog, 2)
    catalog.sinks.register(["reduce", "chat"])
    assert (cursor(catalog, "reduce"), cursor(catalog, "chat")) == (3, 5)


def test_a_cursor_never_goes_back(catalog: Catalog) -> None:
    """Whatever a slow process still records."""
    catalog.sinks.register(["reduce"])
    record(catalog, 5)
    catalog.sinks.advance("reduce", 4, [], delivered=True)
    catalog.sinks.advance("reduce", 2, [3], delivered=True)
    assert catalog.sinks.progress("reduce") is not None
    assert cursor(catalog, "reduce") == 4


def test_failures_are_counted_until_a_success(catalog: Catalog, clock: Clock) -> None:
    """The time is that of the first failure, the reason that of the last."""
    catalog.sinks.register(["reduce"])
    record(catalog)
    began = clock()
    for reason in ("slow", "broken"):
        catalog.sinks.record_failure("reduce", reason)
        clock.advance(hours=1)
    failing = catalog.sinks.progress("reduce")
    assert failing is not None
    assert (failing.failures, failing.failing_since, failing.error) == (2, began, "broken")
    catalog.sinks.advance("reduce", 1, [], delivered=True)
    well = catalog.sinks.progress("reduce")
    assert well is not None
    assert (well.failures, well.failing_since, well.error) == (0, None, None)
    assert well.last_success == clock()


def test_what_waits_is_counted_by_what_a_sink_wants(catalog: Catalog) -> None:
    """Events of other kinds, and those it has already, do not count."""
    catalog.sinks.register(["reduce"])
    record(catalog, 3)
    record(catalog, 2, EventKind.SERVER_DOWN)
    catalog.sinks.advance("reduce", 1, [3], delivered=True)
    progress = catalog.sinks.progress("reduce")
    assert progress is not None
    assert catalog.sinks.count_waiting(progress, EventFilter()) == 3
    assert catalog.sinks.count_waiting(progress, EventFilter(kinds=("missing",))) == 1


def test_events_that_every_sink_has_are_removed_when_they_are_old(
    catalog: Catalog, clock: Clock
) -> None:
    """No number is used again, also when all events are gone."""
    catalog.sinks.register(["reduce", "chat"])
    record(catalog, 3)
    clock.advance(days=8)
    record(catalog, 2)
    catalog.sinks.register(["reduce", "chat"])
    catalog.sinks.advance("reduce", 5, [], delivered=True)
    catalog.sinks.advance("chat", 2, [], delivered=True)
    assert prune(catalog) == {}
    assert numbers(catalog) == [3, 4, 5]
    catalog.sinks.advance("chat", 5, [], delivered=True)
    clock.advance(days=6)
    assert prune(catalog) == {}
    assert numbers(catalog) == [4, 5]
    clock.advance(days=8)
    prune(catalog)
    assert numbers(catalog) == []
    record(catalog)
    assert numbers(catalog) == [6]


def test_a_sink_that_takes_nothing_does_not_fill_the_disk(catalog: Catalog) -> None:
    """At most so many events are kept; what it lost is counted, and it goes on with the rest."""
    catalog.sinks.register(["dead"])
    record(catalog, 2500)
    catalog.sinks.advance("dead", 1, [3], delivered=True)
    assert prune(catalog, most=1000) == {"dead": 1498}
    assert numbers(catalog) == list(range(1501, 2501))
    progress = catalog.sinks.progress("dead")
    assert progress is not None
    assert (progress.cursor, progress.lost) == (1500, 1498)


def test_a_sink_of_no_settings_is_forgotten(catalog: Catalog, clock: Clock) -> None:
    """It keeps no event for ever: after the time for which events are kept it counts no more."""
    catalog.sinks.register(["old"])
    record(catalog, 3)
    clock.advance(days=6)
    prune(catalog)
    assert catalog.sinks.progress("old") is not None
    clock.advance(days=2)
    prune(catalog)
    assert catalog.sinks.progress("old") is None
    assert numbers(catalog) == []


def test_only_a_change_of_a_state_is_an_event(path: Path, clock: Clock) -> None:
    """Also over restarts: what is as it was before, or as it is usually, is told to nobody."""
    for state, is_change in [("up", False), ("down", True), ("down", False), ("up", True)]:
        with closing(Catalog(path, clock)) as catalog:
            kind = EventKind.SERVER_DOWN if state == "down" else EventKind.SERVER_UP
            assert catalog.outbox.append_change("server", state, "up", kind) is is_change
    with closing(Catalog(path, clock)) as catalog:
        assert [event.kind for event in catalog.outbox.since(0, 9)] == ["server_down", "server_up"]


@examples(max_examples=20)
@given(st.lists(st.sampled_from(["record", "advance", "prune", "later"]), max_size=25))
def test_no_event_is_removed_that_a_sink_lacks(tmp_path_factory: object, steps: list[str]) -> None:
    """In any order of recording, delivering and removing, within the bound on their number."""
    clock = Clock()
    path = tmp_path_factory.mktemp("any") / "catalog.sqlite3"  # type: ignore[attr-defined] # pytest's
    with closing(Catalog(path, clock)) as catalog:
        catalog.sinks.register(["reduce"])
        recorded = 0
        for step in steps:
            catalog.sinks.register(["reduce"])
            if step == "record":
                record(catalog, 3)
                recorded += 3
            elif step == "advance":
                at = min(cursor(catalog, "reduce") + 2, recorded)
                catalog.sinks.advance("reduce", at, [], delivered=True)
            elif step == "prune":
                assert prune(catalog) == {}
            else:
                clock.advance(days=4)
            lacking = list(range(cursor(catalog, "reduce") + 1, recorded + 1))
            assert [n for n in numbers(catalog) if n > cursor(catalog, "reduce")] == lacking
            assert catalog.outbox.newest() == recorded
