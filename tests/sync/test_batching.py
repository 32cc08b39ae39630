"""What travels together in one download, and in which order."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from support.named import OTHER_PROGRAM, PROGRAM, candidate, check_batch, product

from winter_sync.core.downloads import Candidate
from winter_sync.core.traits import FETCH_ORDER, ImageType, Instrument
from winter_sync.sync.batching import (
    ALONE,
    Conditions,
    batch_limit,
    choose_alone,
    choose_batch,
)
from winter_sync.sync.server_model import MOST

some_products = st.builds(
    product,
    st.sampled_from([f"{folder}/{name}.fits" for folder in "abc" for name in range(25)]),
    st.sampled_from([ImageType.STACK, ImageType.DIFF]),
    st.sampled_from(Instrument),
)


some_candidates = st.lists(
    st.builds(
        candidate,
        some_products,
        program=st.sampled_from([PROGRAM, OTHER_PROGRAM]),
        attempts=st.sampled_from([0, 0, 0, 1, 2, 3, 40]),
        size=st.sampled_from([1, 1_000_000, 10_000_000, 300_000_000]),
    ),
    max_size=120,
    unique_by=lambda one: one.product.identity,
)


@given(some_candidates)
def test_a_batch_has_what_may_travel_together(candidates: list[Candidate]) -> None:
    """One program, camera, type and number of failures; no name twice; not too much."""
    chosen = choose_batch(candidates)
    if not candidates:
        assert chosen == ()
        return
    check_batch(chosen)
    assert chosen[0] == candidates[0]
    assert [queued for queued in candidates if queued in chosen] == list(chosen)


@given(some_candidates)
def test_batches_come_to_an_end_with_nothing_left_out(candidates: list[Candidate]) -> None:
    """Batch after batch, each candidate is chosen once."""
    left, seen = list(candidates), list[Candidate]()
    while left:
        chosen = choose_batch(left)
        seen += chosen
        left = [queued for queued in left if queued not in chosen]
    assert len(seen) == len(candidates)


def test_a_batch_is_filled() -> None:
    """On one connection small products fill a batch to its 256, large ones to its 256 MB."""
    assert (MOST, ALONE.largest) == (256, 256_000_000)
    small = [candidate(product(str(n)), size=1) for n in range(1024)]
    large = [candidate(product(str(n)), size=ALONE.largest // 4) for n in range(100)]
    huge = [candidate(product(str(n)), size=ALONE.largest + 1) for n in range(99)]
    assert len(choose_batch(small)) == MOST
    assert len(choose_batch(large)) == 4
    assert len(choose_batch(huge)) == 1


def test_what_cannot_come_along_keeps_nothing_behind_it_from_coming() -> None:
    """What is too large, has the same name or another kind is passed over, not a last one."""
    first, last = candidate(product("a/1")), candidate(product("a/2"))
    for between in (
        candidate(product("a/3"), size=10**9),
        candidate(product("b/1")),
        candidate(product("a/3", ImageType.DIFF)),
    ):
        assert choose_batch([first, between, last], Conditions(room=10**8)) == (first, last)


def test_room_is_used_to_the_last_byte() -> None:
    """What fits exactly is taken; one byte less, and it is not."""
    small = [candidate(product(str(n)), size=1000) for n in range(3)]
    assert choose_batch(small, Conditions(room=3000)) == tuple(small)
    assert choose_batch(small, Conditions(room=2999)) == tuple(small[:2])
    assert choose_batch(small, Conditions(room=1000)) == tuple(small[:1])
    assert choose_batch(small, Conditions(room=999)) == ()


def test_a_probe_is_one_product_of_what_is_not_in_doubt() -> None:
    """Whether the server serves is tried with what it did not just fail to serve, if it can be."""
    stack, diff = candidate(product()), candidate(product(image_type=ImageType.DIFF))
    spring = candidate(product(instrument=Instrument.SPRING))
    other = candidate(product(), program=OTHER_PROGRAM)
    everything = [stack, diff, spring, other]
    doubtful = [(PROGRAM, Instrument.WINTER, ImageType.STACK)]
    assert choose_alone(everything, []) == (stack,)
    for entry in (diff, spring, other):
        assert choose_alone([stack, entry, entry], doubtful) == (entry,)
    assert choose_alone([stack, stack], doubtful) == (stack,)
    assert choose_alone([], doubtful) == ()


@given(st.integers(0, 100))
def test_failures_make_batches_smaller(attempts: int) -> None:
    """Each failure shrinks the company, until a product stands alone."""
    limit, next_limit = batch_limit(attempts), batch_limit(attempts + 1)
    assert next_limit < limit or next_limit == limit == 1
    assert [batch_limit(times) for times in range(4)] == [256, 32, 4, 1]


def test_everything_has_its_place_in_the_order() -> None:
    """Each type is fetched at some time, the small and looked-at ones before the large."""
    assert sorted(FETCH_ORDER) == sorted(ImageType)
    assert FETCH_ORDER[0] is ImageType.STACK
    assert FETCH_ORDER[-1] is ImageType.EXPOSURE


@given(st.integers(1, 2 * MOST), st.data())
def test_a_product_that_breaks_its_batch_is_singled_out_in_few_tries(
    count: int, data: st.DataObject
) -> None:
    """However small the batch was: each try has at most an eighth of the company, rounded up."""
    broken = f"{data.draw(st.integers(0, count - 1)):04}"
    left = [candidate(product(f"{number:04}"), size=1) for number in range(count)]
    companies: list[int] = []
    while left:
        chosen = choose_batch(sorted(left, key=lambda each: each.attempts))
        left = [each for each in left if each not in chosen]
        if any(each.product.filename == broken for each in chosen):
            companies.append(len(chosen))
            again = chosen if len(chosen) > 1 else ()
            left += [replace(each, attempts=each.attempts + 1) for each in again]
    assert companies[-1] == 1
    for before, after in pairwise(companies):
        assert after <= -(-before // 8)
