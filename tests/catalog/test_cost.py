"""What the catalog costs does not grow with its size."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest
from support.catalogs import ALL, DIFF, OTHER, STACK, TODAY, candidates, poll, subject
from support.makers import NIGHT, PROGRAM, evidence, product

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import Scope
from winter_sync.catalog.values import format_instant
from winter_sync.core.downloads import Published
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.clock import Clock

    from winter_sync.core.products import Product

MOST_STEPS = 45
"""Of SQLite's machine, for a product of another program."""
MOST_STEPS_OF_ANOTHER_TYPE = 20
"""The same for a product of another type: no listing of it is looked up."""
MOST_STATEMENTS = 2.1
"""Of a product that is committed, those of triggers left out."""


def steps(catalog: Catalog, work: Any) -> int:  # noqa: ANN401 - any call without arguments
    """Return how many thousand steps SQLite's machine makes for some work."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    catalog.connection.sqlite.set_progress_handler(count, 1000)
    try:
        work()
    finally:
        catalog.connection.sqlite.set_progress_handler(None, 0)
    return counted


EVERY_SUBJECT = tuple(
    Subject(program, Instrument.WINTER, kind) for program in ALL.programs for kind in ImageType
)


@pytest.mark.parametrize(
    "scope", [ALL, replace(ALL, subjects=EVERY_SUBJECT)], ids=["all", "subjects"]
)
@pytest.mark.parametrize("published", [False, True], ids=["all wanted", "few wanted"])
def test_the_queue_does_not_cost_more_in_a_large_catalog(
    tmp_path: Path, clock: Clock, scope: Scope, *, published: bool
) -> None:
    """Choosing what to fetch next takes about as many steps in a catalog eight times as large."""
    costs = []
    for nights in (5, 40):
        with closing(Catalog(tmp_path / f"{nights}.sqlite3", clock)) as catalog:
            poll(
                catalog,
                [product(n, night=NIGHT.plus(-d)) for d in range(nights) for n in range(100)],
            )
            if published:
                catalog.connection.db.execute(
                    "UPDATE products SET state = 'published', size = 1, published_ms = 0"
                    " WHERE filename NOT LIKE '%00-000_stack.fits'"
                )
            costs.append(steps(catalog, lambda one=catalog: candidates(one, scope, 10)))
    assert costs[1] <= 2 * costs[0]


def test_looking_in_vain_does_not_cost_more_the_more_waits(tmp_path: Path, clock: Clock) -> None:
    """Of all that waits for a later time, only what is due first is read."""
    costs = []
    for nights in (5, 40):
        with closing(Catalog(tmp_path / f"{nights}.sqlite3", clock)) as catalog:
            poll(
                catalog,
                [product(n, night=NIGHT.plus(-d)) for d in range(nights) for n in range(100)],
            )
            later = clock() + timedelta(hours=1)
            catalog.connection.db.execute(
                "UPDATE products SET state = 'missing', attempts = id % 3, not_before = ?",
                [format_instant(later)],
            )

            def look(one: Catalog = catalog, due: datetime = later) -> None:
                assert candidates(one) == []
                assert one.queue.next_retry(ALL) == due

            costs.append(steps(catalog, look))
    assert costs[1] <= costs[0] + 1


def test_what_other_programs_left_waiting_is_passed_over(catalog: Catalog) -> None:
    """By the index of what is due: neither those products nor their listings are read."""
    left = [product(n, night=NIGHT.plus(-d)) for d in range(20) for n in range(100)]
    poll(catalog, left, program=OTHER)
    catalog.connection.db.execute("UPDATE products SET attempts = 1")
    poll(catalog, [STACK])
    mine = replace(ALL, programs=(PROGRAM,), last_night=NIGHT.plus(-1))

    def look() -> None:
        assert candidates(catalog, mine) == []
        assert catalog.queue.next_retry(mine) is None

    assert steps(catalog, look) * 1000 / len(left) <= MOST_STEPS


def test_what_waits_of_other_types_is_passed_over(catalog: Catalog) -> None:
    """By the index, too: types that are asked for no more may leave very many."""
    left = [
        product(n, image_type=ImageType.DIFF, night=NIGHT.plus(-d))
        for d in range(20)
        for n in range(100)
    ]
    poll(catalog, left)
    poll(catalog, [STACK])
    stacks = replace(ALL, subjects=(Subject(PROGRAM, Instrument.WINTER, ImageType.STACK),))

    def look() -> None:
        assert [each.product.image_type for each in candidates(catalog, stacks)] == [
            STACK.image_type
        ]

    assert steps(catalog, look) * 1000 / len(left) <= MOST_STEPS_OF_ANOTHER_TYPE


def plans(catalog: Catalog, work: Callable[[], object], marks: str) -> list[str]:
    """Return the steps of the one statement of some work that has these words."""
    asked: list[str] = []
    catalog.connection.sqlite.set_trace_callback(asked.append)
    work()
    catalog.connection.sqlite.set_trace_callback(None)
    (statement,) = (sql for sql in asked if marks in sql)
    return [step["detail"] for step in catalog.connection.rows(f"EXPLAIN QUERY PLAN {statement}")]


def test_what_is_asked_at_each_sync_reads_no_products_that_are_here(
    tmp_path: Path, clock: Clock
) -> None:
    """Neither which files were set aside nor what is wanted of a night or a subject."""
    costs = []
    stacks = replace(ALL, subjects=(Subject(PROGRAM, Instrument.WINTER, ImageType.STACK),))
    for count in (10, 2000):
        with closing(Catalog(tmp_path / f"{count}.sqlite3", clock)) as catalog:
            poll(catalog, map(product, range(count)))
            catalog.connection.db.execute("UPDATE products SET state = 'published'")

            def look(one: Catalog = catalog) -> None:
                assert one.set_aside.returned() == one.set_aside.unfinished() == []
                assert one.queue.wanted(stacks) == ()

            costs.append(steps(catalog, look))
    assert costs[1] <= costs[0] + 1


@pytest.mark.parametrize("programs", [(PROGRAM, OTHER), (PROGRAM,)])
def test_what_is_counted_does_not_grow_with_its_products(
    tmp_path: Path, clock: Clock, programs: tuple[str, ...]
) -> None:
    """Counts are kept as products change: neither products nor listings are read for them."""
    costs = []
    for count in (10, 1000):
        with closing(Catalog(tmp_path / f"{count}.sqlite3", clock)) as catalog:
            poll(catalog, map(product, range(count)))
            poll(catalog, [DIFF], program=OTHER)
            catalog.connection.db.execute("UPDATE products SET not_before = '2024-03-01'")

            def look(one: Catalog = catalog, most: int = count) -> None:
                scope = Scope(programs)
                assert sum(kind.wanted for kind in one.views.night_counts(scope)) >= most
                assert one.views.queue_count(programs).wanted >= most
                assert one.views.queue_count(programs, NIGHT).wanted >= most
                assert one.views.program_counts(programs)[0].wanted == most
                assert one.views.summary(programs).wanted >= most
                assert sum(share.products for share in one.queue.wanted(scope)) >= most
                assert one.views.troubles(scope, 10_000) == []

            costs.append(steps(catalog, look))
    assert costs[1] <= costs[0] + 1


def test_a_poll_costs_by_its_rows_only(tmp_path: Path, clock: Clock) -> None:
    """Recording and comparing a poll takes about as many steps in a catalog many times as large."""
    costs = []
    for nights in (5, 40):
        with closing(Catalog(tmp_path / f"{nights}.sqlite3", clock)) as catalog:
            poll(
                catalog,
                [product(n, night=NIGHT.plus(-d)) for d in range(nights) for n in range(100)],
            )
            newest = [product(n) for n in range(100)]
            recent = Query(subject(), date(2024, 1, 30))

            def work(one: Catalog = catalog, listed: list[Product] = newest) -> None:
                one.listings.known([each.identity for each in listed])
                assert one.listings.known_rows(recent, TODAY, "").expected == len(listed)  # noqa: B023 - it is the same
                poll(one, listed)

            costs.append(steps(catalog, work))
    assert costs[1] <= 2 * costs[0]


def test_a_batch_is_committed_in_few_statements(tmp_path: Path, clock: Clock) -> None:
    """However large it is: a fixed number for each product, and one transaction for all."""
    counts = []
    for size in (50, 200):
        with closing(Catalog(tmp_path / f"{size}.sqlite3", clock)) as catalog:
            poll(catalog, map(product, range(size)))
            taken = catalog.queue.claim(candidates(catalog, limit=size), "session")
            outcomes = [Published(each, evidence(each.product, b"content")) for each in taken]
            statements = list[str]()
            catalog.connection.sqlite.set_trace_callback(statements.append)
            catalog.outcomes.commit(outcomes, lambda *_: timedelta(0))
            catalog.connection.sqlite.set_trace_callback(None)
            ours = [text for text, _ in groupby(statements)]  # a trigger repeats what fired it
            assert sum(text.startswith("COMMIT") for text in ours) == 1
            counts.append(len(ours))
    assert (counts[1] - counts[0]) / 150 <= MOST_STATEMENTS
