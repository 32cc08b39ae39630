"""The dates to ask for: windows of a poll, a sweep and a backfill, and their halves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from winter_sync.core import (
    Night,
    Program,
    Query,
    Row,
    Selection,
    Subject,
)

WIDER = timedelta(days=1)
"""Asked beyond each end of what is needed: that dates filter `nightdate` is only inferred."""


_WINDOW_DAYS = 366


_PIECE_DAYS = 31
"""In one query of a backfill: a busy program lists thousands of products a month, and a whole
answer is held in memory."""


_SHARED_DAYS = 2
"""Dates that neighbouring windows have in common, so that each is well inside one of them."""


_SHORTEST_HALVED = 4
"""Dates: a window of a night and its neighbours is not halved."""


_EARLIEST = date(2020, 1, 1)
"""Before either camera was built: whatever date is given, no query goes further back."""


@dataclass(frozen=True, slots=True)
class Nights:
    """A span of nights, both ends included."""

    first: Night
    last: Night

    def has(self, row: Row) -> bool:
        """Return whether a row's product belongs to one of these nights."""
        return self.first <= row.product.night <= self.last


@dataclass(frozen=True, slots=True)
class Span:
    """The dates in which a selection can have products; no end where none is known."""

    begin: date
    end: date | None


def span_of(selection: Selection, program: Program) -> Span:
    """Return the dates to sweep: since the first night asked for, else since the program began.

    Where neither is known, since before either camera was built: nothing is left out then.
    """
    begin = selection.since.day if selection.since else program.start or _EARLIEST
    return Span(max(begin, _EARLIEST) - WIDER, program.end)


def poll_queries(
    subject: Subject, span: Span, today: date, *, lookback: int | None
) -> tuple[Query, ...]:
    """Return the queries of one poll, the oldest first; of a sweep when `lookback` is None.

    A program that has not begun has none; one that ended long ago is queried only in a sweep.
    """
    begin = span.begin
    if lookback is not None:
        begin = max(begin, _before(today, lookback) - WIDER)
        if span.end is not None and span.end < begin - 2 * WIDER:
            return ()
    return _windows(subject, begin, today, today)


def backfill_queries(
    subject: Subject, span: Span, today: date, first: Night, last: Night
) -> tuple[Query, ...]:
    """Return the queries that cover the nights `first` to `last`, both included.

    A night's products carry the UTC date of the night or of the day after. Each query is about
    a month at most, so that however many years are asked for, no answer is larger than a month's.
    """
    begin = max(first.day, _EARLIEST) - WIDER
    end = min(last.day, today - 2 * WIDER) + 2 * WIDER
    return _windows(subject, max(begin, span.begin), end, today, days=_PIECE_DAYS)


def _before(day: date, days: int) -> date:
    """Return the date this many days before, but none before either camera was built."""
    return date.fromordinal(max(day.toordinal() - days, _EARLIEST.toordinal()))


def _windows(
    subject: Subject, begin: date, end: date, today: date, *, days: int = _WINDOW_DAYS
) -> tuple[Query, ...]:
    """Cut a span into pieces that the server can answer; the newest has no end, meaning its today.

    Leaving the end out spares a refusal when our clock is ahead of the server's. Neighbours share
    two dates, because only what is well inside a window and not listed counts as withdrawn.
    """
    first, last = begin.toordinal(), end.toordinal()
    if last < first:
        return ()
    pieces: list[Query] = []
    for start in range(first, max(last - _SHARED_DAYS, first) + 1, days - _SHARED_DAYS):
        stop = date.fromordinal(min(start + days - 1, last))
        pieces.append(Query(subject, date.fromordinal(start), None if stop >= today else stop))
    return tuple(pieces)


def count_dates(query: Query, today: date) -> int:
    """Count the dates of a window, both ends included."""
    return ((query.end or today) - query.start).days + 1


def why_not_asked(span: Span, today: date, first: Night | None = None) -> str:
    """Return why a poll has no query: what its dates are, and that they are not now.

    `first` is the first night of a backfill.
    """
    begin = span.begin + WIDER
    if begin > today:
        return f"it begins on {begin}, and the archive has {today}"
    if first is not None and first.day > today:
        return f"night {first} has not begun: the archive has {today}"
    ended = f" and ended on {span.end}" if span.end else ""
    return f"its products begin with {begin}{ended}, so it has no such nights"


def split_by_date(query: Query, today: date) -> tuple[Query, ...]:
    """Return a query for each date of a window that is too short for halves; none for one date.

    Nothing is ever missed in a window of one date: what is at its ends counts in no comparison.
    """
    days = count_dates(query, today)
    if days <= 1:
        return ()
    dates = (query.start + timedelta(days=number) for number in range(days))
    open_end = query.end is None
    return tuple(
        replace(query, start=day, end=None if open_end and day >= today else day) for day in dates
    )


def split_in_half(query: Query, today: date) -> tuple[Query, Query] | None:
    """Return the two halves of a window, the older first; None where it is too short for halves.

    They overlap by two dates, so that each date is well inside one of them, where alone a product
    that is not listed counts as withdrawn.
    """
    days = count_dates(query, today)
    if days < _SHORTEST_HALVED:
        return None
    middle = query.start + timedelta(days=days // 2 - 1)
    return (replace(query, end=middle + WIDER), replace(query, start=middle))
