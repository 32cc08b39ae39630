"""What is counted by night, and what failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from support.catalogs import (
    ALL,
    DIFF,
    OTHER,
    STACK,
    candidates,
    commit,
    poll,
    publish,
    query,
    subject,
)
from support.makers import NIGHT, PROGRAM, product, row

from winter_sync.catalog.records import Check, NightCount, Poll, Scope, Trouble
from winter_sync.core.downloads import Failed, Missing
from winter_sync.core.products import Damage, State
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from support.clock import Clock

    from winter_sync.catalog.catalog import Catalog


def test_nights_are_counted_by_kind_and_state(catalog: Catalog) -> None:
    """Each night, camera and type has counts of what is here, pending, missing and withdrawn."""
    earlier = NIGHT.plus(-1)
    gone, lost, here = product(1), product(2), product(3)
    poll(catalog, [STACK, gone, lost, here, DIFF, product(0, night=earlier)])
    publish(catalog, here, b"x" * 100)
    publish(catalog, DIFF, b"x" * 10)
    commit(
        catalog,
        *(Missing(candidate) for candidate in candidates(catalog) if candidate.product == lost),
    )
    poll(catalog, withdrawn=[gone])
    nothing = NightCount(NIGHT, Instrument.WINTER, ImageType.STACK, 0, 0, 0, 0, 0)
    assert catalog.views.night_counts(ALL) == [
        replace(nothing, image_type=ImageType.DIFF, published=1, size=10),
        replace(nothing, published=1, wanted=1, missing=1, withdrawn=1, size=100),
        replace(nothing, night=earlier, wanted=1),
    ]


def test_bytes_are_those_of_the_products_that_count_as_here(catalog: Catalog) -> None:
    """Not of a file that was changed, nor of an earlier revision: what is counted is measured."""
    changed, again, gone, here = (product(number) for number in range(4))
    everything = [changed, again, gone, here]
    poll(catalog, everything)
    for size, each in enumerate(everything):
        publish(catalog, each, b"x" * 10**size)
    poll(catalog, [changed, again, here], wanted=[row(again)], withdrawn=[gone])
    (held,) = (each for each in catalog.files.held(ALL, NIGHT) if each.product == changed)
    catalog.checks.record_quick([Check(held, Damage.CHANGED, "edited")])
    (count,) = catalog.views.night_counts(ALL)
    (kind,) = catalog.nights.kinds(NIGHT, [PROGRAM])
    assert (count.published, count.withdrawn_here) == (2, 1)
    assert (count.size, count.withdrawn_size) == (1100, 100)
    assert (kind.count.size, kind.count.withdrawn_size) == (1100, 100)


def test_only_what_a_program_ever_listed_is_counted_for_it(catalog: Catalog) -> None:
    """Of the nights that count for some programs, what others alone listed is no part."""
    poll(catalog, [STACK, product(1)])
    poll(catalog, [product(1), product(2)], program=OTHER)
    poll(catalog, program=OTHER, withdrawn=[product(2)])
    counted = {
        programs: [
            (count.wanted, count.withdrawn) for count in catalog.views.night_counts(Scope(programs))
        ]
        for programs in [(PROGRAM,), (OTHER,), (PROGRAM, OTHER), ("2023A000",), ()]
    }
    assert counted == {
        (PROGRAM,): [(2, 0)],
        (OTHER,): [(1, 1)],
        (PROGRAM, OTHER): [(2, 1)],
        ("2023A000",): [],
        (): [],
    }


def test_troubles_are_what_was_tried_in_vain(catalog: Catalog) -> None:
    """What failed or is missing is returned with its reason, newest night first, up to a limit."""
    earlier = product(0, night=NIGHT.plus(-1))
    poll(catalog, [STACK, DIFF, earlier, product(1), product(2)])
    found = {candidate.product: candidate for candidate in candidates(catalog)}
    failed = [Failed(found[entry], "it was dark") for entry in (earlier, product(1))]
    commit(catalog, Missing(found[STACK]), *failed, wait=timedelta(hours=1))
    publish(catalog, DIFF, b"content")
    poll(catalog, withdrawn=[product(1)])
    again = "2024-02-01T13:00:00.000+00:00"
    expected = [
        Trouble(STACK, State.MISSING, 1, again, None),
        Trouble(earlier, State.WANTED, 1, again, "it was dark"),
    ]
    assert catalog.views.troubles(ALL, 10) == expected
    assert catalog.views.troubles(ALL, 1) == expected[:1]


def test_the_last_poll_of_each_kind(catalog: Catalog, clock: Clock) -> None:
    """The latest poll of every program, camera and type is returned, with its error if any."""
    catalog.listings.record_poll(Poll(query(), sweep=False, listed=5))
    catalog.listings.record_poll(Poll(query(subject(OTHER)), sweep=False, listed=7))
    clock.advance(hours=1)
    catalog.listings.record_poll(Poll(query(), sweep=False, error="it was dark"))
    said = [
        (record.program, record.at[11:13], record.listed, record.error)
        for record in catalog.polls.last()
    ]
    assert said == [(PROGRAM, "13", 0, "it was dark"), (OTHER, "12", 7, None)]
