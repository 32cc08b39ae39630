"""Rows known by their fingerprints: a mirror that knows rows again is one that reads them all."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.catalogs import OTHER, candidates, commit, rows
from support.clock import NOON
from support.lister import STACKS, Asked, PollRig, listing_of, poll_rig
from support.makers import NIGHT, PROGRAM, evidence, product
from support.tables import totals

from winter_sync.core.downloads import Failed, Missing, Published
from winter_sync.core.poll_events import Polled
from winter_sync.core.products import Product
from winter_sync.core.queries import Query, Subject, Target
from winter_sync.core.traits import ImageType
from winter_sync.core.withdrawals import WithdrawalRule
from winter_sync.sync.failed_windows import FailedWindows
from winter_sync.sync.window_poll import WindowPoll

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from winter_sync.catalog.catalog import Catalog
    from winter_sync.core.downloads import Candidate, Outcome

    Rows = list[dict[str, Any]]
    Answer = Callable[[Rows], object]
    Step = Callable[["Mirror"], Awaitable[None]]

ODD = Product(STACKS.instrument, "/odd/X_stack.fits", ImageType.STACK, NIGHT)
"""Without its date nothing shows its night: then its row is malformed, and names it."""
PRODUCTS = (product(0), product(400), product(2, night=NIGHT.plus(1)), product(401), ODD)
"""The second and the fourth could be one after another's new name."""
TABLES = (
    *("products", "listings", "held_withdrawals", "successors", "events", "polls"),
    *("night_changes", "withdrawn_files", "revisions", "refetches", "kept_files"),
    "night_totals",
)
DIFFER = {("listings", "fingerprint"), ("events", "id")}
"""Numbers of events are never used again, whatever is deleted."""
STAR = replace(STACKS, region=Target("a star"))
QUERIES = (
    Query(STACKS, date(2024, 1, 2)),
    Query(STACKS, date(2024, 1, 31), date(2024, 2, 1)),
    Query(STACKS, date(2024, 1, 30), date(2024, 1, 31)),
    Query(STAR, date(2024, 1, 2)),
    Query(replace(STACKS, program=OTHER), date(2024, 1, 2)),
)


def reversed_(found: Rows) -> object:
    """List all rows in another order."""
    return listing_of(found[::-1])


def doubled(found: Rows) -> object:
    """List rows twice, the second time with other marks."""
    return listing_of([*found, *({**row, "lastmodified": "2025-01-01"} for row in found[:2])])


def repeated(found: Rows) -> object:
    """List each row twice."""
    return listing_of([*found, *found])


def capped(found: Rows) -> object:
    """List only some of the rows, and say how many there are."""
    return {**listing_of(found), "body": found[:2]}


def nameless(found: Rows) -> object:
    """List nobody knows what in place of the first row."""
    return listing_of([*found[1:], {}])


def dateless(found: Rows) -> object:
    """List rows without their dates beside those with them."""
    return listing_of([*found, *({**row, "nightdate": None} for row in found)])


def columns(found: Rows) -> object:
    """List all rows as columns."""
    return {"body": {name: [row[name] for row in found] for name in found[0]} if found else []}


def usual(found: Rows) -> object:
    """List all rows."""
    return listing_of(found)


def broken(_: Rows) -> object:
    """Fail."""
    return 500


ANSWERS = (
    *(usual, usual, usual, reversed_, doubled, repeated),
    *(capped, nameless, dateless, columns, broken),
)


class Mirror:
    """A small archive and a catalog of it; `forgetful` ones know no row again."""

    def __init__(self, rig: PollRig, *, forgetful: bool) -> None:
        self.rig = rig
        self._forgetful = forgetful

    async def clear(self) -> None:
        """Begin anew."""
        self.rig.lister.table.clear()
        self.rig.events.clear()
        self.rig.clock.time = NOON
        self.rig.windows = FailedWindows(self.rig.clock)
        await self.rig.catalog(_empty)

    async def poll(self, query: Query, answer: Answer) -> None:
        """Ask once, and for what vanished once more."""
        if self._forgetful:
            await self.rig.catalog(_forget)
        self.rig.lister.answer = lambda asked, found: _answered(asked, found, query, answer)
        poll = WindowPoll(
            api=self.rig.api,
            recorder=self.rig.recorder(WithdrawalRule(0.5)),
            windows=self.rig.windows,
            emit=self.rig.events.append,
            elsewhere=_elsewhere,
        )
        with poll.keeping_errors():
            await poll.ask_all([query])

    async def state(self) -> object:
        """Return all that is known, fingerprints aside; the order of rows does not matter."""
        events = [
            replace(event, shares=tuple(sorted(event.shares, key=repr)))
            if isinstance(event, Polled)
            else event
            for event in self.rig.events
        ]
        return events, await self.rig.catalog(_dump)


def _answered(
    asked: Asked,
    found: Rows,
    query: Query,
    answer: Answer,
) -> object:
    is_first = (asked.start, asked.program) == (query.start, query.subject.program)
    return answer(found) if is_first or answer is broken else None


def _elsewhere(subject: Subject) -> tuple[Subject, ...]:
    other = OTHER if subject.program == PROGRAM else PROGRAM
    return (replace(subject, program=other, region=None),)


def _empty(catalog: Catalog) -> None:
    with catalog.connection.writing():
        catalog.connection.execute("PRAGMA defer_foreign_keys = ON", {})
        for table in TABLES:
            catalog.connection.db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names


def _are_totals_true(catalog: Catalog) -> bool:
    return totals(catalog.connection.sqlite) == totals(catalog.connection.sqlite, anew=True)


def _forget(catalog: Catalog) -> None:
    with catalog.connection.writing():
        catalog.connection.execute("UPDATE listings SET fingerprint = NULL", {})


def _dump(catalog: Catalog) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [
            {
                name: value
                for name, value in row.items()
                if name != "fingerprint" and (table, name) != ("events", "id")
            }
            for row in rows(catalog, table)
        ]
        for table in TABLES
    }


def lists(number: int, columns: dict[str, str]) -> Step:
    """List a product, with these columns, in place of how it was listed."""

    async def step(mirror: Mirror) -> None:
        entry = PRODUCTS[number]
        mirror.rig.lister.remove(entry)
        mirror.rig.lister.add(
            entry, **{"nightdate": entry.night.plus(1).day.isoformat(), **columns}
        )

    return step


def withdraws(number: int) -> Step:
    """List a product no more."""

    async def step(mirror: Mirror) -> None:
        mirror.rig.lister.remove(PRODUCTS[number])

    return step


def polls(query: Query, answer: Answer) -> Step:
    """Poll."""

    async def step(mirror: Mirror) -> None:
        await mirror.poll(query, answer)

    return step


def fetches(outcome: str, content: bytes) -> Step:
    """Fetch all that waits, under the marks that it is listed with."""

    def outcome_of(taken: Candidate) -> Outcome:
        if outcome == "missing":
            return Missing(taken)
        if outcome == "failed":
            return Failed(taken, "it was broken")
        return Published(taken, replace(evidence(taken.product, content), marks=taken.marks))

    def fetch(catalog: Catalog) -> None:
        taken = candidates(catalog)
        catalog.queue.claim(taken, "session")
        commit(catalog, *map(outcome_of, taken))

    async def step(mirror: Mirror) -> None:
        await mirror.rig.catalog(fetch)

    return step


def waits(hours: int) -> Step:
    """Let time pass."""

    async def step(mirror: Mirror) -> None:
        mirror.rig.clock.advance(hours=hours)

    return step


NUMBERS = st.integers(0, len(PRODUCTS) - 1)
COLUMNS = st.fixed_dictionaries(
    {},
    optional={
        "lastmodified": st.sampled_from(["2024-02-01T00:00:00", "2024-02-02", "2024-02-02T00:00Z"]),
        "pipeversion": st.sampled_from(["1.0", " 1.0", "2.0"]),
        "targname": st.sampled_from(["a star", "a galaxy"]),
        "progname": st.sampled_from([PROGRAM, OTHER]),
        "nightdate": st.sampled_from(["2024-01-31", "2024-02-01"]),
    },
)
STEPS = st.one_of(
    st.builds(lists, NUMBERS, COLUMNS),
    st.builds(withdraws, NUMBERS),
    st.builds(polls, st.sampled_from(QUERIES), st.sampled_from(ANSWERS)),
    st.builds(polls, st.just(QUERIES[0]), st.just(usual)),
    st.builds(
        fetches,
        st.sampled_from(["published", "missing", "failed"]),
        st.sampled_from([b"content", b"other"]),
    ),
    st.builds(waits, st.sampled_from([1, 30])),
)
STORIES = st.lists(STEPS, min_size=3, max_size=14)


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """Yield an event loop that outlives the examples of a test."""
    with asyncio.Runner() as loop:
        yield loop


@pytest.fixture(scope="module")
def mirrors(
    runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Mirror, ...]]:
    """Yield a mirror that knows rows again, and one that does not."""
    stack = AsyncExitStack()

    async def opened(*, forgetful: bool) -> Mirror:
        rig = await stack.enter_async_context(poll_rig(tmp_path_factory.mktemp("rig")))
        return Mirror(rig, forgetful=forgetful)

    yield tuple(runner.run(opened(forgetful=forgetful)) for forgetful in (False, True))
    runner.run(stack.aclose())


async def tell(mirrors: tuple[Mirror, ...], story: list[Step]) -> None:
    """Let the same happen to both mirrors; after each step they know the same."""
    for mirror in mirrors:
        await mirror.clear()
    for step in (*map(lists, range(3), ({},) * 3), polls(QUERIES[0], usual), *story):
        for mirror in mirrors:
            await step(mirror)
            assert await mirror.rig.catalog(_are_totals_true)
        usual_one, forgetful = [await mirror.state() for mirror in mirrors]
        assert usual_one == forgetful


@given(STORIES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mirror_that_knows_rows_again_is_one_that_reads_them(
    runner: asyncio.Runner, mirrors: tuple[Mirror, ...], story: list[Step]
) -> None:
    """Whatever is listed, fetched and lost, catalog and events are those of reading every row."""
    runner.run(tell(mirrors, story))


@pytest.mark.slow
@given(STORIES)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_many_mirrors_that_know_rows_again_are_those_that_read_them(
    runner: asyncio.Runner, mirrors: tuple[Mirror, ...], story: list[Step]
) -> None:
    """The same of many more stories."""
    runner.run(tell(mirrors, story))
