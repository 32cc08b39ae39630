"""A run added up: right for every history of its products, in any order of events."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.makers import batch, candidate, evidence, product

from winter_sync.cli.progress.counts import Counts
from winter_sync.cli.progress.tally import Tally
from winter_sync.core import (
    Backlog,
    BatchEnded,
    BatchStarted,
    Event,
    Polled,
    PollFailed,
    PollsEnded,
    ProductFinished,
    Received,
    Retrying,
    ServerFailing,
    ServerRecovered,
    Share,
    shares,
)
from winter_sync.core.downloads import Candidate, Failed, Missing, Outcome, Published, Unchanged
from winter_sync.core.products import Night, Product, State
from winter_sync.core.queries import Query, Subject
from winter_sync.core.traits import ImageType, Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NIGHTS = [Night("20240211"), Night("20240212"), Night("20240213")]
KIND = (Instrument.WINTER, ImageType.STACK)
QUERY = Query(Subject("2024A000", *KIND), NIGHTS[0].day)
SIZE = 1000


def polled(*products: Product) -> Polled:
    """Make the event of a listing in which these are new."""
    return Polled(QUERY, len(products), len(products), 0, 0, 0, 0.1, shares(products))


def settled(outcome: str, one: Candidate) -> ProductFinished:
    """Make the event of the end of a product."""
    made: dict[str, Outcome] = {
        "published": Published(one, replace(evidence(one.product, b""), size=SIZE)),
        "unchanged": Unchanged(one, evidence(one.product, b"")),
        "missing": Missing(one),
        "failed": Failed(one, "it was cut"),
    }
    return ProductFinished(made[outcome])


def some(number: int, night: Night = NIGHTS[0]) -> list[Product]:
    """Return the given number of products of one night and type."""
    return [product(index, night=night) for index in range(number)]


def tally_of(*events: Event, tally: Tally | None = None) -> Tally:
    """Return a tally that recorded these events, one a second."""
    tally = tally or Tally()
    for now, event in enumerate(events):
        tally.record(event, float(now))
    return tally


# --- histories ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """What happens to a product in a run."""

    product: Product
    attempts: int
    """How often it failed in earlier runs; None of these if this run's poll finds it."""
    known: bool
    outcomes: tuple[str, ...]

    def events(self) -> list[Event]:
        """Return its events, as the mirror emits them."""
        told: list[Event] = [] if self.known else [polled(self.product)]
        attempts, state = self.attempts if self.known else 0, State.WANTED
        for outcome in self.outcomes:
            one = replace(candidate(self.product, attempts=attempts), state=state)
            told.append(settled(outcome, one))
            attempts, state = attempts + 1, State.MISSING if outcome == "missing" else State.WANTED
        return told


kinds = st.sampled_from([ImageType.STACK, ImageType.RAW])
endings = st.sampled_from([("published",), ("unchanged",), ("missing",), ()])
passing = st.lists(st.sampled_from(["failed", "missing"]), max_size=3).map(tuple)
details = st.tuples(
    st.sampled_from(NIGHTS), kinds, st.integers(0, 3), st.booleans(), passing, endings
)


@st.composite
def histories(draw: st.DrawFn) -> list[History]:
    """Draw what happens to some products."""
    drawn = draw(st.lists(details, max_size=8))
    return [
        History(product(number, kind, night=night), attempts, known, (*before, *end))
        for number, (night, kind, attempts, known, before, end) in enumerate(drawn)
    ]


@st.composite
def runs(draw: st.DrawFn) -> tuple[list[History], list[Event]]:
    """Draw a run: the events of each product in their order, those of different ones mixed.

    A product may settle before the poll that found it is told; polls end when all were told.
    """
    products = draw(histories())
    queues = [entry.events() for entry in products]
    told: list[Event] = [_backlog(products)]
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        late = len(queue) > 1 and isinstance(queue[0], Polled) and draw(st.booleans())
        told.append(queue.pop(1 if late and isinstance(queue[1], ProductFinished) else 0))
    last_poll = max((at for at, event in enumerate(told) if isinstance(event, Polled)), default=0)
    told.insert(draw(st.integers(last_poll + 1, len(told))), PollsEnded())
    return products, told


def _backlog(products: Iterable[History]) -> Backlog:
    known = [entry for entry in products if entry.known]
    failed = Counter(_place(queued.product) for queued in known if queued.attempts)
    counted = Counter(_place(queued.product) for queued in known)
    told = tuple(Share(*place, number, failed[place]) for place, number in counted.items())
    return Backlog(len(known), told)


def _place(one: Product) -> tuple[Night, Instrument, ImageType]:
    return one.night, one.instrument, one.image_type


@given(runs())
def test_the_order_of_events_does_not_matter(run: tuple[list[History], list[Event]]) -> None:
    """However the histories of products mix, each counts once, by its last outcome."""
    products, events = run
    tally = tally_of(*events)
    last = Counter(entry.outcomes[-1] for entry in products if entry.outcomes)
    waiting = sum(entry.known and entry.attempts > 0 for entry in products if not entry.outcomes)
    assert tally.overall == Counts(
        total=len(products),
        published=last["published"] + last["unchanged"],
        missing=last["missing"],
        failed=last["failed"] + waiting,
        size=last["published"] * SIZE,
    )


@given(runs())
def test_what_is_complete_is_forgotten(run: tuple[list[History], list[Event]]) -> None:
    """At the end only nights with something left are kept, and the others were reported."""
    products, events = run
    tally = Tally()
    told = [ended for now, event in enumerate(events) for ended in tally.record(event, float(now))]
    open_nights = {
        entry.product.night
        for entry in products
        if not entry.outcomes or entry.outcomes[-1] == "failed"
    }
    assert set(tally._counts) == open_nights
    assert tally.nights_left == len(open_nights)
    assert {night.night for night in told} >= {
        entry.product.night for entry in products
    } - open_nights
    assert tally.nights_done == len(told)


strange = st.builds(
    lambda number, outcome, attempts, state: settled(
        outcome, replace(candidate(product(number), attempts=attempts), state=state)
    ),
    st.integers(0, 5),
    st.sampled_from(["published", "unchanged", "missing", "failed"]),
    st.integers(0, 3),
    st.sampled_from([State.WANTED, State.MISSING]),
)
anything = st.one_of(
    strange,
    st.builds(lambda number: polled(*some(number)), st.integers(0, 5)),
    st.builds(
        lambda number, failed: Backlog(number, (Share(NIGHTS[0], *KIND, number, failed),)),
        st.integers(3, 9),
        st.integers(0, 3),
    ),
    st.just(Backlog(0)),
    st.just(PollsEnded()),
    st.builds(
        lambda first: BatchStarted(batch(*map(candidate, some(5)[first:]))), st.integers(0, 4)
    ),
    st.builds(lambda size: Received(batch(candidate(product())), size), st.integers(0, 10**15)),
)


@given(st.lists(st.tuples(anything, st.floats(0, 100)), max_size=40))
def test_no_history_makes_nonsense(told: list[tuple[Event, float]]) -> None:
    """Whatever the events, even impossible ones: nothing is negative, or done beyond the total.

    The time left is not known, or a number of seconds.
    """
    tally, now = Tally(), 0.0
    for event, passed in told:
        now += passed
        for ended in tally.record(event, now):
            assert ended.counts.left == 0
        overall = tally.overall
        assert min(overall.published, overall.missing, overall.failed, overall.size) >= 0
        assert overall.done + overall.failed <= overall.total
        assert all(number >= 0 for number in tally._counts.left.values())
        time_left = tally.time_left(now)
        assert time_left is None or (time_left >= 0 and math.isfinite(time_left))


# --- what it tells --------------------------------------------------------------------------------


def test_it_is_flat_over_years_of_nights() -> None:
    """Four years of nights leave no more behind than one, though some downloads failed."""
    nights = [NIGHTS[0].plus(day) for day in range(1461)]
    tally = tally_of(*(polled(product(0, night=night)) for night in nights), PollsEnded())
    for number, night in enumerate(nights):
        one = candidate(product(0, night=night))
        tally.record(BatchStarted(batch(one, identifier=str(number))), 0.0)
        tally.record(ProductFinished(Failed(one, f"reason {number}")), 0.0)
        tally.record(settled("published", replace(one, attempts=1)), 0.0)
        tally.record(BatchEnded(batch(one, identifier=str(number)), 1.0), 0.0)
    assert tally.overall == Counts(1461, 1461, size=1461 * SIZE)
    assert (tally.nights_done, tally.nights_left) == (1461, 0)
    assert len(tally.failures) + len(tally._counts.left) < 50
    assert not list(tally._counts)
    assert not tally._under_way


def test_a_night_is_complete_when_no_poll_can_bring_more_of_it() -> None:
    """Not before polls have ended; then with all its types together."""
    stack, raw = product(0), product(0, ImageType.RAW)
    tally = tally_of(polled(stack), settled("published", candidate(stack)), polled(raw))
    assert tally.record(PollsEnded(), 4.0) == ()
    (ended,) = tally.record(settled("missing", candidate(raw)), 5.0)
    assert ended.night == stack.night
    assert ended.counts == Counts(2, 1, 1, 0, SIZE)


def test_a_backlog_reported_again_counts_what_others_fetched() -> None:
    """Products that others downloaded are left out; those under way or done stay."""
    first, second, third, *_ = some(10)
    tally = tally_of(
        Backlog(10, (Share(NIGHTS[0], *KIND, 10),)),
        settled("published", candidate(first)),
        BatchStarted(batch(candidate(second), candidate(third, attempts=2))),
        Backlog(3, (Share(NIGHTS[0], *KIND, 3, failed=1),)),
    )
    assert tally.overall == Counts(1 + 2 + 3, 1, failed=1 + 1, size=SIZE)


def test_a_night_that_others_fetched_is_not_ours() -> None:
    """If a backlog has nothing of some nights, those that we worked on are reported."""
    ours, theirs = Share(NIGHTS[0], *KIND, 10), Share(NIGHTS[1], *KIND, 10)
    tally = tally_of(
        Backlog(20, (ours, theirs)), PollsEnded(), settled("published", candidate(some(1)[0]))
    )
    (ended,) = tally.record(Backlog(0), 9.0)
    assert ended.night == NIGHTS[0]
    assert (tally.nights_done, tally.nights_left) == (1, 0)
    assert tally.overall == Counts(1, 1, size=SIZE)


def test_under_way_is_what_is_being_fetched() -> None:
    """The newest nights come first; products and batches that ended no longer count."""
    wanted = [product(0, night=night) for night in NIGHTS]
    batches = [batch(candidate(entry), identifier=entry.night.name) for entry in wanted]
    tally = tally_of(polled(*wanted), *map(BatchStarted, batches))
    assert [night for night, _, _ in tally.under_way(6)] == NIGHTS[::-1]
    assert [night for night, _, _ in tally.under_way(2)] == NIGHTS[:0:-1]
    tally.record(settled("published", candidate(wanted[2])), 9.0)
    tally.record(BatchEnded(batches[0], 1.0), 9.0)
    assert tally.under_way(6) == ((NIGHTS[1], KIND, Counts(total=1)),)


def test_the_time_left_is_what_is_left_by_the_rate() -> None:
    """It uses the sizes seen; it is unknown before bytes arrive, and 0 at the end."""
    wanted = some(4)
    tally = tally_of(polled(*wanted), PollsEnded())
    assert tally.time_left(5.0) is None
    tally.record(Received(batch(candidate(wanted[0])), SIZE), 10.0)
    tally.record(settled("published", candidate(wanted[0])), 10.0)
    assert tally.time_left(20.0) == pytest.approx(3 * SIZE / (SIZE / 10))
    for entry in wanted[1:]:
        tally.record(settled("missing", candidate(entry)), 20.0)
    assert tally.time_left(20.0) == 0


def test_what_is_packed_small_travels_fast() -> None:
    """The time left is that of the bytes on the wire, which are fewer than those of the files."""
    wanted = some(2)
    tally = tally_of(polled(*wanted), settled("published", candidate(wanted[0])))
    tally.record(Received(batch(candidate(wanted[0])), SIZE // 4), 10.0)
    assert tally.time_left(11.0) == pytest.approx(1.0)


def test_failures_are_reported_by_reason() -> None:
    """The latest reason comes first, each with how often; the oldest of too many are forgotten."""
    one, numbers = candidate(product()), count()
    tally = tally_of(ProductFinished(Failed(one, "it was cut")), PollFailed(QUERY, "no answer"))
    tally.record(ProductFinished(Failed(one, "it was cut")), 3.0)
    assert tally.failures == (("it was cut", 2), ("no answer", 1))
    for _ in range(100):
        tally.record(PollFailed(QUERY, f"reason {next(numbers)}"), 4.0)
    assert len(tally.failures) == 20
    assert tally.failures[0] == ("reason 99", 1)


def test_failures_alike_are_reported_together() -> None:
    """Sizes and checksums differ from product to product; what is common to them is the reason."""
    tally = tally_of(
        PollFailed(QUERY, "CRC-32 is 1ea15768 where 1be3f9ac was promised"),
        PollFailed(QUERY, "the server answers 404"),
        PollFailed(QUERY, "CRC-32 is 00c0ffee where 12345678 was promised"),
        PollFailed(QUERY, "the server answers 503"),
    )
    assert tally.failures == (
        ("the server answers 503", 1),
        ("CRC-32 is 00c0ffee where 12345678 was promised", 2),
        ("the server answers 404", 1),
    )


@pytest.mark.parametrize("trouble", [Retrying("down", 2.0), ServerFailing("down", 15.0)])
@pytest.mark.parametrize(
    "sign", [ServerRecovered(9.0), polled(), Received(batch(candidate(product())), 1)]
)
def test_it_knows_whether_the_server_is_well(trouble: Event, sign: Event) -> None:
    """From trouble to the next sign of life."""
    assert tally_of(trouble).server_trouble == "down"
    assert tally_of(trouble, sign).server_trouble is None


def test_shares_count_by_night_and_type() -> None:
    """Products of one night, camera and type are one share."""
    given: Sequence[Product] = [*some(2), *some(3, NIGHTS[1]), product(0, ImageType.RAW)]
    assert {(share.night, share.image_type, share.products) for share in shares(given)} == {
        (NIGHTS[0], ImageType.STACK, 2),
        (NIGHTS[1], ImageType.STACK, 3),
        (product(0).night, ImageType.RAW, 1),
    }
