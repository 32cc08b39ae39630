"""What a catalog filled by several programs says of the last night, the archive and programs."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from support.makers import candidate, evidence, path_of, product, row

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import Poll
from winter_sync.cli.views.status import show
from winter_sync.core.downloads import Failed, Missing, Published
from winter_sync.core.products import Night
from winter_sync.core.queries import Query, Selection, Subject, Target
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.monitoring.status import Status, _read
from winter_sync.monitoring.status_json import status_as_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.clock import Clock

    from winter_sync.core.downloads import Outcome
    from winter_sync.core.products import Product

LAST = Night("20240228")
ENDED = datetime(2024, 2, 29, 16, tzinfo=UTC)
STACK, SCIENCE = ImageType.STACK, ImageType.SCIENCE
FIRST, SECOND, THIRD = "2024A000", "2024A001", "2024B000"
ONE_HOUR = timedelta(hours=1)


class Filled:
    """A catalog that is polled for several programs, at times that a test sets."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self.catalog = catalog
        self.clock = clock
        self.clock.time = ENDED + ONE_HOUR

    def poll(
        self,
        program: str,
        kind: ImageType = STACK,
        products: Sequence[Product] = (),
        *,
        error: str | None = None,
        dates: tuple[date, date | None] = (date(2024, 2, 20), None),
        target: Target | None = None,
    ) -> None:
        """Record a poll, which lists these or failed."""
        query = Query(Subject(program, Instrument.WINTER, kind, target), *dates)
        self.catalog.listings.record_poll(
            Poll(query, sweep=False, listed=len(products), error=error),
            listed=[(row(entry, program=program), path_of(entry)) for entry in products],
        )

    def settle(self, *products: Product, how: Callable[[Product], Outcome] | None = None) -> None:
        """Let products arrive, or end otherwise; they are asked again in an hour."""
        how = how or arrived
        self.catalog.queue.claim([candidate(entry) for entry in products], "session")
        self.catalog.outcomes.commit([how(entry) for entry in products], lambda *_: ONE_HOUR)

    def look(self, *programs: str, kinds: tuple[ImageType, ...] = (STACK,)) -> Status:
        """Return the status of programs."""
        selections = [Selection(program, kinds) for program in programs]
        return _read(self.catalog, selections, self.clock())


def arrived(one: Product) -> Outcome:
    """Let a product arrive."""
    return Published(candidate(one), evidence(one, b"x" * 1000))


def gone(one: Product) -> Outcome:
    """Let the server have no such file."""
    return Missing(candidate(one))


def broken(one: Product) -> Outcome:
    """Let a product come damaged."""
    return Failed(candidate(one), "it was cut", blamed=True)


def of(night: Night, count: int, kind: ImageType = STACK) -> list[Product]:
    """Return products of a night."""
    return [product(number, kind, night=night) for number in range(count)]


def lines_of(status: Status) -> list[str]:
    """Return the lines that a person reads."""
    stream = io.StringIO()
    show(Console(file=stream, highlight=False, soft_wrap=True, width=200), status)
    return stream.getvalue().splitlines()


@pytest.fixture
def filled(catalog: Catalog, clock: Clock) -> Filled:
    """Return a catalog where the first program's last two nights are here."""
    filled = Filled(catalog, clock)
    products = [*of(LAST, 5), *of(LAST.plus(-1), 3)]
    filled.poll(FIRST, products=products)
    filled.settle(*products)
    return filled


def test_all_listed_is_here(filled: Filled) -> None:
    """One program whose last night was listed since it ended, and arrived."""
    status = filled.look(FIRST)
    assert status.last.is_complete
    assert lines_of(status)[:2] == [
        "Last night (20240228): all 5 listed are here (5 kB).",
        "The archive last answered 2024-02-29 17:00 UTC.",
    ]


def test_a_cloudy_night(filled: Filled) -> None:
    """Days without data are said to be that, and are not complete."""
    filled.clock.advance(days=4)
    filled.poll(FIRST, products=[*of(LAST, 5)])
    status = filled.look(FIRST)
    assert lines_of(status)[0] == (
        "Last night (20240303): nothing listed yet; latest with data 20240228."
    )
    told = json.loads(status_as_json(status))
    assert (told["last_night"], told["latest_night_with_data"]) == ("20240303", "20240228")
    assert told["last_night_complete"] is False


def test_a_program_that_does_not_answer_and_one_that_is_refused(filled: Filled) -> None:
    """Each is shown with its own times and reason, and nothing says that all is here."""
    filled.poll(SECOND, products=of(LAST, 2))
    filled.clock.advance(minutes=10)
    filled.poll(SECOND, error="the server answered 503")
    filled.poll(THIRD, error="the credentials were refused")
    filled.clock.advance(hours=3)
    for program, error in ((SECOND, "connection refused"), (THIRD, "refused")):
        filled.poll(program, error=error)
    filled.poll(FIRST, products=of(LAST, 5))
    status = filled.look(FIRST, SECOND, THIRD)
    lines = lines_of(status)
    assert lines[:4] == [
        "Last night (20240228): 5 of 5 listed are here (5 kB).",
        "The archive last answered 2024-02-29 20:10 UTC.",
        "Polls of 2024A001 winter stack have failed since 2024-02-29 17:10 UTC: connection refused",
        "Polls of 2024B000 winter stack have failed since 2024-02-29 17:10 UTC: refused",
    ]
    table = [line.split() for line in lines if line.startswith(("2024A", "2024B", "together"))]
    assert table == [
        [FIRST, "5/5", "8/8", "-", "-", "02-29", "20:10"],
        [SECOND, "2/2", "2/2", "-", "-", "02-29", "17:00"],
        [THIRD, "-", "-", "-", "-", "never"],
        ["together", "5/5", "8/8", "-", "-", "02-29", "20:10"],
    ]
    told = json.loads(status_as_json(status))
    assert told["archive"]["failing_since"] is None
    assert told["programs"][1]["failing_since"] == "2024-02-29T17:10:00.000+00:00"
    assert told["programs"][2]["last_answer"] is None
    assert told["last_night_complete"] is False


def test_an_archive_that_is_away_for_hours(filled: Filled) -> None:
    """All programs fail: it is shown once, since the first failure after the last answer."""
    filled.poll(SECOND)
    for _ in range(3):
        filled.clock.advance(hours=1)
        for program in (FIRST, SECOND):
            filled.poll(program, error="connection refused")
    status = filled.look(FIRST, SECOND)
    assert lines_of(status)[1:3] == [
        "The archive last answered 2024-02-29 17:00 UTC (3 h 0 min ago).",
        "Every poll has failed since 2024-02-29 18:00 UTC: connection refused",
    ]
    assert not status.last.is_all_here
    filled.poll(FIRST)
    filled.poll(SECOND)
    assert filled.look(FIRST, SECOND).last.is_complete


def test_what_is_pending_failing_and_missing_by_program(filled: Filled) -> None:
    """With when each is asked again; a product of two programs counts in both, and once in all."""
    more = of(LAST, 12)[5:]
    filled.poll(FIRST, products=more[:4])
    filled.poll(SECOND, products=more[2:])
    filled.settle(*more[:2], how=gone)
    filled.settle(more[2], how=broken)
    status = filled.look(FIRST, SECOND)
    assert lines_of(status)[0] == (
        "Last night (20240228): 5 of 12 listed are here (5 kB), 5 pending (1 failed, next retried "
        "18:00 UTC), 2 missing on the server, next asked 18:00 UTC."
    )
    first, second = json.loads(status_as_json(status))["programs"]
    assert [first["last_night"][key] for key in ("listed", "here", "pending", "missing")] == [
        *(9, 5, 2, 2),
    ]
    assert [second["last_night"][key] for key in ("listed", "here", "pending", "missing")] == [
        *(5, 0, 5, 0),
    ]
    assert first["totals"]["listed"] == 12
    assert first["totals"]["next_asked"] == "2024-02-29T18:00:00.000+00:00"
    assert second["totals"]["next_asked"] is None
    assert second["totals"]["next_retry"] == "2024-02-29T18:00:00.000+00:00"


def test_science_that_is_not_kept_is_apart(filled: Filled) -> None:
    """It is shown, and counts against no night; science that is there counts as any other."""
    science = of(LAST, 4, SCIENCE)
    filled.poll(FIRST, SCIENCE, science)
    filled.settle(*science[:3], how=gone)
    filled.settle(science[3])
    status = filled.look(FIRST, kinds=(STACK, SCIENCE))
    assert status.last.is_complete
    assert lines_of(status)[0] == (
        "Last night (20240228): all 6 listed are here (6 kB), 3 science listed, not kept by the "
        "archive."
    )
    assert filled.catalog.views.summary([FIRST]).last_complete_night == LAST
    (program,) = json.loads(status_as_json(status))["programs"]
    assert (program["last_night"]["missing"], program["last_night"]["not_kept"]) == (0, 3)
    assert program["last_night"]["next_asked"] is None


def test_missing_keeps_a_night_from_being_complete(filled: Filled) -> None:
    """The newest complete night is the one before; one of which all was withdrawn is none."""
    filled.poll(FIRST, products=[product(9, night=LAST)])
    filled.settle(product(9, night=LAST), how=gone)
    assert not filled.look(FIRST).last.is_all_here
    assert filled.catalog.views.summary([FIRST]).last_complete_night == LAST.plus(-1)
    query = Query(Subject(FIRST, Instrument.WINTER, STACK), date(2024, 2, 20))
    earlier = of(LAST.plus(-1), 3)
    filled.catalog.listings.record_poll(Poll(query, sweep=False), withdrawn=earlier)
    assert filled.catalog.views.summary([FIRST]).last_complete_night is None
    assert filled.look(FIRST).numbers.here == 5


def test_a_type_that_was_never_listed(filled: Filled) -> None:
    """Something selected that nobody has asked for yet: nobody knows whether all is here."""
    status = filled.look(FIRST, kinds=(STACK, ImageType.DIFF))
    assert not status.last.is_all_here
    assert "Never polled yet: 2024A000 winter diff." in lines_of(status)


def test_a_failure_that_concerns_the_night_is_not_hidden_by_another_success(
    filled: Filled,
) -> None:
    """A window with the last night in it failed; a later one, of a year ago, did not."""
    filled.clock.advance(minutes=10)
    filled.poll(FIRST, error="it is no list", dates=(date(2024, 2, 29), date(2024, 3, 1)))
    filled.clock.advance(minutes=10)
    filled.poll(FIRST, dates=(date(2023, 2, 1), date(2023, 3, 1)))
    status = filled.look(FIRST)
    assert not status.last.is_all_here
    assert lines_of(status)[1:3] == [
        "The archive last answered 2024-02-29 17:20 UTC.",
        "Polls of 2024A000 winter stack have failed since 2024-02-29 17:10 UTC: it is no list",
    ]
    filled.poll(FIRST)
    assert filled.look(FIRST).last.is_complete


def test_a_night_may_be_listed_date_by_date(filled: Filled) -> None:
    """An answer that was cut is asked for by single dates; then each has its own answer."""
    filled.clock.advance(minutes=10)
    evening, morning = date(2024, 2, 28), date(2024, 2, 29)
    filled.poll(FIRST, error="it was cut")
    filled.poll(FIRST, dates=(evening, evening))
    assert not filled.look(FIRST).last.is_all_here
    filled.poll(FIRST, dates=(morning, morning))
    assert filled.look(FIRST).last.is_complete


def test_a_failure_of_other_nights_ends_with_the_next_success(filled: Filled) -> None:
    """A backfill of another year that failed says nothing of the last night afterwards."""
    filled.poll(FIRST, error="it broke", dates=(date(2023, 2, 1), date(2023, 3, 1)))
    assert not filled.look(FIRST).last.is_all_here
    filled.poll(FIRST)
    assert filled.look(FIRST).last.is_complete


def test_of_several_targets_the_one_that_fails_is_reported(filled: Filled) -> None:
    """One that can be listed does not hide another that cannot."""
    good, bad = Target("SN2024wex"), Target("M31")
    filled.poll(FIRST, target=good)
    filled.poll(FIRST, target=bad, error="it broke")
    filled.poll(FIRST, target=good)
    selection = replace(Selection(FIRST, (STACK,)), regions=(good, bad))
    states = _read(filled.catalog, [selection], filled.clock()).states
    assert [state.failing_since is None for state in states] == [True, False]


def test_a_clock_that_was_set_back_hides_nothing(filled: Filled) -> None:
    """What was recorded last is what counts, whatever its time."""
    filled.clock.advance(days=-1)
    filled.poll(FIRST, error="it broke")
    (state,) = filled.look(FIRST).states
    assert state.error == "it broke"
    filled.poll(FIRST)
    (state,) = filled.look(FIRST).states
    assert state.failing_since is None


def test_a_look_is_at_one_moment(filled: Filled) -> None:
    """What is written while it looks is not half in it."""
    other = Catalog(filled.catalog.path, filled.clock)
    more = of(LAST, 7)[5:]
    with filled.catalog.snapshot():
        before = filled.catalog.views.program_counts([FIRST], LAST)
        other.listings.record_poll(
            Poll(Query(Subject(FIRST, Instrument.WINTER, STACK), LAST.day), sweep=False),
            listed=[(row(entry, program=FIRST), path_of(entry)) for entry in more],
        )
        assert filled.catalog.views.program_counts([FIRST], LAST) == before
    other.close()
    assert filled.look(FIRST).last.numbers.pending == 2
