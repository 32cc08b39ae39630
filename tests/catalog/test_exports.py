"""All that the catalog knows of products: now, and at any earlier instant."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.test_files import listed
from hypothesis import given, settings
from hypothesis import strategies as some
from support.answers import square, used
from support.clock import NOON, Clock
from support.makers import PROGRAM, candidate, evidence, path_of, product, sha256

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.search_records import Search
from winter_sync.core.downloads import Published
from winter_sync.core.facts import Facts
from winter_sync.core.products import Product

if TYPE_CHECKING:
    from winter_sync.core.datasets import Dataset

FACTS = Facts(
    started_at=datetime(2024, 1, 31, 6, 14, 25, 616_000, tzinfo=UTC),
    mjd=60340.26,
    filter="J",
    exposure_time=864.0,
    coadds=8,
    target="SN2024wex",
    ra=150.0,
    dec=17.0,
    zero_point=24.1,
    width=1984,
    height=1096,
    footprints=(square(150.0, 17.0), replace(square(151.0, 17.0), extension=2)),
    note="odd",
)


def everything(catalog: Catalog, as_of: datetime | None = None) -> list[Dataset]:
    """Return what is known of all products."""
    numbers = catalog.searches.numbers(Search())
    return list(catalog.exports.datasets(numbers, as_of=as_of))


def publish(catalog: Catalog, one: Product, content: bytes, kept: str | None = None) -> None:
    """Record a publication, and where the content that it replaces is kept."""
    proof = replace(evidence(one, content), kept=kept)
    catalog.outcomes.commit([Published(candidate(one), proof)], lambda *_: timedelta())


def test_listing_file_and_facts_come_together(catalog: Catalog) -> None:
    """All facts are read as they were recorded, with their footprints."""
    listed(catalog, product(0))
    publish(catalog, product(0), b"abc")
    (held,) = catalog.facts.due(10)
    catalog.facts.record([(held, FACTS)])
    (one,) = everything(catalog)
    assert (one.product, one.state, one.programs) == (product(0), "downloaded", (PROGRAM,))
    assert (one.file, one.path) == (path_of(product(0)), path_of(product(0)))
    assert (one.size, one.sha256, one.revision) == (3, sha256(b"abc"), 1)
    assert one.downloaded_at == "2024-02-01T12:00:00.000+00:00"
    assert (one.target, one.ra, one.dec, one.filter) == ("SN2024wex", 326.1, 50.8, "J")
    assert (one.field_id, one.last_modified) == (999_999_999, "2024-02-01T00:00:00")
    assert one.facts == FACTS


def test_what_is_not_here_has_no_file(catalog: Catalog) -> None:
    """By state: pending, missing and damaged products have none; withdrawn ones are kept."""
    by_state = used(catalog)
    found = {one.product: one for one in everything(catalog)}
    assert {state: found[one].state for state, one in by_state.items()} == {s: s for s in by_state}
    here = {state for state, one in by_state.items() if found[one].file is not None}
    assert here == {"downloaded", "withdrawn"}


@settings(max_examples=40, deadline=None)
@given(
    changes=some.lists(
        some.tuples(some.integers(0, 2), some.binary(max_size=2), some.integers(1, 100)),
        max_size=8,
    ),
    minutes=some.integers(0, 800),
)
def test_the_mirror_is_told_as_it_was(changes: list[tuple[int, bytes, int]], minutes: int) -> None:
    """At any instant: what was published before it and not replaced until then, and no other."""
    as_of = NOON + timedelta(minutes=minutes)
    clock, here = Clock(), dict[Product, bytes]()
    with (
        tempfile.TemporaryDirectory() as place,
        closing(Catalog(Path(place) / "catalog.sqlite3", clock)) as catalog,
    ):
        listed(catalog, *(product(number) for number in range(3)))
        for number, content, wait in changes:
            clock.advance(minutes=wait)
            publish(catalog, product(number), content)
            if clock() <= as_of:
                here[product(number)] = content
        then = everything(catalog, as_of)
    assert {one.product: one.sha256 for one in then} == {
        one: sha256(content) for one, content in here.items()
    }
    assert {one.state for one in then} <= {"downloaded"}


def test_an_earlier_content_is_where_it_is_kept(catalog: Catalog, clock: Clock) -> None:
    """If it was; facts are those of that content, or none."""
    listed(catalog, product(0))
    for content, kept in ((b"first", None), (b"second", ".winter-sync/revisions/1"), (b"3", None)):
        publish(catalog, product(0), content, kept)
        clock.advance(hours=1)
    (held,) = catalog.facts.due(10)
    catalog.facts.record([(held, FACTS)])
    first, second, third = (
        everything(catalog, NOON + timedelta(hours=hours))[0] for hours in range(3)
    )
    assert [one.file for one in (first, second, third)] == [
        ".winter-sync/revisions/1",
        None,
        path_of(product(0)),
    ]
    assert [one.revision for one in (first, second, third)] == [1, 2, 3]
    assert [one.facts for one in (first, second, third)] == [Facts(), Facts(), FACTS]
