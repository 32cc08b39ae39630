"""A catalog is small: each thing is recorded once, and what is packed reads as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as some
from support.catalogs import ALL, STACK, candidates, commit, poll, publish
from support.makers import NIGHT, evidence, product, row, sha256

from winter_sync.catalog.schema_numbers import _packed, text_of
from winter_sync.catalog.values import format_instant, milliseconds
from winter_sync.core.downloads import Published
from winter_sync.core.facts import Facts
from winter_sync.core.marks import Marks

if TYPE_CHECKING:
    from winter_sync.catalog.catalog import Catalog

GOAL = 730
"""Bytes a product."""
AS_LISTED = Marks("2024-02-01T09:00:00.785000+00:00", "0.19.0")
AT = datetime(2024, 2, 1, 4, tzinfo=UTC)
_FEW, _MANY = 500, 2000


def pages(catalog: Catalog) -> int:
    """Return the size of a catalog, in bytes."""
    (count,) = next(iter(catalog.connection.tuples("PRAGMA page_count")))
    (size,) = next(iter(catalog.connection.tuples("PRAGMA page_size")))
    return int(count) * int(size)


def mirror(catalog: Catalog, first: int, end: int) -> None:
    """List and download products, and read their headers, all of one night."""
    poll(catalog, [product(number) for number in range(first, end)], marks=AS_LISTED)
    while found := candidates(catalog, ALL, 250):
        taken = catalog.queue.claim(found, "session")
        commit(catalog, *(Published(each, evidence(each.product, b"x")) for each in taken))
    while due := catalog.facts.due(250):
        catalog.facts.record((held, _facts(number)) for number, held in enumerate(due, first))


def _facts(number: int) -> Facts:
    started = AT + timedelta(milliseconds=number)
    return Facts(started, 60341.1 + number / 7, "J", 120.0, board=4, target=f"field{number % 500}")


def test_a_mirrored_product_costs_few_bytes(catalog: Catalog) -> None:
    """Its row, its listing, what its header says and the event of its download, all indexed."""
    mirror(catalog, 0, _FEW)
    before = pages(catalog)
    mirror(catalog, _FEW, _MANY)
    assert (pages(catalog) - before) / (_MANY - _FEW) < GOAL


def test_a_product_is_one_row_until_it_differs(catalog: Catalog) -> None:
    """Its revision and the event of its download are told in full, also once it was replaced."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"one")
    count = "SELECT count(*) AS rows FROM revisions"
    assert catalog.connection.row(count) == {"rows": 0}
    (first,) = catalog.history.of(STACK).revisions
    (told,) = catalog.outbox.since(0, 9)
    poll(catalog, [STACK], wanted=[row(STACK)])
    publish(catalog, STACK, b"other")
    assert catalog.connection.row(count) == {"rows": 1}
    second, former = catalog.history.of(STACK).revisions
    assert (former.sha256, former.published_at) == (first.sha256, first.published_at)
    assert (second.sha256, second.size, second.revision) == (sha256(b"other"), 5, 2)
    again, replaced = catalog.outbox.since(0, 9)
    assert again == told
    assert (told.fields["size"], told.fields["sha256"]) == (3, sha256(b"one"))
    assert replaced.fields["previous_sha256"] == sha256(b"one")


INSTANTS = some.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1)).map(  # noqa: DTZ001 - made UTC
    lambda instant: instant.replace(tzinfo=UTC)
)


@given(INSTANTS)
def test_a_packed_time_reads_as_it_was_written(instant: datetime) -> None:
    """To the millisecond, whenever it is."""
    with closing(sqlite3.connect(":memory:")) as db:
        (text,) = db.execute(
            f"SELECT {text_of('n')} FROM (SELECT ? AS n)",  # noqa: S608 - our own text
            [milliseconds(instant)],
        ).fetchone()
    assert text == format_instant(instant)


@given(
    some.text() | INSTANTS.map(format_instant) | INSTANTS.map(lambda instant: instant.isoformat())
)
@example("")
@example("2024-02-30T00:00:00.000+00:00")
@example(f"{NIGHT.day.isoformat()}T00:00:00.000+00:00")
@example(format_instant(datetime(2024, 1, 1, tzinfo=UTC) + timedelta(milliseconds=999)))
def test_packing_a_time_of_an_earlier_catalog_loses_nothing(text: str) -> None:
    """What is no time of ours stays as it is."""
    with closing(sqlite3.connect(":memory:")) as db:
        (kept,) = db.execute(
            f"SELECT {text_of('n')} FROM (SELECT {_packed('t')} AS n FROM (SELECT ? AS t))",  # noqa: S608 - our own text
            [text.replace("\0", "")],
        ).fetchone()
    assert kept == text.replace("\0", "")
