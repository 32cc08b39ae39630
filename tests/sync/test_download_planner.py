"""Whole downloads by our decisions from modelled servers, on a clock that is driven."""

from __future__ import annotations

import math
from collections import Counter
from random import Random
from statistics import median
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.driven_downloads import BEGINNING, DrivenDownloads, Zipping, products

from winter_sync.core.clocks import Time
from winter_sync.core.traits import FETCH_ORDER, ImageType
from winter_sync.sync.download_planner import (
    FORGOTTEN_AFTER,
    KEPT,
    KEPT_FAILURES,
    ClientLimits,
    DownloadPlanner,
    remembered,
)
from winter_sync.sync.server_model import Transfer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winter_sync.core.downloads import Candidate

SIZE = 20_700_000
EQUAL = {ImageType.RAW: 58}
"""1.2 GB, as in issue 14."""
MIXED = {
    ImageType.STACK: 5,
    ImageType.DIFF: 8,
    ImageType.AVRO: 8,
    ImageType.SCIENCE: 6,
    ImageType.RAW: 20,
    ImageType.EXPOSURE: 11,
}
"""As much, of all types in their sizes."""
LATER = 3600.0


def sizes_of(listed: list[Candidate]) -> dict[str, int]:
    """Return the bytes of products whose sizes are what is expected."""
    return {each.path: each.expected_size for each in listed}


def download(
    counts: Mapping[ImageType, int],
    server: Zipping,
    size: int | None = None,
    *,
    learnt: DrivenDownloads | None = None,
    interval: float = 0.0,
) -> tuple[DrivenDownloads, float]:
    """Download products; return how, and the share of the best that the server allows."""
    listed = products(counts, size)
    transfers = learnt.planner.transfers if learnt is not None else ()
    now = learnt.now + LATER if learnt is not None else 0.0
    run = DrivenDownloads(server, sizes_of(listed), 4, interval, transfers, now)
    seconds = run.run((0.0, listed))
    arrived = [each for request in run.asked if request.arrived for each in request.candidates]
    assert Counter(each.path for each in arrived) == Counter(run.sizes.keys()), "each product once"
    return run, server.limit(sum(run.sizes.values()), 4) / seconds


@pytest.mark.parametrize(
    ("counts", "size", "first", "then"), [(EQUAL, SIZE, 0.92, 0.96), (MIXED, None, 0.85, 0.9)]
)
def test_a_server_that_zips_first_is_used_to_its_limit(
    counts: Mapping[ImageType, int], size: int | None, first: float, then: float
) -> None:
    """From the first run on, with few requests; what was learnt makes the next ones fewer."""
    fresh, share = download(counts, Zipping(), size)
    assert share >= first
    assert len(fresh.asked) <= 12
    again, share = download(counts, Zipping(), size, learnt=fresh)
    assert share >= then
    assert len(again.asked) <= max(4, len(counts) + 4)


def test_requests_of_one_type_are_even() -> None:
    """Four requests for four connections, which differ by one product."""
    fresh, _ = download(EQUAL, Zipping(), SIZE)
    again, _ = download(EQUAL, Zipping(), SIZE, learnt=fresh)
    assert sorted(len(request.candidates) for request in again.asked) == [14, 14, 15, 15]


@pytest.mark.parametrize(
    ("server", "least"),
    [
        (Zipping(fixed=0.02, zip_rate=1e12), 0.93),
        (Zipping(fixed=2.0, zip_rate=2e6, rate=1e6), 0.9),
    ],
    ids=["streams", "slow"],
)
def test_other_servers_are_used_well(server: Zipping, least: float) -> None:
    """At the first run and with what was learnt."""
    run: DrivenDownloads | None = None
    for _ in range(2):
        run, share = download(EQUAL, server, SIZE, learnt=run)
        assert share >= least


def test_what_a_server_cannot_zip_is_learnt() -> None:
    """A few requests are too large; then none is, for as long as that is remembered."""
    counts = {ImageType.RAW: 290}
    run, share = download(counts, Zipping(largest=150e6), SIZE)
    assert sum(not request.arrived for request in run.asked) <= 8
    assert share >= 0.65
    again, share = download(counts, Zipping(largest=150e6), SIZE, learnt=run)
    assert all(request.arrived for request in again.asked)
    assert share >= 0.8


def test_a_server_that_varies_is_still_used() -> None:
    """Requests that take up to three times as long as others."""
    shares = []
    for seed in range(9):
        random = Random(seed)  # noqa: S311 - a server's moods
        server = Zipping(varies=lambda random=random: math.exp(random.uniform(-0.55, 0.55)))  # type: ignore[misc]
        shares.append(download({ImageType.RAW: 116}, server, SIZE)[1])
    assert median(shares) >= 0.7
    assert min(shares) >= 0.5


def test_a_spacing_of_requests_is_reckoned_with() -> None:
    """A second between requests costs the stagger of the first, and little more."""
    fresh, _ = download(EQUAL, Zipping(), SIZE, interval=1.0)
    again, _ = download(EQUAL, Zipping(), SIZE, interval=1.0, learnt=fresh)
    ends = [request.ended for request in again.asked]
    assert len(ends) == 4
    assert max(ends) - min(ends) <= 1.5


def test_the_stacks_of_a_small_night_travel_together() -> None:
    """Of a server that is not known either: little is asked for in one request."""
    run = DrivenDownloads(Zipping(), sizes_of(listed := products({ImageType.STACK: 5})))
    run.run((0.0, listed))
    assert len(run.asked) == 1


def test_small_files_travel_by_the_hundred() -> None:
    """10,000 files of 6 kB need less than a request for each 100."""
    listed = products({ImageType.STACK: 2000})
    run = DrivenDownloads(Zipping(), dict.fromkeys(sizes_of(listed), 6000))
    run.run((0.0, listed))
    assert len(run.asked) <= 20


def test_what_is_listed_later_is_neither_waited_for_nor_taken_in_crumbs() -> None:
    """Six polls, half a second apart: downloads begin at once, and requests stay few."""
    listed = products(MIXED)
    arrivals = [
        (0.5 * number, [each for each in listed if each.product.image_type is image_type])
        for number, image_type in enumerate(FETCH_ORDER)
    ]
    run = DrivenDownloads(Zipping(), sizes_of(listed))
    seconds = run.run(*arrivals)
    assert run.asked[0].began == 0
    assert len(run.asked) <= 13
    assert Zipping().limit(sum(run.sizes.values()), 4) / seconds >= 0.75


@given(
    st.dictionaries(st.sampled_from(ImageType), st.integers(1, 60), min_size=1),
    st.sampled_from([6_000, 1_000_000, 20_000_000, 300_000_000, 900_000_000]),
    st.integers(1, 16),
)
@settings(max_examples=15)
def test_no_request_asks_for_too_much(
    counts: Mapping[ImageType, int], size: int, connections: int
) -> None:
    """Each product once; bytes and products within their limits, and types in their order."""
    listed = products(counts, size)
    run = DrivenDownloads(Zipping(), sizes_of(listed), connections)
    run.run((0.0, listed))
    assert Counter(one.path for each in run.asked for one in each.candidates) == Counter(
        run.sizes.keys()
    )
    for request in run.asked:
        assert len(request.candidates) <= 256
        assert len(request.candidates) == 1 or request.size <= 512_000_000
    began = [FETCH_ORDER.index(each.candidates[0].product.image_type) for each in run.asked]
    assert began == sorted(began)


def test_a_batch_is_never_so_large_that_the_server_seems_dead() -> None:
    """A quarter of the longest wait for a first byte is enough for its zip."""
    now = BEGINNING.timestamp()
    learnt = [Transfer(now, 1, size, 1.0 + size / 1e5, 0.1) for size in (10**6, 10**7, 3 * 10**7)]
    time = Time(clock=lambda: BEGINNING)
    for first_byte in (20.0, 100.0):
        planner = DownloadPlanner(lambda: 4, ClientLimits(0.0, first_byte), time, learnt)
        largest = planner.conditions(10**12).largest
        assert largest / 1e5 <= first_byte / 4
        assert largest > 0


def test_only_the_last_and_young_are_remembered() -> None:
    """So many that arrived and so many that failed, and nothing of the future."""
    many = [Transfer(float(n), 1, 1, n % 2 or None) for n in range(200)]
    kept = remembered(many, 200.0)
    assert sum(each.waited is not None for each in kept) == KEPT
    assert sum(each.waited is None for each in kept) == KEPT_FAILURES
    assert list(kept) == sorted(kept, key=lambda each: each.at)
    assert remembered(many, 10.0) == tuple(many[:11])
    assert remembered(many, 86_400.0 * 2) == tuple(each for each in many if each.waited)[-KEPT:]
    assert remembered(many, FORGOTTEN_AFTER + 200) == ()
