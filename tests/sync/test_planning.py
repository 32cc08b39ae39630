"""Decisions of the mirror: what is asked, what is new, what travels together, when to try again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from winter_sync.catalog.queue import LONG_AGO
from winter_sync.core.backoff import (
    DOUBTFUL_CONTENT,
    FAILED_DOWNLOAD,
    MISSING_PRODUCT,
    REFUSED_CONTENT,
)
from winter_sync.core.downloads import Candidate
from winter_sync.core.marks import Marks, marks_of_row
from winter_sync.core.products import KnownProduct, Night, Product, Row, State
from winter_sync.core.queries import Program, Query, Selection, Subject
from winter_sync.core.traits import FETCH_ORDER, ImageType, Instrument
from winter_sync.sync.batching import (
    BATCH_BYTES,
    BATCH_PRODUCTS,
    batch_limit,
    choose_alone,
    choose_batch,
)
from winter_sync.sync.comparison import Comparison, compare, is_reprocessed
from winter_sync.sync.windows import Span, backfill_queries, poll_queries, span_of

PROGRAM, OTHER_PROGRAM = "2024A000", "2024B111"
NIGHT = Night("20240211")
SUBJECT = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK)
TODAY = date(2024, 2, 12)
OLD, NEW = Marks("2024-02-12T00:00:00", "0.9"), Marks("2024-02-13T00:00:00", "0.9")


def product(
    name: str = "a.fits",
    image_type: ImageType = ImageType.STACK,
    instrument: Instrument = Instrument.WINTER,
) -> Product:
    """Return a product; the name may have directories."""
    return Product(instrument, f"/{NIGHT}/{name}", image_type, NIGHT)


def row(of: Product, marks: Marks = OLD, program: str = PROGRAM) -> Row:
    """Return the listing of a product with these marks."""
    return Row(of, program, lastmodified=marks.lastmodified, pipeversion=marks.pipeversion)


def known(
    of: Product, state: State = State.PUBLISHED, marks: Marks = OLD, *, withdrawn: bool = False
) -> KnownProduct:
    """Return what the catalog knows of a product."""
    return KnownProduct(of, state, marks, withdrawn=withdrawn)


def candidate(
    of: Product, *, program: str = PROGRAM, attempts: int = 0, size: int = 10_000_000
) -> Candidate:
    """Return a product that may be fetched."""
    return Candidate(of, program, of.savepath, attempts, OLD, size)


# --- comparing ------------------------------------------------------------------------------------


def test_a_listing_is_sorted_into_what_it_means() -> None:
    """New, changed, returned, same and withdrawn products are told apart."""
    new, changed, back, same, gone = (product(name) for name in "abcde")
    result = compare(
        [row(new), row(changed, NEW), row(back), row(same)],
        [known(changed), known(back, withdrawn=True), known(same), known(gone)],
        [changed, same, gone],
    )
    assert result == Comparison([row(new)], [row(changed, NEW)], [row(back)], [row(same)], [gone])
    assert list(result.rows) == [row(new), row(changed, NEW), row(back), row(same)]


def test_a_product_that_is_back_and_changed_is_changed() -> None:
    """What came back with other marks is to be fetched again."""
    one = product()
    assert compare([row(one, NEW)], [known(one, withdrawn=True)], []).changed == [row(one, NEW)]


def test_two_rows_of_one_product_count_as_one_with_the_marks_of_both() -> None:
    """A product that a listing has twice counts once, and no order of the rows changes that."""
    one = product()
    for rows in ([row(one), row(one, NEW)], [row(one, NEW), row(one)]):
        (changed,) = compare(rows, [known(one)], [one]).changed
        assert marks_of_row(changed).cover(OLD)
        assert marks_of_row(changed).cover(NEW)
        assert compare(rows, [known(one, marks=marks_of_row(changed))], [one]).changed == []


def test_the_marks_of_all_rows_of_a_product_count() -> None:
    """Rows that disagree in the version alone leave the product with both versions."""
    one = product()
    older, newer = Marks("2024-02-12T00:00:00", "0.9"), Marks("2024-02-12T00:00:00", "1.0")
    (new,) = compare([row(one, older), row(one, newer)], [], []).new
    assert marks_of_row(new) == Marks("2024-02-12T00:00:00", "0.9\n1.0")


def test_a_row_that_stands_alone_is_kept_as_it_is() -> None:
    """What the archive wrote is not rewritten, however odd its marks are."""
    odd = row(product(), Marks(" 2024-02-12T00:00:00Z ", "v1.0 "))
    assert compare([odd], [], []).new == [odd]


def test_some_of_a_comparison_keeps_what_each_row_is() -> None:
    """Leaving rows out moves none from new to changed, and forgets nothing that is withdrawn."""
    names = [product(name) for name in "abcdefgh"]
    new, changed, returned, same = ([row(one) for one in names[n : n + 2]] for n in range(0, 8, 2))
    gone = [product("gone")]
    firsts = [rows[0] for rows in (new, changed, returned, same)]
    some = Comparison(new, changed, returned, same, gone).only(lambda row: row in firsts)
    assert some == Comparison(new[:1], changed[:1], returned[:1], same[:1], gone)


def test_a_basename_is_no_identity() -> None:
    """Neither another directory nor another camera makes a product known."""
    one = product("final/a.fits")
    others = [product("diffs/a.fits"), replace(one, instrument=Instrument.SPRING)]
    result = compare([row(other) for other in others], [known(one)], [one])
    assert [each.product for each in result.new] == others
    assert result.withdrawn == [one]


@pytest.mark.parametrize(
    ("listed", "settled", "changed"),
    [
        (OLD, OLD, False),
        (NEW, OLD, True),
        (OLD, NEW, True),
        (Marks("2024-02-12", "1.0"), OLD, True),
        (Marks(None, None), OLD, False),
        (Marks(None, "0.9"), OLD, False),
        (Marks(None, "1.0"), OLD, True),
        (OLD, Marks(None, None), True),
        (Marks(None, None), Marks(None, None), False),
    ],
)
@pytest.mark.parametrize("state", [State.PUBLISHED, State.MISSING])
def test_a_mark_that_differs_means_reprocessed(
    listed: Marks,
    settled: Marks,
    changed: bool,  # noqa: FBT001 - a parameter
    state: State,
) -> None:
    """A mark other than the one it was settled under tells; an absent one tells nothing."""
    one = product()
    assert is_reprocessed(row(one, listed), known(one, state, settled)) is changed


def test_what_is_wanted_anyway_is_not_reprocessed() -> None:
    """A product that has not come yet needs no other reason to be fetched."""
    one = product()
    assert not is_reprocessed(row(one, NEW), known(one, State.WANTED))


def test_an_exposure_is_never_reprocessed() -> None:
    """The camera's own file stays what it is, whatever the pipeline does."""
    one = product(image_type=ImageType.EXPOSURE)
    assert not is_reprocessed(row(one, NEW), known(one))


# --- questions ------------------------------------------------------------------------------------

days = st.dates(date(2019, 1, 1), date(2040, 1, 1))
any_day = st.dates(date(100, 1, 1))
spans = st.builds(Span, days, st.none() | any_day)


def covered(queries: tuple[Query, ...], today: date) -> list[date]:
    """Return every date that queries ask for."""
    return sorted({day for query in queries for day in dates(query.start, query.end or today)})


def dates(first: date, last: date) -> list[date]:
    """Return all dates from the first to the last."""
    return [first + timedelta(n) for n in range((last - first).days + 1)]


def check_windows(queries: tuple[Query, ...], today: date, longest: int = 366) -> None:
    """Make sure that questions can be answered and only one up to today is open.

    Neighbours share two dates, so that each date is inside a window and not only at its end.
    """
    for query in queries:
        assert query.subject == SUBJECT
        assert query.end is None or query.start <= query.end < today
        assert ((query.end or today) - query.start).days < longest
    for older, newer in pairwise(queries):
        assert older.end is not None
        assert newer.start == older.end - timedelta(1)
        assert newer.end is None or newer.end > older.end


@given(spans, days)
def test_a_sweep_covers_the_span_to_today(span: Span, today: date) -> None:
    """Each date since the span began is asked for, the newest without an end."""
    queries = poll_queries(SUBJECT, span, today, lookback=None)
    check_windows(queries, today)
    assert covered(queries, today) == dates(span.begin, today)
    assert not queries or queries[-1].end is None


@given(spans, days, st.integers(0, 800))
def test_a_poll_covers_the_last_nights(span: Span, today: date, lookback: int) -> None:
    """The last nights of the span are asked for, a day wider, and nothing of what is over."""
    queries = poll_queries(SUBJECT, span, today, lookback=lookback)
    check_windows(queries, today)
    begin = max(span.begin, date(2019, 12, 31), today - timedelta(lookback + 1))
    if span.end is not None and begin > date(2000, 1, 1) > span.end:
        assert queries == ()
    if queries:
        assert covered(queries, today) == dates(begin, today)
        assert queries[-1].end is None
    else:
        assert begin > today or (span.end is not None and span.end < begin - timedelta(2))


@given(
    st.datetimes(datetime(2023, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made UTC below
    st.timedeltas(timedelta(0), timedelta(days=20)),
    st.integers(1, 20),
)
def test_no_night_slips_through_at_midnight(
    taken: datetime, passed: timedelta, lookback: int
) -> None:
    """A frame of the last nights is in the poll's window, whatever the hour of either."""
    taken = taken.replace(tzinfo=UTC)
    now = taken + passed
    if Night.at(now).day - Night.at(taken).day >= timedelta(lookback):
        return
    queries = poll_queries(SUBJECT, Span(date(2020, 1, 1), None), now.date(), lookback=lookback)
    asked = set(covered(queries, now.date()))
    nightdate = taken.date()
    wanted = {nightdate + timedelta(n) for n in (-1, 0, 1)} & set(dates(nightdate, now.date()))
    assert wanted <= asked
    assert nightdate - timedelta(1) in asked


@pytest.mark.parametrize("offset", [-8, -7])
def test_a_night_is_one_in_summer_and_winter(offset: int) -> None:
    """From four in the afternoon to seven in the morning, local, it is one night."""
    evening = datetime(2024, 2, 11, 16, tzinfo=UTC) - timedelta(hours=offset)
    assert {Night.at(evening + timedelta(hours=n)) for n in range(16)} == {NIGHT}


@given(spans, days, days, days)
def test_nights_are_covered_within_the_span(
    span: Span, today: date, first: date, last: date
) -> None:
    """The UTC dates of the nights are asked for, a day wider, as far as the span and today.

    Each question is about a month at most.
    """
    queries = backfill_queries(SUBJECT, span, today, Night.of(first), Night.of(last))
    check_windows(queries, today, longest=31)
    begin = max(span.begin, date(2019, 12, 31), first - timedelta(1))
    end = min(today, last + timedelta(2))
    assert covered(queries, today) == dates(begin, end)
    assert not queries or (queries[-1].end is None) is (end == today)


@given(st.none() | any_day, st.none() | any_day, any_day, st.none() | any_day)
def test_no_date_is_too_wild(
    start: date | None, end: date | None, today: date, since: date | None
) -> None:
    """Zero dates and dates without an end, of server or user, make no error and no flood."""
    selection = Selection(
        PROGRAM, (ImageType.STACK,), since=None if since is None else Night.of(since)
    )
    span = span_of(selection, Program(PROGRAM, start, end))
    assert span.begin >= date(2019, 12, 31)
    assert len(poll_queries(SUBJECT, span, today, lookback=7)) <= 1
    nights = Night.of(start or today), Night.of(end or today)
    longest = (today - date(2019, 12, 31)).days
    for queries, days_each in (
        (poll_queries(SUBJECT, span, today, lookback=None), 364),
        (backfill_queries(SUBJECT, span, today, *nights), 29),
    ):
        assert len(queries) <= max(longest // days_each + 1, 0)
        assert all(query.start >= date(2019, 12, 31) for query in queries)


@pytest.mark.parametrize("days", [1, 2, 3, 4, 364, 365, 366, 367, 368, 730, 731, 732])
def test_no_window_is_inside_another(days: int) -> None:
    """A span is cut into as few windows as its length needs; each adds dates of its own."""
    span = Span(TODAY - timedelta(days - 1), None)
    queries = poll_queries(SUBJECT, span, TODAY, lookback=None)
    ends = [query.end or TODAY for query in queries]
    assert len(queries) == max(1, -(-(days - 2) // 364))
    assert all(earlier < later for earlier, later in pairwise(ends))


def test_the_span_begins_where_the_user_or_the_program_does() -> None:
    """The first night asked for comes before the program's start; without either, all is asked."""
    selection = Selection(PROGRAM, (ImageType.STACK,))
    program = Program(PROGRAM, date(2024, 1, 1), date(2024, 7, 1))
    since = replace(selection, since=NIGHT)
    assert span_of(since, program) == Span(date(2024, 2, 10), date(2024, 7, 1))
    assert span_of(selection, program).begin == date(2023, 12, 31)
    unknown = span_of(selection, Program(PROGRAM, None, None))
    assert unknown == Span(date(2019, 12, 31), None)


def test_a_span_begins_no_earlier_than_the_cameras() -> None:
    """A zero date, of the server or the user, leads back to 2020 and no further."""
    program = Program(PROGRAM, date.min, date.max)
    for since in (None, Night("00010101")):
        selection = Selection(PROGRAM, (ImageType.STACK,), since=since)
        assert span_of(selection, program) == Span(date(2019, 12, 31), date.max)


def test_a_program_that_has_ended_is_asked_for_a_while() -> None:
    """Two days beyond its last, as far as the lookback, and then only in sweeps."""
    end = TODAY - timedelta(10)
    span = Span(date(2024, 1, 1), end)
    assert poll_queries(SUBJECT, span, TODAY, lookback=7) == (Query(SUBJECT, TODAY - timedelta(8)),)
    assert poll_queries(SUBJECT, span, TODAY + timedelta(1), lookback=7) == ()
    assert len(poll_queries(SUBJECT, span, TODAY + timedelta(1), lookback=None)) == 1


def test_a_program_that_has_not_begun_is_not_asked() -> None:
    """Nothing is asked before the day before a program begins."""
    span = Span(TODAY + timedelta(1), None)
    assert poll_queries(SUBJECT, span, TODAY, lookback=7) == ()
    assert poll_queries(SUBJECT, span, TODAY, lookback=None) == ()
    begun = replace(span, begin=TODAY)
    assert poll_queries(SUBJECT, begun, TODAY, lookback=7) == (Query(SUBJECT, TODAY),)


# --- batches --------------------------------------------------------------------------------------

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


def check_batch(chosen: tuple[Candidate, ...]) -> None:
    """Make sure that products may travel in one request."""
    kinds = {
        (one.program, one.product.instrument, one.product.image_type, one.attempts)
        for one in chosen
    }
    names = [one.product.filename for one in chosen]
    assert len(kinds) == 1
    assert len(names) == len(set(names))
    assert len(chosen) <= batch_limit(chosen[0].attempts)
    assert len(chosen) == 1 or sum(one.expected_size for one in chosen) <= BATCH_BYTES


@given(some_candidates)
def test_a_batch_has_what_may_travel_together(candidates: list[Candidate]) -> None:
    """One program, camera, type and number of failures; no name twice; not too much."""
    chosen = choose_batch(candidates)
    if not candidates:
        assert chosen == ()
        return
    check_batch(chosen)
    assert chosen[0] == candidates[0]
    assert [one for one in candidates if one in chosen] == list(chosen)


@given(some_candidates)
def test_batches_come_to_an_end_with_nothing_left_out(candidates: list[Candidate]) -> None:
    """Batch after batch, each candidate is chosen once."""
    left, seen = list(candidates), list[Candidate]()
    while left:
        chosen = choose_batch(left)
        seen += chosen
        left = [one for one in left if one not in chosen]
    assert len(seen) == len(candidates)


def test_a_batch_is_filled() -> None:
    """Small products fill a batch to its 32, large ones to its 256 MB."""
    assert (BATCH_PRODUCTS, BATCH_BYTES) == (32, 256_000_000)
    small = [candidate(product(str(n)), size=1) for n in range(99)]
    large = [candidate(product(str(n)), size=BATCH_BYTES // 4) for n in range(99)]
    huge = [candidate(product(str(n)), size=BATCH_BYTES + 1) for n in range(99)]
    assert len(choose_batch(small)) == BATCH_PRODUCTS
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
        assert choose_batch([first, between, last], room=10**8) == (first, last)


def test_room_is_used_to_the_last_byte() -> None:
    """What fits exactly is taken; one byte less, and it is not."""
    small = [candidate(product(str(n)), size=1000) for n in range(3)]
    assert choose_batch(small, room=3000) == tuple(small)
    assert choose_batch(small, room=2999) == tuple(small[:2])
    assert choose_batch(small, room=1000) == tuple(small[:1])
    assert choose_batch(small, room=999) == ()


def test_a_probe_is_one_product_of_what_is_not_in_doubt() -> None:
    """Whether the server serves is tried with what it did not just fail to serve, if it can be."""
    stack, diff = candidate(product()), candidate(product(image_type=ImageType.DIFF))
    spring = candidate(product(instrument=Instrument.SPRING))
    other = candidate(product(), program=OTHER_PROGRAM)
    everything = [stack, diff, spring, other]
    doubtful = [(PROGRAM, Instrument.WINTER, ImageType.STACK)]
    assert choose_alone(everything, []) == (stack,)
    for one in (diff, spring, other):
        assert choose_alone([stack, one, one], doubtful) == (one,)
    assert choose_alone([stack, stack], doubtful) == (stack,)
    assert choose_alone([], doubtful) == ()


@given(st.integers(0, 100))
def test_failures_make_batches_smaller(attempts: int) -> None:
    """Each failure shrinks the company, until a product stands alone."""
    limit, next_limit = batch_limit(attempts), batch_limit(attempts + 1)
    assert next_limit < limit or next_limit == limit == 1
    assert [batch_limit(times) for times in range(4)] == [32, 8, 2, 1]


# --- trying again ---------------------------------------------------------------------------------

randoms = st.floats(0, 1, exclude_max=True)


@given(st.integers(0, 10_000), randoms)
def test_retries_wait_longer_and_longer_within_bounds(attempts: int, random: float) -> None:
    """The wait never shrinks from one failure to the next, and is never beyond eight hours."""
    delay = FAILED_DOWNLOAD.delay(attempts, random)
    assert delay <= FAILED_DOWNLOAD.delay(attempts + 1, random) <= timedelta(hours=7.5)
    assert (delay == timedelta(0)) is (attempts <= 3)
    if delay:
        shortest = FAILED_DOWNLOAD.delay(attempts, 0)
        assert shortest <= delay <= shortest * 5 / 3


def test_retries_wait_a_minute_first() -> None:
    """After the attempts at once the wait is a minute, twice that, up to six hours."""
    waits = [FAILED_DOWNLOAD.delay(attempts, 0.5) for attempts in range(3, 15)]
    minutes = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert waits == [timedelta(minutes=each) for each in minutes]


def test_a_missing_product_is_asked_for_ever_more_rarely() -> None:
    """After an hour, then three, six, twelve, and every day from then on."""
    waits = [MISSING_PRODUCT.delay(times) for times in (0, 1, 2, 3, 4, 5, 6, 1000)]
    assert waits == [timedelta(hours=hours) for hours in (1, 1, 3, 6, 12, 24, 24, 24)]


def test_a_refused_product_is_asked_for_at_once_and_then_ever_more_rarely() -> None:
    """Half written it may be whole in a moment; else it is asked for as rarely as a missing one."""
    waits = [REFUSED_CONTENT.delay(attempts) for attempts in range(1, 9)]
    hours = [timedelta(hours=hours) for hours in (1, 3, 6, 12, 24, 24)]
    assert waits == [timedelta(0), timedelta(minutes=10), *hours]


def test_a_doubtful_product_is_asked_for_when_it_would_be_believed() -> None:
    """Not before the same content counts as what the archive holds, and never much later."""
    waits = [DOUBTFUL_CONTENT.delay(attempts) for attempts in range(8)]
    assert LONG_AGO < waits[0] == waits[1] <= LONG_AGO * 1.1
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(hours=6)


def test_everything_has_its_place_in_the_order() -> None:
    """Each type is fetched at some time, the small and looked-at ones before the large."""
    assert sorted(FETCH_ORDER) == sorted(ImageType)
    assert FETCH_ORDER[0] is ImageType.STACK
    assert FETCH_ORDER[-1] is ImageType.EXPOSURE


# --- a life of a mirror ---------------------------------------------------------------------------


@dataclass
class Kept:
    """What a catalog would know of a product, and what the test knows better."""

    state: State = State.WANTED
    settled: Marks = field(default_factory=Marks)
    listed: Marks = field(default_factory=Marks)
    withdrawn: bool = False
    attempts: int = 0
    not_before: timedelta = timedelta(0)
    reasons: int = 1
    """How often there was a reason to ask for it."""
    asked: int = 0


PRODUCTS = [
    product(f"{folder}/{image_type}/{name}.fits", image_type, instrument)
    for folder in ("final", "again")
    for name in "xyz"
    for image_type in (ImageType.STACK, ImageType.EXPOSURE)
    for instrument in Instrument
]
PROGRAMS = (PROGRAM, OTHER_PROGRAM)
any_marks = st.builds(
    Marks, st.sampled_from([None, "1", "2", "3"]), st.sampled_from([None, "0.9", "1.0"])
)


class MirrorLife(RuleBasedStateMachine):
    """An archive that changes and a mirror that follows it by `plan` alone."""

    def __init__(self) -> None:
        super().__init__()
        self.archive: dict[Product, Marks] = {}
        self.programs: dict[Product, set[str]] = {one: set() for one in PRODUCTS}
        self.kept: dict[Product, Kept] = {}
        self.listings: set[tuple[str, Product]] = set()
        self.now = timedelta(0)

    # What the archive does.

    @rule(
        one=st.sampled_from(PRODUCTS), marks=any_marks, programs=st.sets(st.sampled_from(PROGRAMS))
    )
    def listed_as(self, one: Product, marks: Marks, programs: set[str]) -> None:
        """Have a product listed under these programs; it appears, changes or vanishes."""
        self.archive[one] = marks
        self.programs[one] = programs

    @rule(
        program=st.sampled_from(PROGRAMS),
        kind=st.sampled_from([ImageType.STACK, ImageType.EXPOSURE]),
    )
    def vanish(self, program: str, kind: ImageType) -> None:
        """Take all products of a type from a program."""
        for one in PRODUCTS:
            if one.image_type is kind:
                self.programs[one].discard(program)

    # What the mirror does.

    @rule(
        program=st.sampled_from(PROGRAMS),
        instrument=st.sampled_from(Instrument),
        kind=st.sampled_from([ImageType.STACK, ImageType.EXPOSURE]),
    )
    def poll(self, program: str, instrument: Instrument, kind: ImageType) -> None:
        """Compare one listing with what is known, and do what the comparison says."""

        def mine(one: Product) -> bool:
            return (one.instrument, one.image_type) == (instrument, kind)

        rows = [
            row(one, self.archive[one], program)
            for one in PRODUCTS
            if mine(one) and program in self.programs[one]
        ]
        facts = [
            KnownProduct(one, kept.state, kept.settled, kept.withdrawn)
            for one, kept in self.kept.items()
        ]
        expected = [one for name, one in self.listings if name == program and mine(one)]
        before = {one: replace(kept) for one, kept in self.kept.items()}
        found = compare(rows, facts, expected)
        self.apply(program, found)
        self.judge(rows, found, before)

    def apply(self, program: str, found: Comparison) -> None:
        """Do as the catalog does with a comparison."""
        for each in found.rows:
            kept = self.kept.setdefault(each.product, Kept())
            kept.listed = Marks(each.lastmodified, each.pipeversion)
            kept.withdrawn = False
            self.listings.add((program, each.product))
        for each in found.changed:
            kept = self.kept[each.product]
            kept.state, kept.attempts, kept.not_before = State.WANTED, 0, timedelta(0)
            kept.reasons += 1
        for one in found.withdrawn:
            self.listings.discard((program, one))
            self.kept[one].withdrawn = not any(one == listed for _, listed in self.listings)

    def judge(self, rows: list[Row], found: Comparison, before: dict[Product, Kept]) -> None:
        """Hold a comparison against what the test itself saw happen."""
        listed = {each.product for each in rows}
        assert sorted(each.product.savepath for each in found.rows) == sorted(
            one.savepath for one in listed
        )
        assert {each.product for each in found.new} == listed - set(before)
        for each in found.returned:
            assert before[each.product].withdrawn
        for each in found.changed:
            was = before[each.product]
            assert was.state is not State.WANTED
            assert each.product.image_type is not ImageType.EXPOSURE
            assert Marks(each.lastmodified, each.pipeversion) != was.settled
        assert not listed & set(found.withdrawn)

    def candidates(self) -> list[Candidate]:
        """Return what may be fetched now, as the catalog orders it."""
        due = [
            candidate(one, program=min(self.listed_under(one)), attempts=kept.attempts)
            for one, kept in self.kept.items()
            if kept.state is not State.PUBLISHED
            and not kept.withdrawn
            and kept.not_before <= self.now
        ]
        return sorted(due, key=lambda one: (one.attempts, one.product.savepath))

    def listed_under(self, one: Product) -> list[str]:
        """Return the programs that list a product, as far as the mirror knows."""
        return [program for program, listed in self.listings if listed == one]

    @precondition(lambda self: self.candidates())
    @rule(outcomes=st.lists(st.sampled_from(State), min_size=1, max_size=5))
    def fetch(self, outcomes: list[State]) -> None:
        """Ask for a batch; each product comes, fails or is missing on the server."""
        chosen = choose_batch(self.candidates())
        check_batch(chosen)
        for number, each in enumerate(chosen):
            self.settle(self.kept[each.product], outcomes[number % len(outcomes)])

    def settle(self, kept: Kept, outcome: State) -> None:
        """Do as the catalog does with an outcome; wanted means that it failed."""
        kept.asked += 1
        assert kept.asked <= kept.reasons
        kept.state = outcome
        if outcome is State.PUBLISHED:
            kept.settled, kept.attempts = kept.listed, 0
            return
        kept.attempts += 1
        kept.reasons += 1
        if outcome is State.MISSING:
            kept.settled = kept.listed
            kept.not_before = self.now + MISSING_PRODUCT.delay(kept.attempts)
        else:
            kept.not_before = self.now + FAILED_DOWNLOAD.delay(kept.attempts, 0.5)

    @rule(passed=st.timedeltas(timedelta(minutes=1), timedelta(days=2)))
    def wait(self, passed: timedelta) -> None:
        """Let time pass."""
        self.now += passed

    @rule()
    def follow(self) -> None:
        """Poll everything and fetch until nothing is left: the mirror is the archive."""
        self.now += timedelta(days=2)
        for program in PROGRAMS:
            for instrument in Instrument:
                for kind in (ImageType.STACK, ImageType.EXPOSURE):
                    self.poll(program, instrument, kind)
        while self.candidates():
            self.fetch([State.PUBLISHED])
        for one, programs in self.programs.items():
            if not programs:
                assert one not in self.kept or self.kept[one].withdrawn
                continue
            kept = self.kept[one]
            assert kept.state is State.PUBLISHED
            assert kept.asked == kept.reasons
            self.assert_current(one, kept)

    def assert_current(self, one: Product, kept: Kept) -> None:
        """Make sure that a content was fetched under the marks that the archive now shows."""
        if one.image_type is ImageType.EXPOSURE:
            return
        marks = self.archive[one]
        assert marks.lastmodified in (None, kept.settled.lastmodified)
        assert marks.pipeversion in (None, kept.settled.pipeversion)

    @invariant()
    def nothing_that_was_withdrawn_is_asked_for(self) -> None:
        """Make sure that a candidate is listed under the program whose key would fetch it."""
        for each in self.candidates():
            assert (each.program, each.product) in self.listings


TestMirrorLife = MirrorLife.TestCase
TestMirrorLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
