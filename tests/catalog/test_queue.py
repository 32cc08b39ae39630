"""What may be fetched, in which order, and by whom."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from support.catalogs import (
    ALL,
    DIFF,
    OTHER,
    REPROCESSED,
    SPRING,
    STACK,
    candidates,
    commit,
    count_wanted,
    poll,
    publish,
    subject,
    waiting,
)
from support.makers import NIGHT, PROGRAM, path_of, product, row

from winter_sync.catalog import outcomes
from winter_sync.catalog.records import Poll, Scope, Waiting
from winter_sync.core import Share
from winter_sync.core.downloads import Failed, Missing
from winter_sync.core.marks import Marks
from winter_sync.core.products import State
from winter_sync.core.queries import Query, Subject, Target
from winter_sync.core.traits import FETCH_ORDER, ImageType, Instrument

if TYPE_CHECKING:
    from support.clock import Clock

    from winter_sync.catalog.catalog import Catalog


def test_the_order_of_fetching(catalog: Catalog) -> None:
    """First what is untroubled, then the newest night, then the type, then the name."""
    tonight, before = NIGHT, NIGHT.plus(-1)
    expected = [
        product(0, ImageType.STACK, night=tonight),
        product(1, ImageType.STACK, night=tonight),
        product(0, ImageType.DIFF, night=tonight),
        product(0, ImageType.EXPOSURE, night=tonight),
        product(0, ImageType.STACK, night=before),
        product(2, ImageType.STACK, night=tonight),
    ]
    poll(catalog, reversed(expected))
    (troubled,) = (
        candidate for candidate in candidates(catalog) if candidate.product == expected[-1]
    )
    commit(catalog, Failed(troubled, "it was dark"))
    assert waiting(catalog) == expected
    assert [candidate.product for candidate in candidates(catalog, limit=2)] == expected[:2]
    swapped = catalog.queue.candidates(ALL, tuple(reversed(FETCH_ORDER)), 2)
    assert [candidate.product for candidate in swapped] == [expected[3], expected[2]]


SCOPES = {
    "two programs": (ALL, {"stack", "diff", "spring", "earlier"}),
    "one program": (Scope((PROGRAM,)), {"stack", "diff", "spring", "earlier"}),
    "the other program": (Scope((OTHER,)), {"stack"}),
    "no program": (Scope(()), set()),
    "an unknown program": (Scope(("2019Z999",)), set()),
    "a type": (replace(ALL, image_types=(ImageType.DIFF,)), {"diff"}),
    "two types": (replace(ALL, image_types=(ImageType.DIFF, ImageType.AVRO)), {"diff"}),
    "a camera": (replace(ALL, instruments=(Instrument.SPRING,)), {"spring"}),
    "since": (replace(ALL, first_night=NIGHT), {"stack", "diff", "spring"}),
    "until": (replace(ALL, last_night=NIGHT.plus(-1)), {"earlier"}),
    "one night": (
        replace(ALL, first_night=NIGHT.plus(-1), last_night=NIGHT.plus(-1)),
        {"earlier"},
    ),
    "a subject": (replace(ALL, subjects=(subject(),)), {"stack", "earlier"}),
    "two subjects": (
        replace(ALL, subjects=(subject(kind=ImageType.DIFF), subject(OTHER))),
        {"diff", "stack"},
    ),
    "another region": (replace(ALL, subjects=(subject(region=Target("x")),)), set()),
    "all at once": (
        replace(ALL, subjects=(subject(),), image_types=(ImageType.STACK,), first_night=NIGHT),
        {"stack"},
    ),
}


@pytest.mark.parametrize(("scope", "expected"), SCOPES.values(), ids=SCOPES)
def test_a_scope_narrows_everything(catalog: Catalog, scope: Scope, expected: set[str]) -> None:
    """Programs, types, nights and subjects narrow what is fetched, counted and shown alike."""
    names = {
        STACK: "stack",
        DIFF: "diff",
        SPRING: "spring",
        product(0, night=NIGHT.plus(-1)): "earlier",
    }
    for name in names:
        asked = Query(Subject(PROGRAM, name.instrument, name.image_type), date(2024, 1, 1))
        catalog.listings.record_poll(Poll(asked, sweep=False), listed=[(row(name), path_of(name))])
    poll(catalog, [STACK], program=OTHER)
    assert {names[candidate] for candidate in waiting(catalog, scope)} == expected
    assert count_wanted(catalog, scope) == len(expected)
    assert sum(count.wanted for count in catalog.views.night_counts(scope)) == len(expected)
    commit(catalog, *(Failed(candidate, "it was dark") for candidate in candidates(catalog)))
    assert {names[trouble.product] for trouble in catalog.views.troubles(scope, 10)} == expected


def test_what_is_wanted_is_counted_by_night_and_type(catalog: Catalog) -> None:
    """With how many of it failed before; what somebody is fetching does not count."""
    earlier = product(0, night=NIGHT.plus(-1))
    poll(catalog, [STACK, product(1), product(2), DIFF, earlier])
    first, second, *_ = candidates(catalog)
    commit(catalog, Failed(first, "it was dark"), Failed(second, "it was dark"))
    assert set(catalog.queue.wanted(ALL)) == {
        Share(NIGHT, Instrument.WINTER, ImageType.STACK, 3, failed=2),
        Share(NIGHT, Instrument.WINTER, ImageType.DIFF, 1),
        Share(NIGHT.plus(-1), Instrument.WINTER, ImageType.STACK, 1),
    }
    catalog.queue.claim(
        [candidate for candidate in candidates(catalog) if candidate.product == DIFF], "s1"
    )
    assert count_wanted(catalog, ALL) == 4


def test_a_missing_product_says_so_when_it_may_be_asked_for_again(catalog: Catalog) -> None:
    """Its candidate says that it was missing, so that it is not counted as wanted."""
    poll(catalog, [STACK])
    (before,) = candidates(catalog)
    commit(catalog, Missing(before))
    (after,) = candidates(catalog)
    assert (before.state, after.state) == (State.WANTED, State.MISSING)


def test_a_wait_that_a_wrong_clock_began_ends_with_it(catalog: Catalog, clock: Clock) -> None:
    """What failed or was missing while the clock was ahead by years is not left alone for years."""
    poll(catalog, [STACK, DIFF])
    clock.advance(days=4000)
    taken = {candidate.product: candidate for candidate in candidates(catalog)}
    commit(catalog, Failed(taken[STACK], "it was dark", sha256="abc"), wait=timedelta(hours=6))
    commit(catalog, Missing(taken[DIFF]), wait=timedelta(hours=24))
    assert waiting(catalog) == []
    clock.advance(days=-4000)
    assert catalog.queue.next_retry(ALL) == clock()
    again = {candidate.product: candidate for candidate in candidates(catalog)}
    assert set(again) == {STACK, DIFF}
    assert again[STACK].refused_sha256 == "abc"
    commit(catalog, Failed(again[STACK], "it was dark"), wait=timedelta(hours=6))
    commit(catalog, Missing(again[DIFF]), wait=timedelta(hours=24))
    assert waiting(catalog) == []
    assert catalog.queue.next_retry(ALL) == clock() + timedelta(hours=6)


def test_a_product_of_two_programs_is_fetched_once(catalog: Catalog) -> None:
    """It is one candidate, under the first program of the scope by name."""
    poll(catalog, [STACK], program=OTHER)
    poll(catalog, [STACK])
    assert [candidate.program for candidate in candidates(catalog)] == [PROGRAM]
    assert [candidate.program for candidate in candidates(catalog, Scope((OTHER,)))] == [OTHER]
    assert count_wanted(catalog, ALL) == 1


def test_the_marks_of_a_candidate_are_those_of_all_its_listings(catalog: Catalog) -> None:
    """Two programs may list one product with different marks: a fetch settles both of them.

    Otherwise the next poll would take one of them for a change, for ever.
    """
    poll(catalog, [STACK])
    poll(catalog, [STACK], program=OTHER, marks=REPROCESSED)
    ((program, marks),) = [
        (candidate.program, candidate.marks) for candidate in candidates(catalog)
    ]
    assert program == PROGRAM
    assert marks.cover(REPROCESSED)
    assert marks.cover(Marks("2024-02-01T00:00:00", "1.0"))


def test_how_large_a_product_will_be(catalog: Catalog) -> None:
    """Its own last size counts, else the average of its kind, else the type's."""
    poll(catalog, [STACK, DIFF, product(1), SPRING])
    sizes = {candidate.product: candidate.expected_size for candidate in candidates(catalog)}
    assert sizes[STACK] == ImageType.STACK.traits.typical_size
    publish(catalog, STACK, b"x" * 10)
    publish(catalog, product(1), b"x" * 20)
    poll(catalog, [product(2)], wanted=[row(STACK)])
    sizes = {candidate.product: candidate.expected_size for candidate in candidates(catalog)}
    assert sizes == {
        STACK: 10,
        product(2): 15,
        DIFF: ImageType.DIFF.traits.typical_size,
        SPRING: ImageType.STACK.traits.typical_size,
    }


def test_only_recent_sizes_tell_the_next(
    catalog: Catalog, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the observatory's files grow, the expectation follows."""
    monkeypatch.setattr(outcomes, "_RECENT", 2)
    poll(catalog, [product(number) for number in range(10)])
    for number, size in enumerate((1000, *[10] * 7)):
        publish(catalog, product(number), b"x" * size)
        clock.advance(minutes=1)
    (expected,) = {candidate.expected_size for candidate in candidates(catalog)}
    assert 10 <= expected < 20


def test_what_is_claimed_is_not_offered(catalog: Catalog) -> None:
    """A claimed product is nobody else's, until it is released as it was."""
    poll(catalog, [STACK, DIFF])
    found = candidates(catalog)
    assert catalog.queue.claim(found[:1], "one") == (found[0],)
    assert candidates(catalog) == found[1:]
    assert catalog.queue.claim(found, "two") == (found[1],)
    assert catalog.queue.claimants() == ["one", "two"]
    catalog.queue.release(found)
    assert candidates(catalog) == found
    assert catalog.queue.claimants() == []


def test_what_was_published_meanwhile_is_not_claimed(catalog: Catalog) -> None:
    """A candidate that another process has finished with since is not taken again."""
    poll(catalog, [STACK])
    found = candidates(catalog)
    publish(catalog, STACK, b"content")
    assert catalog.queue.claim(found, "late") == ()


def test_what_was_missing_meanwhile_is_not_claimed(catalog: Catalog) -> None:
    """A candidate that another process has since found missing waits as that one decided."""
    poll(catalog, [STACK])
    found = candidates(catalog)
    (taken,) = catalog.queue.claim(found, "quick")
    commit(catalog, Missing(taken), wait=timedelta(hours=3))
    assert catalog.queue.claim(found, "late") == ()


def test_leases_of_the_dead_are_taken_back(catalog: Catalog) -> None:
    """Sessions that are not alive lose what they claimed; those that are alive keep it."""
    poll(catalog, [STACK, DIFF, product(1)])
    for candidate, session in zip(candidates(catalog), ("alive", "dead", "gone"), strict=True):
        catalog.queue.claim([candidate], session)
    assert catalog.queue.release_sessions(["alive"]) == 2
    assert catalog.queue.claimants() == ["alive"]
    assert catalog.queue.release_sessions([]) == 1
    assert len(waiting(catalog)) == 3


def test_a_session_that_began_meanwhile_keeps_its_leases(catalog: Catalog) -> None:
    """Who claimed after the claimants were asked for is not judged."""
    poll(catalog, [STACK, DIFF])
    found = candidates(catalog)
    catalog.queue.claim(found[:1], "dead")
    among = catalog.queue.claimants()
    catalog.queue.claim(found[1:], "newcomer")
    assert catalog.queue.release_sessions([], among) == 1
    assert catalog.queue.claimants() == ["newcomer"]


def test_all_leases_of_a_session_are_taken_back_at_once(catalog: Catalog) -> None:
    """A session can give up whatever it has claimed, and no other loses anything."""
    poll(catalog, [STACK, DIFF, product(1)])
    found = candidates(catalog)
    catalog.queue.claim(found[:2], "one")
    catalog.queue.claim(found[2:], "two")
    assert catalog.queue.release_all("one") == 2
    assert catalog.queue.release_all("one") == 0
    assert catalog.queue.claimants() == ["two"]


def test_it_is_known_when_something_may_be_tried_again(catalog: Catalog, clock: Clock) -> None:
    """At once, later, or never: what is leased, withdrawn or here does not count."""
    assert catalog.queue.next_retry(ALL) is None
    poll(catalog, [STACK, DIFF])
    assert catalog.queue.next_retry(ALL) == clock()
    for claimable in candidates(catalog):
        wait = timedelta(hours=2 if claimable.product == STACK else 1)
        commit(catalog, Failed(claimable, "no"), wait=wait)
    assert catalog.queue.next_retry(ALL) == clock() + timedelta(hours=1)
    poll(catalog, withdrawn=[DIFF])
    assert catalog.queue.next_retry(ALL) == clock() + timedelta(hours=2)
    clock.advance(hours=2)
    publish(catalog, STACK, b"content")
    assert catalog.queue.next_retry(ALL) is None


def wait_apart(catalog: Catalog) -> None:
    """Let two stacks of one program fail, a third be missing, and a diff of another fail."""
    poll(catalog, [STACK, product(1), product(2)])
    poll(catalog, [DIFF], program=OTHER)
    for taken in candidates(catalog):
        match taken.product:
            case one if one == product(2):
                commit(catalog, Missing(taken), wait=timedelta(hours=3))
            case one:
                hours = 1 if one == product(1) else 2
                commit(catalog, Failed(taken, "it was dark"), wait=timedelta(hours=hours))


def test_how_many_wait_and_until_when(catalog: Catalog, clock: Clock) -> None:
    """Counted by state, each with the first time that one of them is due; none that may go now."""
    wait_apart(catalog)
    poll(catalog, [product(3)])
    first, missing = clock() + timedelta(hours=1), clock() + timedelta(hours=3)
    assert sorted(catalog.queue.waiting(Scope((PROGRAM,))), key=lambda one: one.state) == [
        Waiting(State.MISSING, 1, missing),
        Waiting(State.WANTED, 2, first),
    ]
    assert {candidate.state: candidate.products for candidate in catalog.queue.waiting(ALL)} == {
        State.MISSING: 1,
        State.WANTED: 3,
    }
    clock.advance(hours=1)
    counts = {
        candidate.state: candidate.products
        for candidate in catalog.queue.waiting(Scope((PROGRAM,)))
    }
    assert counts == {State.MISSING: 1, State.WANTED: 1}
    clock.advance(hours=2)
    assert catalog.queue.waiting(ALL) == []


def test_what_waits_for_a_time_that_a_wrong_clock_set_is_not_waiting(
    catalog: Catalog, clock: Clock
) -> None:
    """It may be fetched at once, and no date years ahead is shown."""
    poll(catalog, [STACK])
    clock.advance(days=4000)
    commit(catalog, Failed(candidates(catalog)[0], "it was dark"), wait=timedelta(hours=6))
    clock.advance(days=-4000)
    assert catalog.queue.waiting(ALL) == []


def test_what_waits_may_be_fetched_at_once_on_demand(catalog: Catalog) -> None:
    """Failed and missing products of a scope alike, once; those of other programs go on waiting."""
    wait_apart(catalog)
    assert waiting(catalog) == []
    assert catalog.queue.retry_now(Scope((PROGRAM,))) == 3
    assert set(waiting(catalog)) == {STACK, product(1), product(2)}
    assert count_wanted(catalog, Scope((PROGRAM,))) == 3
    assert [candidate.products for candidate in catalog.queue.waiting(ALL)] == [1]
    assert catalog.queue.retry_now(Scope((PROGRAM,))) == 0
    taken = {candidate.product: candidate for candidate in candidates(catalog)}
    assert taken[STACK].attempts == 1
    commit(catalog, Failed(taken[STACK], "it was dark"), wait=timedelta(hours=4))
    assert STACK not in waiting(catalog)


def test_what_nobody_lists_any_more_is_not_fetched_on_demand(catalog: Catalog) -> None:
    """Neither what was withdrawn nor what arrived is wanted by asking for it again."""
    wait_apart(catalog)
    poll(catalog, withdrawn=[STACK])
    poll(catalog, [product(3)])
    publish(catalog, product(3), b"content")
    assert catalog.queue.retry_now(ALL) == 3
    assert set(waiting(catalog)) == {DIFF, product(1), product(2)}
