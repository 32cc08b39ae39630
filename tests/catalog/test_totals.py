"""The counts that are kept as products change are those of counting all products."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.catalogs import OTHER, poll
from support.clock import Clock
from support.makers import NIGHT, PROGRAM, product
from support.tables import totals

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import QueueCount, Scope
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = (PROGRAM, OTHER, "2025A001")
SUBSETS = tuple(
    tuple(program for place, program in enumerate(PROGRAMS) if number >> place & 1)
    for number in range(8)
)
PRODUCTS = tuple(
    product(number, night=NIGHT.plus(-(number % 2)), image_type=image_type)
    for number in range(2)
    for image_type in (ImageType.STACK, ImageType.SCIENCE)
)
TIME = st.sampled_from(["2024-02-01T00:00:00.000+00:00", "2024-02-02T00:00:00.000+00:00", ""])
GONE = st.sampled_from(["2024-03-01", None])
CHANGES = st.one_of(
    st.tuples(st.just("UPDATE products SET state = ?"), st.sampled_from(["published", "missing"])),
    st.tuples(st.just("UPDATE products SET state = ?"), st.just("wanted")),
    st.tuples(st.just("UPDATE products SET attempts = ?"), st.integers(0, 2)),
    st.tuples(st.just("UPDATE products SET size = ?"), st.sampled_from([None, 10, 1000])),
    st.tuples(st.just("UPDATE products SET damage = ?"), st.sampled_from([None, "missing"])),
    st.tuples(st.just("UPDATE products SET not_before = ?"), TIME),
    st.tuples(st.just("UPDATE products SET claimed_by = ?"), st.sampled_from([None, "session"])),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(CHANGES, st.integers(0, len(PRODUCTS) - 1)),
        st.tuples(st.sampled_from(PROGRAMS), st.integers(0, len(PRODUCTS) - 1), GONE),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Return a catalog that all examples of a test share."""
    path = tmp_path_factory.mktemp("totals") / "catalog.sqlite3"
    with closing(Catalog(path, Clock())) as catalog:
        yield catalog


def begin(catalog: Catalog) -> None:
    """Empty the catalog, and list all products for one program."""
    for table in ("listings", "products", "night_totals", "night_changes", "polls", "directories"):
        catalog.connection.sqlite.execute(f"DELETE FROM {table}")  # noqa: S608 - see above
    poll(catalog, PRODUCTS)


def take(catalog: Catalog, step: tuple[object, ...]) -> None:
    """Change something of a product that is counted, or whether a program lists it."""
    db = catalog.connection.sqlite
    what, number, *more = step
    query = "SELECT id FROM products ORDER BY id LIMIT 1 OFFSET ?"
    (found,) = db.execute(query, [number]).fetchone()
    if isinstance(what, tuple):
        db.execute(f"{what[0]} WHERE id = ?", (what[1], found))
        return
    db.execute(
        "INSERT INTO listings (product, program, region, listed_ms, withdrawn_at)"
        " VALUES (?, ?, '', 0, ?) ON CONFLICT DO UPDATE SET withdrawn_at = excluded.withdrawn_at",
        (found, what, *more),
    )
    # What no program lists is withdrawn, and nothing else is.
    db.execute(
        "UPDATE products SET withdrawn_at = iif(EXISTS (SELECT 1 FROM listings"
        " WHERE product = products.id AND listings.withdrawn_at IS NULL), NULL, '2024-03-01')"
        " WHERE id = ?",
        (found,),
    )


def queued_one_by_one(catalog: Catalog, programs: tuple[str, ...]) -> QueueCount:
    """Return what the queue has of programs, counted in the plainest way."""
    found = catalog.connection.rows(
        "SELECT DISTINCT p.id, p.state, p.attempts, p.image_type, p.not_before FROM products p"
        " JOIN listings l ON l.product = p.id AND l.withdrawn_at IS NULL"
        " AND l.program IN (SELECT value FROM json_each(:programs))"
        " WHERE p.withdrawn_at IS NULL AND p.state != 'published'",
        {"programs": f"[{', '.join(f'{program!r}' for program in programs)}]".replace("'", '"')},
    )
    wanted = [row for row in found if row["state"] == "wanted"]
    failed = [row for row in wanted if row["attempts"]]
    missing = [row for row in found if row["state"] == "missing"]
    kept = [row for row in missing if row["image_type"] != "science"]
    return QueueCount(
        None,
        listed=len(found),
        wanted=len(wanted),
        failed=len(failed),
        missing=len(kept),
        not_kept=len(missing) - len(kept),
        retried_at=min((row["not_before"] for row in failed), default=None),
        asked_at=min((row["not_before"] for row in kept), default=None),
    )


def check(catalog: Catalog) -> None:
    """Compare what is kept with what is counted, for each choice of programs."""
    db = catalog.connection.sqlite
    assert totals(db) == totals(db, anew=True)
    everything = tuple(each.identity for each in PRODUCTS)
    for programs in SUBSETS:
        scope = Scope(programs)
        one_by_one = replace(scope, identities=everything)
        views, queue = catalog.views, catalog.queue
        assert views.night_counts(scope) == views.night_counts(one_by_one)
        assert views.troubles(scope, 9) == views.troubles(one_by_one, 9)
        assert queue.wanted(scope) == queue.wanted(one_by_one)
        assert views.queue_count(programs) == queued_one_by_one(catalog, programs)
        nights = [views.queue_count(programs, NIGHT.plus(-ago)) for ago in (0, 1)]
        queued = views.queue_count(programs)
        assert sum(night.wanted for night in nights) == queued.wanted
        assert min((n.asked_at for n in nights if n.asked_at is not None), default=None) == (
            queued.asked_at
        )
        for count in views.program_counts(programs):
            alone = views.queue_count((str(count.program),))
            assert replace(count, listed=0, damaged=0, program=None) == replace(alone, listed=0)


@given(STEPS)
@settings(max_examples=25, deadline=None)
def test_counts_are_true_whatever_happened(
    catalog: Catalog, steps: list[tuple[object, ...]]
) -> None:
    """Whatever changes of products and their listings, and whichever programs are asked for."""
    begin(catalog)
    for step in steps:
        take(catalog, step)
    check(catalog)


def test_counts_are_true_after_what_is_deleted(catalog: Catalog) -> None:
    """Nothing deletes listings today; whoever does leaves true counts."""
    begin(catalog)
    take(catalog, (OTHER, 0, None))
    db = catalog.connection.sqlite
    db.execute("DELETE FROM listings WHERE program = ?", [PROGRAM])
    assert len(totals(db)) == 1
    assert totals(db) == totals(db, anew=True)
