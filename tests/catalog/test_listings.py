"""What polls record, compare and withdraw."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.catalogs import (
    ALL,
    DIFF,
    OTHER,
    REPROCESSED,
    SPRING,
    STACK,
    TODAY,
    candidates,
    commit,
    count_wanted,
    poll,
    publish,
    query,
    rows,
    stored,
    subject,
    waiting,
)
from support.makers import PROGRAM, path_of, product, row, sha256

from winter_sync.catalog import polls
from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import Poll, Scope
from winter_sync.core.downloads import Missing
from winter_sync.core.errors import StorageError
from winter_sync.core.known_rows import EXPECTED
from winter_sync.core.marks import Marks
from winter_sync.core.outbox import EventKind
from winter_sync.core.products import KnownProduct, State
from winter_sync.core.queries import Cone, Query, Region, Target
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from support.clock import Clock

    from winter_sync.core.products import Product


def test_a_new_product_is_wanted(catalog: Catalog) -> None:
    """A product that is listed for the first time may be fetched, with all that a fetch needs."""
    assert poll(catalog, [STACK]) == []
    (found,) = candidates(catalog)
    assert (found.product, found.program, found.path) == (STACK, PROGRAM, path_of(STACK))
    assert (found.attempts, found.published_sha256, found.refused_sha256) == (0, None, None)
    assert found.marks == Marks("2024-02-01T00:00:00", "1.0")


def test_all_that_a_row_says_is_kept(catalog: Catalog) -> None:
    """Every column of a row is stored, those that we do not know as well."""
    strange = replace(row(STACK), extra={"seeing": 1.2, "when": date(2024, 1, 1)}, program="ELSE")
    catalog.listings.record_poll(Poll(query(), sweep=False), listed=[(strange, path_of(STACK))])
    (listing,) = rows(catalog, "listings")
    assert json.loads(listing["extra"]) == {"seeing": 1.2, "when": "2024-01-01"}
    assert (listing["program"], listing["progname"]) == (PROGRAM, "ELSE")
    assert (listing["target"], listing["ra"], listing["dec"]) == ("SN2024wex", 326.1, 50.8)
    assert (listing["fid"], listing["fieldid"]) == (1, 999_999_999)
    assert listing["utctime"] == strange.utctime
    assert (listing["nightdate"], listing["region"]) == ("2024-01-31", "")
    assert listing["lastmodified"] == "2024-02-01T00:00:00"
    assert listing["pipeversion"] == "1.0"


def test_many_rows_are_recorded_and_read_in_little_more_memory_than_they_take(
    catalog: Catalog,
) -> None:
    """What a row is recorded with, and found in, is of a few rows at a time."""
    tracemalloc.start()
    try:
        listed = [(row(each), path_of(each)) for each in map(product, range(4_000))]
        of_rows, _ = tracemalloc.get_traced_memory()
        catalog.listings.record_poll(Poll(query(), sweep=False, new=4_000), listed=listed)
        _, at_most = tracemalloc.get_traced_memory()
        assert at_most < 1.5 * of_rows
        identities = [each.product.identity for each, _ in listed]
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        known = catalog.listings.known(identities)
        (held, at_most) = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(known) == 4_000
    assert at_most - before < 1.5 * (held - before)


def test_a_poll_is_recorded(catalog: Catalog) -> None:
    """What a poll asked and found is kept with its time, also where it failed."""
    asked = query(subject(region=Target("SN2024wex")), end=date(2024, 3, 1))
    catalog.listings.record_poll(Poll(asked, sweep=True, listed=7, new=6, changed=5, returned=4))
    catalog.listings.record_poll(
        Poll(asked, sweep=False, withdrawn=3, faults=2, seconds=1.5, error="it was dark")
    )
    first, second = rows(catalog, "polls")
    assert first["at"] == "2024-02-01T12:00:00.000+00:00"
    assert (first["program"], first["instrument"], first["image_type"]) == (
        *(PROGRAM, "winter", "stack"),
    )
    assert (first["region"], first["start"], first["end"]) == (
        *("target SN2024wex", "2024-01-01", "2024-03-01"),
    )
    assert [first[name] for name in ("sweep", "listed", "new", "changed", "returned")] == [
        *(1, 7, 6, 5, 4),
    ]
    assert [second[name] for name in ("withdrawn", "faults", "seconds", "error")] == [
        *(3, 2, 1.5, "it was dark"),
    ]


def test_old_polls_are_forgotten_but_not_sweeps(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A catalog does not grow for ever by its polls; sweeps stay, since they show what is due."""
    monkeypatch.setattr(polls, "_POLLS_KEPT", 5)
    catalog.listings.record_poll(Poll(query(), sweep=True))
    for _ in range(20):
        poll(catalog)
    assert [record["id"] for record in rows(catalog, "polls")] == [1, 17, 18, 19, 20, 21]


def test_seeing_a_product_again_changes_nothing_of_it(catalog: Catalog, clock: Clock) -> None:
    """A known product that is listed again keeps its state and when it was first listed."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    before = stored(catalog, STACK), rows(catalog, "listings")
    clock.advance(hours=1)
    poll(catalog, [STACK])
    assert (stored(catalog, STACK), rows(catalog, "listings")) == before
    (listing,) = rows(catalog, "listings")
    assert listing["first_listed"] == "2024-02-01T12:00:00.000+00:00"


def test_a_row_may_be_corrected_later(catalog: Catalog) -> None:
    """The newest listing of a product is the one that counts."""
    poll(catalog, [STACK])
    corrected = replace(row(STACK), target="SN2024abc", ra=None)
    catalog.listings.record_poll(Poll(query(), sweep=False), listed=[(corrected, path_of(STACK))])
    (listing,) = rows(catalog, "listings")
    assert (listing["target"], listing["ra"]) == ("SN2024abc", None)


CORRECTIONS: dict[str, Any] = {
    "nightdate": "2024-01-30",
    "target": None,
    "ra": 1.5,
    "dec": None,
    "fid": 2,
    "utctime": "2024-01-31T06:14:26",
    "fieldid": None,
    "lastmodified": "2024-02-02T00:00:00",
    "pipeversion": None,
    "extra": {"seeing": 1.2},
    "program": "2024B000",
}


@pytest.mark.parametrize("column", CORRECTIONS)
def test_every_column_of_a_listing_follows(catalog: Catalog, clock: Clock, column: str) -> None:
    """Whichever alone differs, what is recorded is what a new catalog would have; and back."""
    first = row(STACK)
    for number, listed in enumerate(
        (first, replace(first, **{column: CORRECTIONS[column]}), first)
    ):
        clock.advance(hours=1)
        catalog.listings.record_poll(Poll(query(), sweep=False), listed=[(listed, path_of(STACK))])
        with closing(Catalog(catalog.path.with_name(f"{number}.sqlite3"), clock)) as new:
            new.listings.record_poll(Poll(query(), sweep=False), listed=[(listed, path_of(STACK))])
            (expected,) = rows(new, "listings")
        (found,) = rows(catalog, "listings")
        ours = {"first_listed", "listed_ms", "target_was", "progname_was", "corrected_in"}
        assert {name: found[name] for name in found.keys() - ours} == {
            name: expected[name] for name in expected.keys() - ours
        }


def test_a_changed_product_is_wanted_again(catalog: Catalog) -> None:
    """A product that is to be fetched again may be so at once, whatever it went through before."""
    poll(catalog, [STACK])
    (taken,) = candidates(catalog)
    commit(catalog, Missing(taken), wait=timedelta(days=1))
    assert waiting(catalog) == []
    poll(catalog, [STACK], marks=REPROCESSED, wanted=[row(STACK, marks=REPROCESSED)])
    (found,) = candidates(catalog)
    assert found.attempts == 0
    assert found.marks == REPROCESSED
    publish(catalog, STACK, b"content")
    poll(catalog, [STACK], wanted=[row(STACK)])
    (found,) = candidates(catalog)
    assert found.published_sha256 == sha256(b"content")


def test_what_is_known_is_returned(catalog: Catalog) -> None:
    """The state of a product, its settled marks and whether it is withdrawn are known."""
    poll(catalog, [STACK])
    publish(catalog, STACK, b"content")
    expected = KnownProduct(
        product=STACK,
        state=State.PUBLISHED,
        settled_marks=Marks("2024-02-01T00:00:00", "1.0"),
        withdrawn=False,
    )
    unknown = product(9)
    asked = [STACK.identity, unknown.identity]
    assert catalog.listings.known(asked) == [expected]
    poll(catalog, withdrawn=[STACK])
    assert catalog.listings.known(asked) == [replace(expected, withdrawn=True)]


def test_a_long_listing_is_known_whole(catalog: Catalog) -> None:
    """However many products are asked about or listed in one go, each is found."""
    many = [product(number) for number in range(1001)]
    assert poll(catalog, many) == []
    known = catalog.listings.known([entry.identity for entry in many])
    assert {found.product for found in known} == set(many)
    assert len(rows(catalog, "listings")) == 1001


def test_a_withdrawn_product_is_not_fetched_until_it_returns(catalog: Catalog) -> None:
    """What no program lists any more is left alone; listed again, it may be fetched again."""
    poll(catalog, [STACK])
    poll(catalog, withdrawn=[STACK])
    assert stored(catalog, STACK)["withdrawn_at"] is not None
    assert waiting(catalog) == []
    assert count_wanted(catalog, ALL) == 0
    poll(catalog, [STACK])
    assert stored(catalog, STACK)["withdrawn_at"] is None
    assert waiting(catalog) == [STACK]


def test_a_product_is_withdrawn_only_when_nobody_lists_it(catalog: Catalog) -> None:
    """While one of two programs lists a product, it may be fetched under that one."""
    poll(catalog, [STACK])
    poll(catalog, [STACK], program=OTHER)
    poll(catalog, withdrawn=[STACK])
    assert stored(catalog, STACK)["withdrawn_at"] is None
    assert [candidate.program for candidate in candidates(catalog)] == [OTHER]
    assert waiting(catalog, Scope((PROGRAM,))) == []
    assert count_wanted(catalog, Scope((PROGRAM,))) == 0
    poll(catalog, program=OTHER, withdrawn=[STACK])
    assert stored(catalog, STACK)["withdrawn_at"] is not None


def test_two_products_never_share_a_path(catalog: Catalog) -> None:
    """A new product whose path is another's, in whatever case, is left out and reported."""
    upper = replace(STACK, savepath=STACK.savepath.upper())
    elsewhere = replace(STACK, savepath=f"/elsewhere{STACK.savepath}")
    listed = [
        (row(STACK), path_of(STACK)),
        (row(upper), path_of(STACK).upper()),
        (row(DIFF), path_of(DIFF)),
        (row(elsewhere), path_of(STACK)),
    ]
    for _ in range(2):
        left_out = catalog.listings.record_poll(Poll(query(), sweep=False), listed=listed).left_out
        assert left_out == [upper, elsewhere]
    assert waiting(catalog) == [STACK, DIFF]
    assert len(rows(catalog, "listings")) == 2


def test_products_left_out_are_not_counted_as_new(catalog: Catalog) -> None:
    """A poll records how many products it added: not those whose path another has already."""
    poll(catalog, [STACK])
    twin = replace(STACK, savepath=f"/elsewhere{STACK.savepath}")
    listed = [(row(twin), path_of(STACK)), (row(product(1)), path_of(product(1)))]
    catalog.listings.record_poll(Poll(query(), sweep=False, listed=2, new=2), listed=listed)
    assert [record["new"] for record in rows(catalog, "polls")] == [0, 1]


def test_the_programs_that_list_a_product_are_known(catalog: Catalog) -> None:
    """All that list it now, and none that withdrew it; of other products nothing is said."""
    poll(catalog, [STACK, DIFF, product(1), SPRING])
    poll(catalog, [STACK, DIFF], program=OTHER)
    poll(catalog, withdrawn=[DIFF])
    asked = [STACK.identity, DIFF.identity, SPRING.identity, product(2).identity]
    found = catalog.listings.programs(asked)
    assert {identity: sorted(programs) for identity, programs in found.items()} == {
        STACK.identity: [PROGRAM, OTHER],
        DIFF.identity: [OTHER],
        SPRING.identity: [PROGRAM],
    }


def test_what_a_program_could_not_fetch_is_asked_for_under_another(catalog: Catalog) -> None:
    """A product without a file is wanted at once when a further program lists it, and not again."""
    poll(catalog, [STACK])
    commit(catalog, Missing(candidates(catalog)[0]), wait=timedelta(days=1))
    poll(catalog, [STACK])
    assert candidates(catalog) == []
    poll(catalog, [STACK], program=OTHER)
    (taken,) = candidates(catalog)
    commit(catalog, Missing(replace(taken, program=OTHER)), wait=timedelta(days=1))
    poll(catalog, [STACK], program=OTHER)
    assert candidates(catalog) == []
    assert stored(catalog, STACK)["state"] == State.MISSING


def test_a_key_that_opens_no_file_does_not_say_that_there_is_none(catalog: Catalog) -> None:
    """A product that went to another program while it was fetched is fetched again under that."""
    poll(catalog, [STACK])
    (taken,) = catalog.queue.claim(candidates(catalog), "session")
    poll(catalog, [STACK], program=OTHER)
    poll(catalog, withdrawn=[STACK])
    commit(catalog, Missing(taken))
    assert stored(catalog, STACK)["state"] == State.WANTED
    assert [found.program for found in candidates(catalog)] == [OTHER]
    assert EventKind.MISSING not in {event.kind for event in catalog.outbox.since(0, 100)}


def test_a_known_product_keeps_its_path(catalog: Catalog) -> None:
    """A layout that was changed since does not move what is recorded."""
    poll(catalog, [STACK])
    moved = [(row(STACK), f"elsewhere/{STACK.filename}")]
    assert not catalog.listings.record_poll(Poll(query(), sweep=False), listed=moved).left_out
    assert stored(catalog, STACK)["path"] == path_of(STACK)


def test_the_cameras_do_not_share_identities(catalog: Catalog) -> None:
    """One savepath under two instruments is two products."""
    twin = replace(STACK, instrument=Instrument.SPRING)
    poll(catalog, [STACK])
    asked = Query(replace(subject(), instrument=Instrument.SPRING), date(2024, 1, 1))
    catalog.listings.record_poll(Poll(asked, sweep=False), listed=[(row(twin), path_of(twin))])
    assert set(waiting(catalog)) == {STACK, twin}
    assert catalog.listings.known([STACK.identity])[0].product == STACK


def test_a_row_that_names_another_program_is_fetched_under_the_one_asked(catalog: Catalog) -> None:
    """Whatever program a row names, it is the asked one whose key can fetch it."""
    stray = replace(row(STACK), program="2019Z999")
    catalog.listings.record_poll(Poll(query(), sweep=False), listed=[(stray, path_of(STACK))])
    (found,) = candidates(catalog, Scope((PROGRAM,)))
    assert found.program == PROGRAM


def test_a_poll_is_recorded_whole_or_not_at_all(catalog: Catalog) -> None:
    """A row that cannot be stored leaves nothing of its poll behind."""
    odd: Any = object()
    listed = [(row(STACK), path_of(STACK)), (replace(row(DIFF), target=odd), path_of(DIFF))]
    with pytest.raises(StorageError, match="not supported"):
        catalog.listings.record_poll(Poll(query(), sweep=False), listed=listed)
    assert [rows(catalog, table) for table in ("products", "listings", "polls")] == [[], [], []]
    assert poll(catalog, [STACK]) == []


def listed_on(catalog: Catalog, nightdate: str | None, region: Region | None = None) -> None:
    """List the stack with a nightdate."""
    listed = [(replace(row(STACK), nightdate=nightdate), path_of(STACK))]
    catalog.listings.record_poll(Poll(query(subject(region=region)), sweep=False), listed=listed)


def expected_by(catalog: Catalog, asked: Query, today: date) -> list[Product]:
    """Return what a query must list."""
    known = catalog.listings.known_rows(asked, today, "a reader")
    return catalog.listings.products(known.numbers_of(EXPECTED))


@pytest.mark.parametrize(
    ("nightdate", "expected"),
    [
        ("2024-01-01", False),
        ("2024-01-01T06:00:00", False),
        ("2024-01-02", True),
        ("2024-01-30", True),
        ("2024-01-30T23:59:59", True),
        ("2024-01-31", False),
        ("2024-01-31T00:00:00", False),
        ("20240115", True),
        (None, False),
    ],
)
def test_only_what_lies_well_inside_a_query_is_expected(
    catalog: Catalog, nightdate: str | None, *, expected: bool
) -> None:
    """Of what was listed, only dates between the ends of a query must be listed again."""
    listed_on(catalog, nightdate)
    asked = query(end=date(2024, 1, 31))
    assert expected_by(catalog, asked, TODAY) == ([STACK] if expected else [])


def test_an_open_end_expects_all_up_to_the_servers_today(catalog: Catalog) -> None:
    """A query without an end owes what it listed, but nothing of a day that has not begun."""
    listed_on(catalog, "2024-01-31")
    assert expected_by(catalog, query(), date(2024, 1, 31)) == [STACK]
    assert expected_by(catalog, query(), date(2024, 1, 30)) == []


def test_only_what_this_very_query_listed_is_expected(catalog: Catalog) -> None:
    """Another region, program, type or camera does not owe us a product; nor is it owed twice."""
    target, cone = Target("SN2024wex"), Cone(326.1, 50.8)
    listed_on(catalog, "2024-01-15", target)
    assert expected_by(catalog, query(subject(region=target)), TODAY) == [STACK]
    for other in (
        subject(),
        subject(region=cone),
        subject(OTHER, region=target),
        subject(kind=ImageType.DIFF, region=target),
        replace(subject(region=target), instrument=Instrument.SPRING),
    ):
        assert expected_by(catalog, query(other), TODAY) == []
    listed_on(catalog, "2024-01-15", cone)
    assert expected_by(catalog, query(subject(region=target)), TODAY) == []
    assert expected_by(catalog, query(subject(region=cone)), TODAY) == [STACK]
    poll(catalog, withdrawn=[STACK])
    assert expected_by(catalog, query(subject(region=cone)), TODAY) == []


def test_the_last_sweep_is_the_last_that_succeeded(catalog: Catalog, clock: Clock) -> None:
    """Only a sweep of this very subject that did not fail counts."""
    assert catalog.polls.last_sweep(subject()) is None
    swept = clock()
    catalog.listings.record_poll(Poll(query(), sweep=True))
    clock.advance(hours=1)
    catalog.listings.record_poll(Poll(query(), sweep=False))
    catalog.listings.record_poll(Poll(query(), sweep=True, error="it was dark"))
    for other in (subject(OTHER), subject(kind=ImageType.DIFF), subject(region=Target("x"))):
        catalog.listings.record_poll(Poll(query(other), sweep=True))
    assert catalog.polls.last_sweep(subject()) == swept
    assert catalog.polls.last_sweep(subject(region=Target("y"))) is None
