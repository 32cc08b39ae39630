"""Decisions, pure: what a listing means, what to ask for, what to fetch together, when to retry."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING

from winter_sync.core import (
    Candidate,
    ImageType,
    Instrument,
    Known,
    Night,
    Product,
    Program,
    Query,
    Row,
    Selection,
    State,
    Subject,
    all_marks,
    marks_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

WIDER = timedelta(days=1)
"""Asked beyond each end of what is needed: that dates filter `nightdate` is only inferred."""
BATCH_BYTES = 256_000_000
BATCH_PRODUCTS = 32
_WINDOW_DAYS = 366
_PIECE_DAYS = 31
"""In one question of a backfill: a busy program lists thousands of products a month, and a whole
answer is held in memory."""
_SHARED_DAYS = 2
"""Dates that neighbouring windows have in common, so that each is well inside one of them."""
_SHORTEST_HALVED = 4
"""Dates: a window of a night and its neighbours is not halved."""
_EARLIEST = date(2020, 1, 1)
"""Before either camera was built: whatever date is given, no query goes further back."""
_FIRST_DELAY = timedelta(minutes=1)
_LONGEST_DELAY = timedelta(hours=6)
_AT_ONCE = 3
_DOUBTFUL_DELAY = timedelta(minutes=65)
"""A little more than the time after which the same content counts as what the archive holds."""
_MISSING_DELAYS = tuple(timedelta(hours=hours) for hours in (1, 3, 6, 12, 24))
_REFUSED_DELAYS = (timedelta(0), timedelta(minutes=10), *_MISSING_DELAYS)

FETCH_ORDER = (
    ImageType.STACK,
    ImageType.DIFF,
    ImageType.AVRO,
    ImageType.SCIENCE,
    ImageType.RAW,
    ImageType.EXPOSURE,
)
"""What of a night is fetched first: what is looked at in the morning, then what is large."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A listing held against the catalog."""

    new: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    returned: list[Row] = field(default_factory=list)
    same: list[Row] = field(default_factory=list)
    withdrawn: list[Product] = field(default_factory=list)

    @property
    def rows(self) -> Iterator[Row]:
        """Every row of the listing."""
        yield from self.new
        yield from self.changed
        yield from self.returned
        yield from self.same

    def only(self, wanted: Callable[[Row], bool]) -> Comparison:
        """Return the same of some of the rows; what is withdrawn stays."""
        new, changed, returned, same = (
            [row for row in rows if wanted(row)]
            for rows in (self.new, self.changed, self.returned, self.same)
        )
        return Comparison(new, changed, returned, same, self.withdrawn)


def compare(rows: Iterable[Row], known: Iterable[Known], expected: Iterable[Product]) -> Comparison:
    """Return what is new, changed, back or gone; the order of the rows does not matter.

    Parameters
    ----------
    rows
        The listing. A product in it twice counts once, with the marks of all its rows.
    known
        What the catalog knows of the products in the listing.
    expected
        The products that this very answer must list again unless they were withdrawn: none where
        the answer is known to be incomplete.
    """
    listed = one_row_each(rows)
    before = {each.product.identity: each for each in known}
    result = Comparison()
    for row in listed:
        _bin(result, row, before.get(row.product.identity)).append(row)
    identities = {row.product.identity for row in listed}
    result.withdrawn.extend(each for each in expected if each.identity not in identities)
    return result


def one_row_each(rows: Iterable[Row]) -> list[Row]:
    """Return one row for each product, in an order of their own, with the marks of all its rows."""
    by_product: dict[tuple[Instrument, str], list[Row]] = {}
    for row in rows:
        by_product.setdefault(row.product.identity, []).append(row)
    return [alike[0] if len(alike) == 1 else _merged(alike) for alike in by_product.values()]


def _merged(rows: Sequence[Row]) -> Row:
    marks = all_marks(rows)
    chosen = max(rows, key=repr)
    return replace(chosen, lastmodified=marks.lastmodified, pipeversion=marks.pipeversion)


def _bin(result: Comparison, row: Row, known: Known | None) -> list[Row]:
    if known is None:
        return result.new
    if is_reprocessed(row, known):
        return result.changed
    return result.returned if known.withdrawn else result.same


def is_reprocessed(row: Row, known: Known) -> bool:
    """Return whether a listing says that a product's content may no longer be what we hold.

    The marks belong to the exposure and are set when the pipeline ingests it. An exposure is the
    camera's own file, which no processing rewrites, so marks never make us fetch it again. An
    absent mark says nothing, and neither does one under which the content was fetched before,
    whichever program or row has it now.
    """
    if known.state is State.WANTED or row.product.image_type is ImageType.EXPOSURE:
        return False
    return not known.settled_marks.cover(marks_of(row))


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


def look(subject: Subject, span: Span, today: date, *, lookback: int | None) -> tuple[Query, ...]:
    """Give the questions of one poll, the oldest first; of a sweep when `lookback` is None.

    A program that has not begun yields none; one that ended long ago is asked only in a sweep.
    """
    begin = span.begin
    if lookback is not None:
        begin = max(begin, _before(today, lookback) - WIDER)
        if span.end is not None and span.end < begin - 2 * WIDER:
            return ()
    return _windows(subject, begin, today, today)


def look_at_nights(
    subject: Subject, span: Span, today: date, first: Night, last: Night
) -> tuple[Query, ...]:
    """Give the questions that cover the nights `first` to `last`, both included.

    A night's products carry the UTC date of the night or of the day after. Each question is about
    a month at most, so that however many years are asked for, no answer is larger than a month's.
    """
    begin = max(first.day, _EARLIEST) - WIDER
    end = min(last.day, today - 2 * WIDER) + 2 * WIDER
    return _windows(subject, max(begin, span.begin), end, today, days=_PIECE_DAYS)


def _before(day: date, days: int) -> date:
    """Go back so many days, but not to where no camera was."""
    return date.fromordinal(max(day.toordinal() - days, _EARLIEST.toordinal()))


def _windows(
    subject: Subject, begin: date, end: date, today: date, *, days: int = _WINDOW_DAYS
) -> tuple[Query, ...]:
    """Cut a span into pieces the server can answer; the newest has no end, meaning its today.

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


def days_of(query: Query, today: date) -> int:
    """Count the dates of a window, both ends included."""
    return ((query.end or today) - query.start).days + 1


def why_not_asked(span: Span, today: date, first: Night | None = None) -> str:
    """Return why a look has no question to ask: what its dates are, and that they are not now.

    `first` is the first night of a backfill.
    """
    begin = span.begin + WIDER
    if begin > today:
        return f"it begins on {begin}, and the archive has {today}"
    if first is not None and first.day > today:
        return f"night {first} has not begun: the archive has {today}"
    ended = f" and ended on {span.end}" if span.end else ""
    return f"its products begin with {begin}{ended}, so it has no such nights"


def single_dates(query: Query, today: date) -> tuple[Query, ...]:
    """Return a question for each date of a window that is too short for halves; none for one date.

    Nothing is ever missed in a window of one date: what is at its ends counts in no comparison.
    """
    days = days_of(query, today)
    if days <= 1:
        return ()
    dates = (query.start + timedelta(days=number) for number in range(days))
    open_end = query.end is None
    return tuple(
        replace(query, start=day, end=None if open_end and day >= today else day) for day in dates
    )


def halves(query: Query, today: date) -> tuple[Query, Query] | None:
    """Give the two halves of a window, the older first; None where it is too short for halves.

    They overlap by two dates, so that each date is well inside one of them, where alone a product
    that is not listed counts as withdrawn.
    """
    days = days_of(query, today)
    if days < _SHORTEST_HALVED:
        return None
    middle = query.start + timedelta(days=days // 2 - 1)
    return (replace(query, end=middle + WIDER), replace(query, start=middle))


def choose_batch(candidates: Sequence[Candidate], room: int = sys.maxsize) -> tuple[Candidate, ...]:
    """Choose what to ask for in one request, of the candidates in their order.

    All share program, instrument, type and number of attempts with the first; no basename stands
    twice, because members are matched by it. A batch stays near `BATCH_BYTES` and within `room`,
    the bytes that the disk can take, and what failed before travels in ever smaller company until
    it stands alone. Nothing is chosen where not even one candidate fits.
    """
    chosen: list[Candidate] = []
    names: set[str] = set()
    size = 0
    for candidate in candidates:
        if candidate.expected_size > room or candidate.product.filename in names:
            continue
        if chosen and _kind(candidate) != _kind(chosen[0]):
            continue
        if chosen and size + candidate.expected_size > min(BATCH_BYTES, room):
            break
        chosen.append(candidate)
        names.add(candidate.product.filename)
        size += candidate.expected_size
        if len(chosen) == batch_limit(candidate.attempts):
            break
    return tuple(chosen)


def choose_alone(
    candidates: Sequence[Candidate], doubtful: Collection[tuple[str, Instrument, ImageType]]
) -> tuple[Candidate, ...]:
    """Choose one product that shall tell whether the server serves at all.

    `doubtful` are the programs, instruments and types of what it did not serve lately: anything
    else tells more, if there is any.
    """
    others = (one for one in candidates if _kind(one)[:3] not in doubtful)
    return tuple(islice(chain(others, candidates), 1))


def _kind(candidate: Candidate) -> tuple[str, Instrument, ImageType, int]:
    product = candidate.product
    return candidate.program, product.instrument, product.image_type, candidate.attempts


def batch_limit(attempts: int) -> int:
    """Give how many products may travel together after so many failures of each."""
    return max(1, BATCH_PRODUCTS >> (2 * attempts))


def retry_delay(attempts: int, random: float) -> timedelta:
    """Give the wait before a failed product is asked for again.

    The first failures are retried at once, in smaller batches; then the wait doubles from a
    minute to six hours. `random` in [0, 1) spreads it by a quarter either way.
    """
    if is_retried_at_once(attempts):
        return timedelta(0)
    return doubled(_FIRST_DELAY, attempts - _AT_ONCE, _LONGEST_DELAY) * (0.75 + random / 2)


def refused_delay(attempts: int) -> timedelta:
    """Return the wait before a product that arrived complete and was refused is downloaded again.

    Its CRC-32 was right, so the archive holds it as it is: at first it may be half written, and is
    asked for at once and after ten minutes; then as rarely as one that the archive does not have.
    """
    return _REFUSED_DELAYS[min(max(attempts, 1), len(_REFUSED_DELAYS)) - 1]


def doubtful_delay(attempts: int) -> timedelta:
    """Return the wait before a product of which no data seem to be missing is downloaded again.

    The same content is believed only so much later, so that asking sooner would be in vain; the
    wait doubles up to six hours while the content is another one each time.
    """
    return doubled(_DOUBTFUL_DELAY, max(attempts, 1), _LONGEST_DELAY)


def is_retried_at_once(attempts: int) -> bool:
    """Tell whether a product that has failed so often is asked for again without waiting."""
    return attempts <= _AT_ONCE


def doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    """Give the wait after so many failures, at least one: it doubles from `first` to `longest`."""
    return min(first * (1 << min(times - 1, 20)), longest)


def missing_delay(times: int) -> timedelta:
    """Give the wait before a product that the server does not have is asked for again."""
    return _MISSING_DELAYS[min(max(times, 1), len(_MISSING_DELAYS)) - 1]
