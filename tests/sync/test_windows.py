"""The dates that polls, sweeps and backfills ask for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.named import NIGHT, PROGRAM, SUBJECT, TODAY

from winter_sync.core.products import Night
from winter_sync.core.queries import Program, Query, Selection
from winter_sync.core.traits import ImageType
from winter_sync.sync.windows import Span, backfill_queries, poll_queries, span_of

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
