"""The counts that are kept as products change are those of counting all products."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.catalogs import OTHER, poll
from support.clock import Clock
from support.makers import NIGHT, PROGRAM, product
from support.tables import totals

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import NightCount, QueueCount, Scope
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument

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
STATE = st.sampled_from(["wanted", "published", "missing"])
DAMAGE = st.sampled_from([None, "missing"])
COLUMNS = {
    "state": STATE,
    "attempts": st.integers(0, 2),
    "size": st.sampled_from([None, 10, 1000]),
    "damage": DAMAGE,
    "not_before": TIME,
    "claimed_by": st.sampled_from([None, "session"]),
}
AT_ONCE = "UPDATE products SET state = ?, damage = ?, attempts = ?, size = 100"
CHANGES = st.one_of(
    *(
        st.tuples(st.just(f"UPDATE products SET {column} = ?"), values)  # noqa: S608 - our own names
        for column, values in COLUMNS.items()
    ),
    st.tuples(st.just(AT_ONCE), STATE, DAMAGE, st.integers(0, 1)),
)
NUMBER = st.integers(0, len(PRODUCTS) - 1)
STEPS = st.lists(
    st.one_of(st.tuples(CHANGES, NUMBER), st.tuples(st.sampled_from(PROGRAMS), NUMBER, GONE)),
    min_size=6,
    max_size=24,
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
        db.execute(f"{what[0]} WHERE id = ?", (*what[1:], found))
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


def products_of(catalog: Catalog, programs: tuple[str, ...], listing: str) -> list[dict[str, Any]]:
    """Return the rows of the products that any of these programs has such a listing of."""
    return catalog.connection.rows(
        "SELECT p.* FROM products p WHERE EXISTS (SELECT 1 FROM listings l"  # noqa: S608 - our own words
        f" WHERE l.product = p.id AND {listing}"
        " AND l.program IN (SELECT value FROM json_each(:programs)))",
        {"programs": json.dumps(programs)},
    )


def nights_one_by_one(catalog: Catalog, programs: tuple[str, ...]) -> list[NightCount]:
    """Return the counts of nights, counted in the plainest way."""
    found = products_of(catalog, programs, "1")
    counts = []
    for kind in {(row["night"], row["instrument"], row["image_type"]) for row in found}:
        rows = [
            row for row in found if (row["night"], row["instrument"], row["image_type"]) == kind
        ]
        listed = [row for row in rows if row["withdrawn_at"] is None]
        here = [row for row in rows if row["state"] == "published" and row["damage"] is None]
        gone = [row for row in here if row["withdrawn_at"] is not None]
        damaged = [row for row in listed if row["state"] == "published" and row not in here]
        counts.append(
            NightCount(
                Night(kind[0]),
                Instrument(kind[1]),
                ImageType(kind[2]),
                published=len(here),
                wanted=sum(row["state"] == "wanted" for row in listed),
                missing=sum(row["state"] == "missing" for row in listed),
                withdrawn=len(rows) - len(listed),
                size=sum(row["size"] or 0 for row in here),
                withdrawn_here=len(gone),
                withdrawn_size=sum(row["size"] or 0 for row in gone),
                damaged=len(damaged),
            )
        )
    return counts


def queued_one_by_one(catalog: Catalog, programs: tuple[str, ...]) -> QueueCount:
    """Return what the queue has of programs, counted in the plainest way."""
    listed = products_of(catalog, programs, "l.withdrawn_at IS NULL")
    found = [row for row in listed if row["state"] != "published"]
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
        counts = views.night_counts(scope)
        assert counts == views.night_counts(one_by_one)
        assert sorted(counts, key=repr) == sorted(nights_one_by_one(catalog, programs), key=repr)
        for most in (1, 2, 9):
            assert views.troubles(scope, most) == views.troubles(one_by_one, most)
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
@example([((AT_ONCE, "published", "missing", 0), 0), (PROGRAM, 0, "2024-03-01")])
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
