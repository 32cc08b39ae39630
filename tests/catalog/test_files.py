"""What the catalog keeps of the files in the tree: how they looked, when they were read, damage."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from support.makers import NIGHT, PROGRAM, candidate, evidence, path_of, product, row

from winter_sync.catalog import checks
from winter_sync.catalog.records import Check, Poll, Scope
from winter_sync.core.downloads import Published
from winter_sync.core.products import Damage, State
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import FETCH_ORDER, ImageType, Instrument

if TYPE_CHECKING:
    import pytest
    from support.clock import Clock

    from winter_sync.catalog.catalog import Catalog
    from winter_sync.catalog.records import Held
    from winter_sync.core.products import Product

ALL = Scope((PROGRAM,))
EVER = "9999-01-01T00:00:00+00:00"
STACKS = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK)


def listed(catalog: Catalog, *products: Product, wanted: bool = False) -> None:
    """Record a poll that lists these, and wants them again if asked to."""
    rows = [row(entry) for entry in products]
    catalog.listings.record_poll(
        Poll(Query(STACKS, NIGHT.day), sweep=False, listed=len(rows)),
        listed=[(record, path_of(record.product)) for record in rows],
        wanted=rows if wanted else (),
    )


def publish(catalog: Catalog, one: Product, content: bytes) -> None:
    """Record a publication."""
    proof = replace(evidence(one, content), mtime_ns=7)
    catalog.outcomes.commit([Published(candidate(one), proof)], lambda *_: timedelta())


def held(catalog: Catalog, one: Product) -> Held:
    """Return what is held of a product."""
    (found,) = (each for each in catalog.files.held(ALL, one.night) if each.product == one)
    return found


def changed(one: Held) -> Check:
    """Return a check that found a file changed."""
    return Check(one, Damage.CHANGED, "cut")


def test_what_is_published_is_held_as_it_was(catalog: Catalog) -> None:
    """Path, size, digest and modification time are those of the publication."""
    one = product()
    listed(catalog, one)
    assert catalog.files.held(ALL, NIGHT) == []
    publish(catalog, one, b"abc")
    found = held(catalog, one)
    assert (found.path, found.size, found.mtime_ns) == (path_of(one), 3, 7)
    assert catalog.files.held_nights(ALL) == [NIGHT]


def test_a_finding_about_an_older_file_does_not_count(catalog: Catalog, clock: Clock) -> None:
    """What was published again, or is wanted or fetched, since it was looked up is not marked."""
    one, other = product(0), product(1)
    listed(catalog, one, other)
    for each in (one, other):
        publish(catalog, each, b"abc")
    stale, fetched = held(catalog, one), held(catalog, other)
    clock.time += timedelta(seconds=1)
    listed(catalog, one, other, wanted=True)
    publish(catalog, one, b"abc")
    recorded = catalog.checks
    for record in (recorded.record, recorded.record_quick, recorded.want_lost):
        assert record([changed(stale), changed(fetched)]) == []
    assert held(catalog, one).damage is None
    assert catalog.files.count_damaged(ALL) == {Damage.MISSING: 0, Damage.CHANGED: 0}


def test_damage_lasts_until_the_file_is_right(catalog: Catalog) -> None:
    """It counts neither as here nor as complete; a publication or a good check ends it."""
    one, other = product(0), product(1)
    listed(catalog, one, other)
    for each in (one, other):
        publish(catalog, each, b"abc")
    catalog.checks.record([changed(held(catalog, one))])
    catalog.checks.record_quick([Check(held(catalog, other), Damage.MISSING, "gone")])
    summary = catalog.views.summary([PROGRAM])
    assert (summary.published, summary.damaged) == (0, 2)
    assert summary.last_complete_night is None
    (count,) = catalog.views.night_counts(ALL)
    assert (count.published, count.damaged, count.size) == (0, 2, 0)
    assert {file.product: file.damage for file in catalog.files.damaged(ALL, 10)} == {
        one: Damage.CHANGED,
        other: Damage.MISSING,
    }
    catalog.checks.record([Check(held(catalog, one), mtime_ns=9)])
    assert held(catalog, one).mtime_ns == 9
    assert catalog.checks.want_damaged(ALL) == 1
    assert catalog.views.summary([PROGRAM]).wanted == 1
    publish(catalog, other, b"abc")
    assert catalog.views.summary([PROGRAM]).published == 2
    assert catalog.files.damaged(ALL, 10) == []


def test_what_was_read_longest_ago_comes_first(catalog: Catalog, clock: Clock) -> None:
    """Page by page, and nothing that was read since the time asked for."""
    products = [product(number) for number in range(5)]
    listed(catalog, *products)
    for each in products:
        publish(catalog, each, b"abc")
        clock.time += timedelta(hours=1)
    catalog.checks.record([Check(held(catalog, products[0]))])
    order: list[Product] = []
    after = ("", "")
    while page := catalog.files.to_check(ALL, EVER, after, 2):
        order += [each.product for each in page]
        after = page[-1].checked_at, page[-1].path
    assert order == [*products[1:], products[0]]
    before = held(catalog, products[3]).checked_at
    assert len(catalog.files.to_check(ALL, before, ("", ""), 9)) == 2
    assert catalog.files.count_held(ALL, before) == {
        "files": 5,
        "size": 15,
        "left": 2,
        "size_left": 6,
    }


def test_a_check_is_resumed_by_its_own_selection_only(catalog: Catalog, clock: Clock) -> None:
    """Not when it ended, not after a month, and not one that a wrong clock began in the future."""
    month = timedelta(days=30)
    first = catalog.checks.begin("a", month)
    assert catalog.checks.begin("a", month) == replace(first, resumed=True)
    assert not catalog.checks.begin("b", month).resumed
    clock.time -= timedelta(days=1)
    assert not catalog.checks.begin("a", month).resumed
    clock.time += timedelta(days=40)
    again = catalog.checks.begin("a", month)
    assert not again.resumed
    catalog.checks.finish(again)
    assert not catalog.checks.begin("a", month).resumed


def test_full_checks_are_distinguished_by_when_they_began(catalog: Catalog, clock: Clock) -> None:
    """Finishing one leaves another selection's to be continued, with its own beginning."""
    month = timedelta(days=30)
    began = clock()
    first, other = catalog.checks.begin("a", month), catalog.checks.begin("b", month)
    clock.advance(hours=1)
    catalog.checks.finish(first)
    again = catalog.checks.begin("b", month)
    assert (again.number, again.resumed) == (other.number, True)
    assert datetime.fromisoformat(again.started_at) == began
    assert catalog.checks.begin("a", month).number not in {first.number, other.number}


def test_old_full_checks_are_forgotten(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalog does not grow for ever by its checks."""
    monkeypatch.setattr(checks, "_VERIFICATIONS_KEPT", 2)
    for _ in range(5):
        catalog.checks.finish(catalog.checks.begin("a", timedelta(days=30)))
    assert len(list(catalog.connection.db.table("verifications").rows)) == 2


def test_a_file_that_cannot_be_read_comes_last_at_the_next_check(
    catalog: Catalog, clock: Clock
) -> None:
    """It is retried when all others were read; nothing is said about its content."""
    products = [product(number) for number in range(3)]
    listed(catalog, *products)
    for entry in products:
        publish(catalog, entry, b"abc")
    clock.advance(hours=1)
    catalog.checks.postpone(held(catalog, products[0]))
    order = [file.product for file in catalog.files.to_check(ALL, EVER, ("", ""), 9)]
    assert order == [*products[1:], products[0]]
    assert held(catalog, products[0]).damage is None


def test_what_was_found_damaged_is_checked_first_on_demand(catalog: Catalog, clock: Clock) -> None:
    """Whoever repaired a file by hand need not wait for a whole check to see it counted."""
    products = [product(number) for number in range(3)]
    listed(catalog, *products)
    for entry in products:
        publish(catalog, entry, b"abc")
        clock.advance(minutes=1)
    catalog.checks.record([changed(held(catalog, products[2]))])
    catalog.checks.check_damaged_again(ALL)
    order = [file.product for file in catalog.files.to_check(ALL, EVER, ("", ""), 9)]
    assert order == [products[2], *products[:2]]


def test_a_lost_file_is_wanted_again_at_once(catalog: Catalog, clock: Clock) -> None:
    """It waits for no sample of its night, is shown as missing, and only once."""
    one, other = product(0), product(1)
    listed(catalog, one, other)
    for each in (one, other):
        publish(catalog, each, b"abc")
    lost = Check(held(catalog, one), Damage.MISSING, "gone")
    assert catalog.checks.want_lost([lost]) == [lost]
    assert catalog.checks.want_lost([lost]) == []
    (found,) = catalog.queue.candidates(ALL, FETCH_ORDER, 9)
    assert (found.product, found.attempts) == (one, 0)
    assert catalog.queue.next_retry(ALL) == clock()
    assert [held.product for held in catalog.files.held(ALL, NIGHT)] == [other]


def test_damaged_products_are_shown_newest_night_first_with_all_that_is_known(
    catalog: Catalog,
) -> None:
    """Each with its reason, its size, who lists it, and whether it was withdrawn."""
    later = product(0, night=NIGHT.plus(1))
    products = [product(0), product(1), later]
    listed(catalog, *products)
    for entry in products:
        publish(catalog, entry, b"abc")
        catalog.checks.record([changed(held(catalog, entry))])
    query = Query(STACKS, NIGHT.day)
    catalog.listings.record_poll(Poll(query, sweep=False), withdrawn=[product(1)])
    found = catalog.files.damaged(ALL, 10)
    assert [file.product for file in found] == [later, product(0), product(1)]
    assert [file.product for file in catalog.files.damaged(ALL, 1)] == [later]
    assert {(file.reason, file.size, file.state) for file in found} == {("cut", 3, State.PUBLISHED)}
    assert [file.programs for file in found] == [(PROGRAM,), (PROGRAM,), ()]
    assert [file.withdrawn for file in found] == [False, False, True]
    assert catalog.files.count_damaged(ALL) == {Damage.MISSING: 0, Damage.CHANGED: 3}
    assert catalog.files.count_damaged(Scope(("2024B000",)))[Damage.CHANGED] == 0
    assert catalog.checks.want_damaged(ALL) == 2


def test_the_nights_that_are_here_are_known_newest_first(catalog: Catalog) -> None:
    """Of any program, within the other limits of a scope."""
    nights = [NIGHT, NIGHT.plus(2), NIGHT.plus(1)]
    for night in nights:
        listed(catalog, product(0, night=night))
        publish(catalog, product(0, night=night), b"abc")
    listed(catalog, product(0, night=NIGHT.plus(3)))
    assert catalog.files.held_nights(ALL) == [NIGHT.plus(2), NIGHT.plus(1), NIGHT]
    late = Scope(("2024B000",), first_night=NIGHT.plus(1))
    assert catalog.files.held_nights(late) == [NIGHT.plus(2), NIGHT.plus(1)]


def test_which_files_of_a_tree_are_known(catalog: Catalog) -> None:
    """However many are asked about; in whatever case a file system without case writes them."""
    products = [product(number) for number in range(3)]
    listed(catalog, *products)
    paths = [path_of(entry) for entry in products]
    foreign = [f"mine {number}.fits" for number in range(2000)]
    assert catalog.files.known_paths([*foreign[:1500], *paths, *foreign[1500:]]) == set(paths)
    assert catalog.files.known_paths([paths[0].upper()]) == {paths[0]}
    assert catalog.files.known_paths([]) == set()
