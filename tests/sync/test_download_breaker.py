"""What downloads show of the server: when to stop, and when to try again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.makers import batch, candidate, evidence, product

from winter_sync.core.downloads import Batch, Candidate, Failed, Missing, Unchanged
from winter_sync.core.errors import Cause
from winter_sync.core.traits import ImageType
from winter_sync.sync.batching import Conditions
from winter_sync.sync.download_breaker import DownloadBreaker
from winter_sync.sync.downloader import result_of
from winter_sync.sync.results import BatchResult, Fetched, Served

UNWELL = 3
IN_VAIN = 3
ALONE_IN_VAIN = 5


def alone(number: int) -> Batch:
    """Return a batch of one product."""
    return batch(candidate(product(number)))


def in_vain(asked: Batch) -> BatchResult:
    """Return the result of a download that brought nothing."""
    failed = (Failed(queued, "no", cause=Cause.OTHER) for queued in asked.candidates)
    return result_of(asked, Fetched(tuple(failed)))


def _unchanged(one: Candidate) -> Unchanged:
    return Unchanged(one, evidence(one.product, b"as before"))


def test_what_is_asked_for_again_and_again_is_kept_once() -> None:
    """A product that cannot be had for years takes no more memory, and blames no server."""
    breaker = DownloadBreaker()
    for turn in range(10_000):
        asked = alone(turn % 2)
        assert not breaker.record(in_vain(asked))
    assert len(breaker._in_vain) == 2


def test_several_products_in_vain_are_the_servers_fault() -> None:
    """Reported once; after a pause one more is enough, and each pause is reported."""
    breaker = DownloadBreaker()
    told = [breaker.record(in_vain(alone(number))) for number in range(ALONE_IN_VAIN + 1)]
    assert told == [False] * (ALONE_IN_VAIN - 1) + [True, False]
    for number in range(10, 20):
        breaker.close()
        assert not breaker.is_open
        assert breaker.record(in_vain(alone(number)))
    assert len(breaker._in_vain) <= ALONE_IN_VAIN


def test_damage_that_comes_clears_no_server() -> None:
    """One product after the other that arrives damaged is as good as none."""
    breaker = DownloadBreaker()
    for number in range(ALONE_IN_VAIN):
        (one,) = alone(number).candidates
        damaged = Failed(one, "its CRC is wrong", blamed=True, cause=Cause.DAMAGED)
        given_up = breaker.record(result_of(alone(number), Fetched((damaged,))))
    assert given_up
    assert Fetched((damaged,)).why_nothing == "its CRC is wrong"


def test_what_has_often_failed_says_nothing_about_the_server() -> None:
    """Some products that can never be had do not let the others wait, however long that lasts."""
    breaker = DownloadBreaker()
    for turn in range(10 * ALONE_IN_VAIN):
        notorious = batch(replace(candidate(product(turn)), attempts=4))
        assert not breaker.record(in_vain(notorious))
    assert not breaker._in_vain


def test_what_was_not_asked_for_says_nothing_about_the_server() -> None:
    """Neither good nor bad: what has something in the way on our own disk is not asked for."""
    breaker = DownloadBreaker()
    blocked = Failed(alone(9).candidates[0], "in the way", blamed=True, cause=Cause.STORAGE)
    for number in range(ALONE_IN_VAIN):
        given_up = breaker.record(in_vain(alone(number)))
        assert not breaker.record(result_of(alone(9), Fetched((blocked,), was_asked=False)))
    assert given_up


def test_what_comes_clears_the_server() -> None:
    """Also what it says it does not have, or what was here already."""
    for brings in (Missing, _unchanged):
        breaker = DownloadBreaker()
        for number in range(ALONE_IN_VAIN - 1):
            breaker.record(in_vain(alone(number)))
        breaker.record(result_of(alone(9), Fetched((brings(alone(9).candidates[0]),))))
        told = [breaker.record(in_vain(alone(number))) for number in range(10, 10 + ALONE_IN_VAIN)]
        assert told == [False] * (ALONE_IN_VAIN - 1) + [True]


def test_a_dead_server_is_given_up_anew_after_a_rest() -> None:
    """Three downloads that find it dead are enough, each time."""
    breaker = DownloadBreaker()
    unwell = BatchResult(alone(0), Served.UNWELL)
    for _ in range(3):
        assert [breaker.record(unwell) for _ in range(4)] == [False, False, True, False]
        breaker.close()


@pytest.mark.parametrize("served", [Served.PRODUCTS, Served.NOTHING])
def test_an_answer_shows_that_the_server_is_not_dead(served: Served) -> None:
    """Only downloads in a row that find it unwell count together: any answer starts anew."""
    breaker = DownloadBreaker()
    unwell = BatchResult(alone(0), Served.UNWELL)
    for _ in range(3):
        assert [breaker.record(unwell) for _ in range(UNWELL - 1)] == [False] * (UNWELL - 1)
        assert not breaker.record(BatchResult(alone(1), served))
    assert [breaker.record(unwell) for _ in range(UNWELL)] == [False] * (UNWELL - 1) + [True]


def test_a_batch_is_asked_for_until_several_in_a_row_bring_nothing() -> None:
    """Then one product alone, and of another kind than those, as long as there is one."""
    breaker = DownloadBreaker()
    stacks = [candidate(product(number), size=10) for number in range(4)]
    diffs = [candidate(product(number, ImageType.DIFF), size=20) for number in range(4)]
    for number in range(IN_VAIN):
        assert breaker.choose([*stacks, *diffs], Conditions(room=100)) == tuple(stacks)
        assert breaker.choose(stacks, Conditions(room=29)) == tuple(stacks[:2])
        breaker.record(in_vain(alone(number)))
    assert breaker.choose([*stacks, *diffs], Conditions(room=100)) == (diffs[0],)
    assert breaker.choose(stacks, Conditions(room=100)) == (stacks[0],)
    assert breaker.choose([*stacks, *diffs], Conditions(room=20)) == (diffs[0],)
    assert breaker.choose([*stacks, *diffs], Conditions(room=19)) == (stacks[0],)
    assert breaker.choose(diffs, Conditions(room=19)) == ()
