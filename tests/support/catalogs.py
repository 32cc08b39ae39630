"""Catalogs filled by hand: polls, products and outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from support.makers import PROGRAM, evidence, path_of, product, row
from support.tables import in_words

from winter_sync.catalog.records import Poll, Scope
from winter_sync.core.downloads import Outcome, Published, Refetch
from winter_sync.core.marks import Marks
from winter_sync.core.queries import Query, Region, Subject
from winter_sync.core.traits import FETCH_ORDER, ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.catalog.catalog import Catalog
    from winter_sync.core.downloads import Candidate
    from winter_sync.core.products import Product, Row


OTHER = "2024B000"
TODAY = date(2024, 3, 1)
ALL = Scope((PROGRAM, OTHER))
STACK, DIFF, SPRING = (
    product(0),
    product(0, ImageType.DIFF),
    product(0, instrument=Instrument.SPRING),
)
REPROCESSED = Marks("2024-06-01T00:00:00", "2.0")


def subject(
    program: str = PROGRAM, kind: ImageType = ImageType.STACK, region: Region | None = None
) -> Subject:
    """Return what a poll is about."""
    return Subject(program, Instrument.WINTER, kind, region)


def query(about: Subject | None = None, *, end: date | None = None) -> Query:
    """Return a question."""
    return Query(about or subject(), date(2024, 1, 1), end)


def poll(
    catalog: Catalog,
    products: Iterable[Product] = (),
    *,
    program: str = PROGRAM,
    region: Region | None = None,
    marks: Marks | None = None,
    wanted: Sequence[Row] = (),
    withdrawn: Sequence[Product] = (),
) -> list[Product]:
    """Record a poll that lists these products."""
    asked = query(subject(program, region=region))
    listed = [(row(entry, program=program, marks=marks), path_of(entry)) for entry in products]
    found = Poll(asked, sweep=False, listed=len(listed))
    recorded = catalog.listings.record_poll(
        found, listed=listed, wanted=wanted, withdrawn=withdrawn
    )
    return recorded.left_out


def candidates(catalog: Catalog, scope: Scope = ALL, limit: int = 100) -> list[Candidate]:
    """Return what may be fetched now, for whatever reason; what is not here comes first."""
    found = [catalog.queue.candidates(scope, FETCH_ORDER, limit, reason) for reason in Refetch]
    return [candidate for each in found for candidate in each][:limit]


def waiting(catalog: Catalog, scope: Scope = ALL) -> list[Product]:
    """Return the products that may be fetched now."""
    return [candidate.product for candidate in candidates(catalog, scope)]


def count_wanted(catalog: Catalog, scope: Scope) -> int:
    """Count the products to fetch, now or later, that are under no lease."""
    return sum(share.products for share in catalog.queue.wanted(scope))


def commit(catalog: Catalog, *outcomes: Outcome, wait: timedelta = timedelta(0)) -> None:
    """Commit outcomes, all with the same wait before another attempt."""
    catalog.outcomes.commit(outcomes, lambda _attempts, _outcome: wait)


def publish(catalog: Catalog, one: Product, content: bytes, *, kept: str | None = None) -> None:
    """Claim a product that waits, and commit its publication."""
    (taken,) = (each for each in candidates(catalog) if each.product == one)
    catalog.queue.claim([taken], "session")
    commit(catalog, Published(taken, replace(evidence(one, content), kept=kept)))


def rows(catalog: Catalog, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    return list(catalog.connection.db.query(in_words(table)))


def stored(catalog: Catalog, one: Product) -> dict[str, Any]:
    """Return the row of a product."""
    (found,) = (each for each in rows(catalog, "products") if each["savepath"] == one.savepath)
    return found
