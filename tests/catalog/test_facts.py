"""Facts of images in the catalog: due once a content, replaced with it, found by their sky."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from catalog.test_files import listed, publish
from support.makers import NIGHT, product
from support.tables import in_words

from winter_sync.core.facts import Facts
from winter_sync.core.sphere import Footprint

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.catalog.catalog import Catalog
    from winter_sync.core.products import Product

HERE = Footprint(((150.0, 17.0), (151.0, 17.0), (151.0, 18.0), (150.0, 18.0)))
THERE = Footprint(((10.0, -5.0), (11.0, -5.0), (11.0, -4.0), (10.0, -4.0)))


@pytest.fixture
def stacks(catalog: Catalog) -> Catalog:
    """Return a catalog that holds three stacks, and lists a fourth."""
    listed(catalog, *(product(number) for number in range(4)))
    for number in range(3):
        publish(catalog, product(number), b"%d" % number)
    return catalog


def table(path: Path, name: str) -> list[dict[str, Any]]:
    """Read a whole table."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f"SELECT * FROM ({in_words(name)})")]  # noqa: S608 - our own words


def test_facts_are_due_of_what_was_downloaded(stacks: Catalog) -> None:
    """Of each once: recorded facts, even of a header that says nothing, are not due again."""
    due = stacks.facts.due(10)
    assert [held.product for held in due] == [product(number) for number in range(3)]
    assert stacks.facts.record([(due[0], Facts())]) == 1
    assert [held.product for held in stacks.facts.due(10)] == [product(1), product(2)]
    assert stacks.facts.count_due() == 2


def test_what_is_due_is_turned_over_page_by_page(stacks: Catalog) -> None:
    """Each once, those of one night and of the nights before it, whatever stays due."""
    earlier = [product(number, night=NIGHT.plus(-1)) for number in range(2)]
    listed(stacks, *earlier)
    for each in earlier:
        publish(stacks, each, each.savepath.encode())
    seen: list[Product] = []
    while page := stacks.facts.due(2, seen[-1] if seen else None):
        seen += [held.product for held in page]
    assert seen == [*(product(number) for number in range(3)), *earlier]


def test_facts_are_of_the_content_whose_header_was_read(stacks: Catalog, path: Path) -> None:
    """Not of one that came since; of the file that is here again if that one comes back."""
    (held,) = (each for each in stacks.facts.due(10) if each.product == product(1))
    stacks.facts.record([(held, Facts(seeing=1.5))])

    for content, seeing in ((b"1", 1.5), (b"remade", None), (b"other", None), (b"1", 1.5)):
        publish(stacks, product(1), content)
        (found,) = stacks.searches.products([product(1).identity])
        assert found.seeing == seeing
        (facts,) = table(path, "facts")
        assert facts["sha256"] == held.sha256


def test_facts_of_a_new_content_replace_the_old(stacks: Catalog, path: Path) -> None:
    """A reprocessed image has one row of facts, one footprint, one box: those of its content."""
    (held,) = (each for each in stacks.facts.due(10) if each.product == product(1))
    stacks.facts.record([(held, Facts(seeing=1.5, footprints=(HERE,)))])
    publish(stacks, product(1), b"remade")
    (again,) = (each for each in stacks.facts.due(10) if each.product == product(1))
    stacks.facts.record([(again, Facts(seeing=0.9, footprints=(THERE,)))])
    (facts,) = table(path, "facts")
    assert (facts["seeing"], facts["sha256"]) == (0.9, again.sha256)
    (footprint,) = table(path, "footprints")
    assert (footprint["ra1"], footprint["dec3"], footprint["facts"]) == (10.0, -4.0, facts["id"])
    (box,) = table(path, "footprint_index")
    assert box["id"] == footprint["id"]
    assert box["x1"] <= THERE.box[0] <= THERE.box[1] <= box["x2"]


def test_facts_of_a_content_that_was_replaced_meanwhile_are_dropped(
    stacks: Catalog, path: Path
) -> None:
    """Whoever read the old file is late: the facts of the new one stay due."""
    (held,) = (each for each in stacks.facts.due(10) if each.product == product(1))
    publish(stacks, product(1), b"remade")
    assert stacks.facts.record([(held, Facts(seeing=1.5, footprints=(HERE,)))]) == 0
    assert table(path, "facts") == table(path, "footprint_index") == []
    assert product(1) in [each.product for each in stacks.facts.due(10)]


def test_a_time_is_recorded_as_the_catalog_writes_times(stacks: Catalog, path: Path) -> None:
    """In UTC, to the millisecond; what is unknown is null, not a number."""
    instant = datetime(2024, 2, 25, 15, 13, 39, 990_000, tzinfo=UTC)
    (held, *_) = stacks.facts.due(1)
    stacks.facts.record([(held, Facts(started_at=instant, filter="J"))])
    (facts,) = table(path, "facts")
    assert facts["started_at"] == "2024-02-25T15:13:39.990+00:00"
    assert (facts["filter"], facts["airmass"], facts["note"]) == ("J", None, None)
