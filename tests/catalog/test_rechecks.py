"""Nights whose marks changed: a sample is fetched first, and shows whether the rest must be."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from support.catalogs import (
    ALL,
    OTHER,
    REPROCESSED,
    candidates,
    commit,
    poll,
    publish,
    waiting,
)
from support.makers import NIGHT, PROGRAM, evidence, product, row

from winter_sync.catalog.records import Check
from winter_sync.core import Share
from winter_sync.core.downloads import Failed, Missing, Published, Unchanged
from winter_sync.core.marks import REFETCH_SAMPLE, Marks, evenly_spread
from winter_sync.core.products import Damage
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from winter_sync.catalog.catalog import Catalog
    from winter_sync.core.downloads import Candidate, Outcome
    from winter_sync.core.products import Product

STACKS = [product(number) for number in range(9)]
SAMPLE = evenly_spread(STACKS, REFETCH_SAMPLE)
"""What is fetched of them to see whether a night was made again."""
LISTED_FIRST = Marks("2024-02-01T00:00:00", "1.0")
LATER = Marks("2024-07-01T00:00:00", "3.0")


def reprocess(catalog: Catalog, *products: Product, program: str = PROGRAM) -> None:
    """List products with new marks, under which their content must be fetched again."""
    wanted = [row(product, program=program, marks=REPROCESSED) for product in products]
    poll(catalog, products, program=program, marks=REPROCESSED, wanted=wanted)


def fill(catalog: Catalog, *products: Product) -> None:
    """List products and let them arrive."""
    poll(catalog, products)
    for listed in products:
        publish(catalog, listed, b"content")


def outcome(taken: Candidate, content: bytes = b"content") -> Outcome:
    """Let a candidate arrive: unchanged, unless another content is given."""
    found = replace(evidence(taken.product, content), marks=taken.marks)
    return Unchanged(taken, found) if content == b"content" else Published(taken, found)


def fetch(catalog: Catalog, product: Product, content: bytes = b"content") -> tuple[Share, ...]:
    """Fetch a product; return what need not be fetched any more."""
    (taken,) = (found for found in candidates(catalog) if found.product == product)
    return catalog.outcomes.commit([outcome(taken, content)], lambda *_: timedelta())


def settled(catalog: Catalog, *products: Product) -> list[Marks]:
    """Return the marks under which products were last taken as right."""
    identities = [product.identity for product in products]
    return [known.settled_marks for known in catalog.listings.known(identities)]


def test_a_sample_that_is_the_same_settles_the_night(catalog: Catalog) -> None:
    """When the last of the sample turns out unchanged, and not before, no other is fetched."""
    fill(catalog, *STACKS)
    reprocess(catalog, *STACKS)
    assert waiting(catalog) == SAMPLE
    assert fetch(catalog, SAMPLE[0]) == ()
    assert waiting(catalog) == SAMPLE[1:]
    assert fetch(catalog, SAMPLE[1]) == ()
    assert waiting(catalog) == SAMPLE[2:]
    left = len(STACKS) - REFETCH_SAMPLE
    assert fetch(catalog, SAMPLE[2]) == (Share(NIGHT, Instrument.WINTER, ImageType.STACK, left),)
    assert (waiting(catalog), catalog.queue.next_retry(ALL)) == ([], None)
    assert catalog.views.summary([PROGRAM]).published == len(STACKS)
    assert all(marks.cover(REPROCESSED) for marks in settled(catalog, *STACKS))


def test_all_are_fetched_when_one_of_the_sample_is_new(catalog: Catalog) -> None:
    """A content that changed shows that the night was made again: none of it is held back."""
    fill(catalog, *STACKS)
    reprocess(catalog, *STACKS)
    fetch(catalog, SAMPLE[0])
    assert fetch(catalog, SAMPLE[1], b"made again") == ()
    assert waiting(catalog) == [stack for stack in STACKS if stack not in SAMPLE[:2]]
    for candidate in waiting(catalog):
        assert fetch(catalog, candidate) == ()


def test_each_recheck_takes_a_sample_of_its_own(catalog: Catalog) -> None:
    """What was unchanged at the last reprocessing says nothing of the next one."""
    fill(catalog, *STACKS)
    for marks in (REPROCESSED, LATER):
        poll(catalog, STACKS, marks=marks, wanted=[row(stack, marks=marks) for stack in STACKS])
        assert waiting(catalog) == SAMPLE
        assert [len(fetch(catalog, entry)) for entry in SAMPLE] == [0, 0, 1]


def test_a_recheck_of_others_takes_a_sample_of_them(catalog: Catalog) -> None:
    """Products that were the sample the last time, and have no new marks now, do not count."""
    fill(catalog, *STACKS)
    reprocess(catalog, *STACKS)
    for entry in SAMPLE:
        fetch(catalog, entry)
    others = [stack for stack in STACKS if stack not in SAMPLE]
    poll(catalog, others, marks=LATER, wanted=[row(entry, marks=LATER) for entry in others])
    assert waiting(catalog) == evenly_spread(others, REFETCH_SAMPLE)


def test_as_few_as_a_sample_are_all_fetched(catalog: Catalog) -> None:
    """Of so few products none is taken as unchanged without having been fetched."""
    few = STACKS[:REFETCH_SAMPLE]
    fill(catalog, *few)
    reprocess(catalog, *few)
    assert waiting(catalog) == few
    assert [fetch(catalog, entry) for entry in few] == [(), (), ()]
    reprocess(catalog, *few)
    assert waiting(catalog) == few


def test_what_arrives_for_another_reason_is_not_of_the_sample(catalog: Catalog) -> None:
    """A product listed only now, or lost and fetched again, says nothing of the new marks."""
    new = product(100)
    fill(catalog, *STACKS)
    reprocess(catalog, *STACKS[1:])
    sample = waiting(catalog)
    poll(catalog, [new])
    assert fetch(catalog, new, b"first content") == ()
    assert waiting(catalog) == sample
    (held,) = (held for held in catalog.files.held(ALL, NIGHT) if held.product == STACKS[0])
    catalog.checks.want_lost([Check(held, Damage.MISSING, "gone")])
    assert fetch(catalog, STACKS[0]) == ()
    assert [len(fetch(catalog, entry)) for entry in sample] == [0, 0, 1]


def test_a_damaged_product_does_not_wait_for_a_sample(catalog: Catalog) -> None:
    """One whose file is known to be wrong is fetched whatever becomes of the sample."""
    fill(catalog, *STACKS)
    (held,) = (held for held in catalog.files.held(ALL, NIGHT) if held.product == STACKS[1])
    catalog.checks.record([Check(held, Damage.CHANGED, "cut")])
    reprocess(catalog, *STACKS)
    assert STACKS[1] in waiting(catalog)
    assert len(waiting(catalog)) == 1 + REFETCH_SAMPLE


def test_one_that_cannot_be_downloaded_is_replaced_in_the_sample(catalog: Catalog) -> None:
    """A failure or a missing file shows nothing: another product is fetched in its place."""
    fill(catalog, *STACKS)
    reprocess(catalog, *STACKS)
    first, second, _ = candidates(catalog)
    commit(catalog, Failed(first, "it was dark"), wait=timedelta(hours=1))
    commit(catalog, Missing(second), wait=timedelta(hours=1))
    sample = waiting(catalog)
    assert len(sample) == REFETCH_SAMPLE
    assert not {first.product, second.product} & set(sample)
    (share,) = [share for entry in sample for share in fetch(catalog, entry)]
    assert share.products == len(STACKS) - 2 - REFETCH_SAMPLE


def test_a_withdrawn_product_is_no_sample(catalog: Catalog) -> None:
    """What the archive no longer lists is replaced, and the night does not wait for it."""
    fill(catalog, *STACKS)
    reprocess(catalog, *STACKS)
    poll(catalog, withdrawn=[SAMPLE[0]])
    sample = waiting(catalog)
    assert len(sample) == REFETCH_SAMPLE
    assert SAMPLE[0] not in sample
    (share,) = [share for entry in sample for share in fetch(catalog, entry)]
    assert share.products == len(STACKS) - 1 - REFETCH_SAMPLE


def test_nights_and_types_are_sampled_apart(catalog: Catalog) -> None:
    """Each night, type and camera has its own sample; one that is new ends only its own recheck."""
    earlier = [product(number, night=NIGHT.plus(-1)) for number in range(9)]
    diffs = [product(number, ImageType.DIFF) for number in range(9)]
    spring = [product(number, instrument=Instrument.SPRING) for number in range(9)]
    groups = (STACKS, earlier, diffs, spring)
    for group in groups:
        fill(catalog, *group)
    reprocess(catalog, *(product for group in groups for product in group))
    samples = [evenly_spread(group, REFETCH_SAMPLE) for group in groups]
    assert set(waiting(catalog)) == {product for sample in samples for product in sample}
    fetch(catalog, samples[1][0], b"made again")
    expected = {*samples[0], *earlier, *samples[2], *samples[3]} - {samples[1][0]}
    assert set(waiting(catalog)) == expected


def test_a_night_settled_by_its_sample_has_the_marks_of_all_programs(catalog: Catalog) -> None:
    """One that two programs list with different marks is not a change again for either of them."""
    fill(catalog, *STACKS)
    poll(catalog, STACKS, program=OTHER, marks=LATER)
    reprocess(catalog, *STACKS)
    for entry in SAMPLE:
        fetch(catalog, entry)
    assert waiting(catalog) == []
    for marks in settled(catalog, *STACKS):
        assert marks.cover(REPROCESSED)
        assert marks.cover(LATER)
        assert marks.cover(LISTED_FIRST)


def test_a_crash_in_a_recheck_does_not_hold_the_night_back(catalog: Catalog) -> None:
    """What a crash left of the sample counts as fetched, and new content ends the recheck."""
    fill(catalog, *STACKS)
    reprocess(catalog, *STACKS)
    assert catalog.outcomes.adopt(evidence(SAMPLE[0], b"content"))
    assert waiting(catalog) == SAMPLE[1:]
    assert catalog.outcomes.adopt(evidence(SAMPLE[1], b"made again"))
    assert waiting(catalog) == [stack for stack in STACKS if stack not in SAMPLE[:2]]
