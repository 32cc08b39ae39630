"""One poll: which windows are asked for, and what becomes of those that fail or are cut short."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.lister import STACKS, Asked, listing_of, poll_rig
from support.makers import NIGHT, product
from support.rows_alive import RowsAlive

from winter_sync.core.errors import (
    BadAnswerError,
    CircuitOpenError,
    CredentialsRefusedError,
    RejectedQueryError,
    TransientError,
    UsageError,
    WinterSyncError,
)
from winter_sync.core.poll_events import PollFailed, WindowHalved
from winter_sync.core.queries import Query, Rectangle, Target
from winter_sync.sync.listing_recorder import WantedRows
from winter_sync.sync.results import PollResult
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from support.lister import PollRig

    Rows = list[dict[str, Any]]

FAILURES = 8
DAY = timedelta(days=1)
FIRST, LAST = date(2024, 1, 25), date(2024, 2, 1)
WINDOW = Query(STACKS, FIRST, LAST)
"""Eight dates; in the middle of them is the night of the products."""
NO_TABLE = {"body": "nothing"}
ONE, TWO, THREE = (product(number) for number in range(3))


def dates(query: Query) -> list[Query]:
    """Return a window of each date of a window, which nothing can halve."""
    return [
        replace(query, start=FIRST + number * DAY, end=FIRST + number * DAY)
        for number in range((LAST - FIRST).days + 1)
    ]


def asked(*days: tuple[int, int]) -> list[Asked]:
    """Return windows of stacks, by the first and last of their days, counted from the first."""
    return [Asked(FIRST + first * DAY, FIRST + last * DAY, "stack", None) for first, last in days]


def failing(
    *windows: tuple[int, int], answer: object = NO_TABLE
) -> Callable[[Asked, Rows], object]:
    """Return an archive's way to answer: so to these windows, and rightly to others."""
    return lambda window, _: answer if window in asked(*windows) else None


def longer_than(days: int) -> Callable[[Asked, Rows], object]:
    """Return the answers of an archive that can list only as many days at once."""
    return lambda window, _: NO_TABLE if window.days > days else None


def query_of(window: tuple[int, int]) -> Query:
    """Return the window of these days."""
    (one,) = asked(window)
    return Query(STACKS, one.start, one.end)


async def failure(rig: PollRig, *queries: Query) -> WinterSyncError:
    """Poll in vain, and return why."""
    with pytest.raises(WinterSyncError) as caught:
        await rig.window_poll().ask_all(queries)
    return caught.value


async def test_windows_are_asked_for_in_order_and_their_answers_added(polling: PollRig) -> None:
    """To what the poll came to before."""
    polling.lister.add(ONE)
    polling.lister.add(TWO, nightdate="2024-02-01")
    poll = polling.window_poll(result=PollResult(queries=1, listed=5))
    await poll.ask_all([query_of((0, 5)), query_of((4, 7))])
    assert polling.lister.asked == asked((0, 5), (4, 7))
    assert poll.result == PollResult(queries=3, listed=5 + 1 + 2, new=2)
    assert await polling.listed() == {ONE.savepath, TWO.savepath}
    assert not polling.emitted(WindowHalved)


async def test_only_wanted_rows_are_recorded(polling: PollRig) -> None:
    """A backfill of one night records nothing new of others."""
    polling.lister.add(ONE, product(night=NIGHT.plus(1)))
    poll = polling.window_poll(WantedRows(Nights(NIGHT, NIGHT)))
    await poll.ask_all([WINDOW])
    assert await polling.listed() == {ONE.savepath}


@pytest.mark.parametrize(
    "error",
    [CredentialsRefusedError("no"), TransientError("no"), BadAnswerError("no"), UsageError("no")],
    ids=lambda error: type(error).__name__,
)
def test_the_archive_s_errors_are_the_result_s(error: WinterSyncError, polling: PollRig) -> None:
    """Any other error is nobody's answer, and raised."""
    poll = polling.window_poll(result=PollResult(queries=2))
    poll.skip("it has not begun")
    if isinstance(error, UsageError):
        with pytest.raises(UsageError), poll.keeping_errors():
            raise error
        assert poll.result.error is None
        return
    with poll.keeping_errors():
        raise error
    assert poll.result == PollResult(queries=2, not_asked="it has not begun", error=error)


# --- sweeps --------------------------------------------------------------------------------------


async def sweeps(rig: PollRig) -> int:
    """Count the sweeps in the catalog."""
    return sum(poll["sweep"] for poll in await rig.table("polls"))


async def test_a_sweep_is_one_when_all_of_it_is_answered(polling: PollRig) -> None:
    """Not one that only looked at some dates, asked nothing, or missed a window."""
    await polling.window_poll().ask_all([WINDOW])
    await polling.window_poll().ask_all([], sweep=True)
    polling.lister.answer = failing((1, 2))
    with pytest.raises(BadAnswerError):
        await polling.window_poll().ask_all([WINDOW, query_of((1, 2))], sweep=True)
    assert await sweeps(polling) == 0
    polling.lister.answer = lambda *_: None
    await polling.window_poll().ask_all([WINDOW, query_of((1, 2))], sweep=True)
    assert await sweeps(polling) == 1


# --- windows that fail ---------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [NO_TABLE, 500])
async def test_a_window_that_fails_is_asked_for_by_halves(polling: PollRig, answer: object) -> None:
    """Again and again, until all is answered; each time it is said why."""
    polling.lister.add(ONE, TWO)
    polling.lister.answer = lambda window, _: answer if window.days > 4 else None
    poll = polling.window_poll()
    await poll.ask_all([WINDOW])
    assert polling.lister.asked == asked((0, 7), (0, 4), (0, 2), (1, 4), (3, 7), (3, 5), (4, 7))
    assert poll.result == PollResult(queries=4, listed=4, new=2)
    halved = polling.emitted(WindowHalved)
    assert [event.query for event in halved] == [WINDOW, query_of((0, 4)), query_of((3, 7))]
    reason = "server returns errors (500)" if answer == 500 else "has no table"
    assert all(reason in event.reason for event in halved)
    assert not polling.emitted(PollFailed)


async def test_what_was_too_much_is_not_asked_for_at_once_again(polling: PollRig) -> None:
    """For an hour only its parts are; then it is tried again, and an answer ends this."""
    polling.lister.answer = longer_than(5)
    await polling.window_poll().ask_all([WINDOW])
    polling.lister.answer = lambda *_: None
    for wait, windows in [(59, [(0, 4), (3, 7)]), (2, [(0, 7)]), (0, [(0, 7)])]:
        polling.lister.asked.clear()
        polling.clock.advance(minutes=wait)
        await polling.window_poll().ask_all([WINDOW])
        assert polling.lister.asked == asked(*windows)


async def test_a_window_without_an_end_is_one_to_the_archive_s_today(polling: PollRig) -> None:
    """It is halved, blamed and asked for again as if that were its end; its last part has none."""
    open_window, last_part = asked((0, 7))[0], asked((3, 7))[0]
    open_window, last_part = replace(open_window, end=None), replace(last_part, end=None)
    halves = [*asked((0, 4)), last_part]
    window = replace(WINDOW, end=None)
    polling.lister.add(ONE, TWO)
    polling.lister.add(THREE, nightdate="2024-01-27")
    for answer in (longer_than(5), capped(2)):
        polling.clock.advance(minutes=61)
        polling.lister.asked.clear()
        polling.lister.answer = answer
        await polling.window_poll().ask_all([window])
        assert polling.lister.asked == [open_window, *halves]
        polling.lister.asked.clear()
        await polling.window_poll().ask_all([window])
        assert polling.lister.asked == halves
        polling.lister.answer = lambda *_: None
        polling.clock.advance(minutes=61)
        await polling.window_poll().ask_all([window])
    polling.lister.add(product(4), nightdate="2024-01-31")
    polling.lister.asked.clear()
    polling.lister.answer = capped(2)
    await polling.window_poll().ask_all([replace(window, start=FIRST + 5 * DAY)])
    parts = [*asked((5, 5), (6, 6)), replace(last_part, start=LAST)]
    assert polling.lister.asked[1:] == parts


async def test_an_answer_in_full_ends_the_blame_of_a_window(polling: PollRig) -> None:
    """Also of one that is within it."""
    polling.lister.answer = longer_than(5)
    await polling.window_poll().ask_all([query_of((1, 6))])
    polling.lister.answer = lambda *_: None
    polling.clock.advance(minutes=61)
    await polling.window_poll().ask_all([WINDOW])
    polling.lister.answer = longer_than(5)
    await polling.window_poll().ask_all([query_of((1, 6))])
    polling.lister.asked.clear()
    polling.clock.advance(minutes=61)
    await polling.window_poll().ask_all([query_of((1, 6))])
    assert polling.lister.asked[:1] == asked((1, 6))


async def test_a_window_of_which_much_is_known_is_asked_for_by_halves(polling: PollRig) -> None:
    """What is known of a window is held in memory while it is read: too much is never asked for."""
    polling.lister.add(ONE, TWO, THREE)
    await polling.window_poll().ask_all([WINDOW])
    polling.lister.asked.clear()
    poll = polling.window_poll(recorder=polling.recorder(most_known=2))
    await poll.ask_all([WINDOW])
    assert polling.lister.asked
    assert not set(polling.lister.asked) & set(asked((0, 7), (3, 7)))
    assert (poll.result.new, await polling.withdrawn()) == (0, set())
    assert not polling.emitted(WindowHalved)


async def test_a_window_of_which_a_part_fails_is_not_blamed(polling: PollRig) -> None:
    """It is not its length: next time it is asked for at once."""
    polling.lister.answer = failing((0, 7), (0, 4), (0, 2))
    assert isinstance(await failure(polling, WINDOW), BadAnswerError)
    polling.lister.asked.clear()
    polling.lister.answer = lambda *_: None
    await polling.window_poll().ask_all([WINDOW])
    assert polling.lister.asked == asked((0, 7))


async def test_a_night_that_fails_costs_no_other(polling: PollRig) -> None:
    """The rest is asked for and recorded; the failure is recorded, and raised at the end."""
    polling.lister.add(ONE)
    windows = dates(WINDOW)
    polling.lister.answer = failing((1, 1))
    error = await failure(polling, *windows)
    assert isinstance(error, BadAnswerError)
    assert "no table" in error.message
    assert polling.lister.asked == asked(*((day, day) for day in range(8)))
    assert await polling.listed() == {ONE.savepath}
    (failed,) = polling.emitted(PollFailed)
    assert (failed.query, failed.reason) == (windows[1], error.message)
    errors = [poll["error"] for poll in await polling.table("polls")]
    assert errors == [None, error.message, *[None] * 6]


@pytest.mark.parametrize("answered", [True, False])
async def test_a_poll_in_which_enough_failed_is_over(polling: PollRig, *, answered: bool) -> None:
    """Sooner where nothing was answered; then it is the server."""
    windows = dates(WINDOW) + dates(WINDOW)
    polling.lister.answer = lambda window, _: (
        None if answered and window.start == FIRST else NO_TABLE
    )
    error = await failure(polling, *windows)
    assert isinstance(error, BadAnswerError)
    last = 9 if answered else 0
    assert polling.lister.asked == asked(*((day % 8, day % 8) for day in range(last + 1)))
    assert len(polling.emitted(PollFailed)) == (FAILURES if answered else 1)
    assert polling.windows.server_in_doubt is not answered


async def test_of_a_server_that_answered_a_failure_is_of_the_window(polling: PollRig) -> None:
    """Whatever it was, the poll's error says that only some of it failed; the first is reported."""
    polling.lister.answer = lambda window, _: (
        500 if window.start == FIRST + DAY else NO_TABLE if window.start > FIRST + DAY else None
    )
    error = await failure(polling, *dates(WINDOW)[:3])
    assert type(error) is BadAnswerError
    assert "returns errors (500)" in error.message
    assert error.remedy
    assert polling.windows.server_in_doubt is False


async def test_a_server_that_answered_nothing_is_in_doubt(polling: PollRig) -> None:
    """The next failure is its, not the window's, until it answers something."""
    polling.lister.answer = failing((0, 0), answer=500)
    assert type(await failure(polling, query_of((0, 0)))) is TransientError
    assert polling.windows.server_in_doubt is True
    polling.lister.asked.clear()
    polling.lister.answer = longer_than(4)
    await failure(polling, WINDOW, query_of((1, 2)))
    assert polling.lister.asked == asked((0, 7))
    assert [event.query for event in polling.emitted(PollFailed)] == [query_of((0, 0)), WINDOW]
    assert not polling.emitted(WindowHalved)
    await polling.window_poll().ask_all([query_of((1, 2))])
    await polling.window_poll().ask_all([WINDOW])
    assert polling.windows.server_in_doubt is False
    assert polling.emitted(WindowHalved)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(422, RejectedQueryError), (401, CredentialsRefusedError), (403, CredentialsRefusedError)],
)
async def test_what_no_shorter_window_helps_with_ends_the_poll(
    polling: PollRig, answer: int, kind: type[WinterSyncError]
) -> None:
    """Recorded of the window that was refused, and raised as it is."""
    polling.lister.answer = lambda *_: answer
    error = await failure(polling, WINDOW, query_of((1, 2)))
    assert type(error) is kind
    assert polling.lister.asked == asked((0, 7))
    assert [event.query for event in polling.emitted(PollFailed)] == [WINDOW]
    assert [poll["error"] for poll in await polling.table("polls")] == [error.message]
    assert not polling.emitted(WindowHalved)


async def test_a_server_that_is_away_is_not_asked_for_less(polling: PollRig) -> None:
    """Where it does not answer a ping either, the window is not to blame."""
    polling.lister.answer, polling.lister.ping = lambda *_: 503, 503
    assert type(await failure(polling, WINDOW, query_of((1, 2)))) is TransientError
    assert polling.lister.asked == asked((0, 7))
    assert [event.query for event in polling.emitted(PollFailed)] == [WINDOW]
    assert type(await failure(polling, WINDOW, query_of((1, 2)))) is CircuitOpenError
    assert not polling.emitted(WindowHalved)


# --- answers that are cut short ------------------------------------------------------------------


def capped(most: int) -> Callable[[Asked, Rows], object]:
    """Return the answers of an archive that lists only the first rows, and says how many it has."""
    return lambda _, rows: {"msg": f"Found {len(rows)} images", "body": rows[:most]}


async def test_the_rest_of_a_cut_answer_is_asked_for_in_parts(polling: PollRig) -> None:
    """What it did list is used at once; it counts as no answer, and withdraws nothing."""
    polling.lister.add(ONE, TWO)
    polling.lister.add(THREE, nightdate="2024-01-27")
    polling.lister.answer = capped(2)
    await polling.window_poll().ask_all([WINDOW], sweep=True)
    assert polling.lister.asked == asked((0, 7), (0, 4), (3, 7))
    assert await polling.listed() == {ONE.savepath, TWO.savepath, THREE.savepath}
    (halved,) = polling.emitted(WindowHalved)
    reason = "the archive found 3 images and listed 2 of them"
    assert (halved.query, halved.reason) == (WINDOW, reason)
    polls = await polling.table("polls")
    assert [poll["error"] for poll in polls] == [reason, None, None]
    assert not polling.emitted(PollFailed)
    assert await sweeps(polling) == 1
    polling.lister.asked.clear()
    await polling.window_poll().ask_all([WINDOW])
    assert polling.lister.asked == asked((0, 4), (3, 7))


async def test_a_cut_answer_withdraws_nothing(polling: PollRig) -> None:
    """What it lacks may be in the rest."""
    polling.lister.add(ONE, TWO, THREE, nightdate="2024-01-27")
    await polling.window_poll().ask_all([WINDOW])
    polling.lister.answer = lambda window, rows: (
        {"msg": "Found 3 images", "body": rows[:2]} if window.days > 5 else None
    )
    await polling.window_poll().ask_all([WINDOW])
    assert [poll["withdrawn"] for poll in await polling.table("polls")] == [0, 0, 0, 0]


async def test_what_each_part_lists_counts_together(polling: PollRig) -> None:
    """Also where a part that was cut itself lists as many as the whole, but others."""
    listed = {(0, 7): (4, [ONE, TWO]), (0, 4): (2, [THREE]), (0, 2): (2, [THREE, product(4)])}
    answers = {
        asked(window)[0]: {
            "msg": f"Found {found} images",
            "body": [{"savepath": entry.savepath} for entry in products],
        }
        for window, (found, products) in listed.items()
    }
    polling.lister.answer = lambda window, _: answers.get(window)
    await polling.window_poll().ask_all([WINDOW])
    assert not polling.emitted(PollFailed)


async def test_an_answer_that_lists_all_it_found_is_in_full(polling: PollRig) -> None:
    """Also where rows of it cannot be used: they have been listed."""
    polling.lister.add(ONE)
    polling.lister.add(TWO, nightdate="2024-01-27")
    await polling.window_poll().ask_all([WINDOW])
    assert polling.lister.asked == asked((0, 7))
    polling.lister.remove(TWO)
    await polling.window_poll().ask_all([WINDOW])
    assert await polling.withdrawn() == {TWO.savepath}


async def test_what_nobody_lists_is_a_gap(polling: PollRig) -> None:
    """Where all parts together list no more than the whole, something cannot be listed at all."""
    polling.lister.add(ONE, TWO, THREE)
    polling.lister.answer = capped(2)
    poll = polling.window_poll()
    with pytest.raises(BadAnswerError) as caught:
        await poll.ask_all([WINDOW, query_of((0, 1))], sweep=True)
    reason = "the archive found 3 images and listed 2 of them"
    assert caught.value.message == reason
    assert caught.value.remedy == (
        "What was listed is downloaded. Nothing is taken for withdrawn, and the rest is asked for "
        "again at the next poll. If it stays so, ask the observatory for the limit of a listing, "
        "or narrow the selection by targets, cones or rectangles."
    )
    assert polling.lister.asked[-1:] == asked((0, 1))
    failed = polling.emitted(PollFailed)
    assert {event.reason for event in failed} == {reason}
    assert len(failed) <= FAILURES
    assert await sweeps(polling) == 0
    assert await polling.listed() == {ONE.savepath, TWO.savepath}
    assert WINDOW not in [event.query for event in failed]
    assert (poll.result.queries, poll.result.new) == (len(polling.lister.asked), 2)


async def test_each_of_the_first_gaps_is_recorded(polling: PollRig) -> None:
    """However many there are, all windows are asked for, and no gap counts as a failure."""
    for number, window in enumerate(dates(WINDOW)):
        polling.lister.add(product(number), nightdate=window.start.isoformat())
    polling.lister.answer = capped(0)
    error = await failure(polling, *dates(WINDOW), *dates(WINDOW))
    assert error.message == "the archive found 1 images and listed 0 of them"
    assert len(polling.lister.asked) == 16
    assert [event.query for event in polling.emitted(PollFailed)] == dates(WINDOW)


async def test_what_the_parts_of_a_part_list_is_no_gap_of_the_whole(polling: PollRig) -> None:
    """However deep it was found."""
    polling.lister.add(ONE, TWO, THREE, nightdate="2024-01-27")
    polling.lister.answer = lambda window, rows: (
        {"msg": "Found 3 images", "body": rows[:2]} if len(rows) == 3 and window.days > 3 else None
    )
    await polling.window_poll().ask_all([WINDOW])
    assert await polling.listed() == {ONE.savepath, TWO.savepath, THREE.savepath}
    assert not polling.emitted(PollFailed)


async def test_a_short_window_that_was_cut_is_asked_for_by_dates(polling: PollRig) -> None:
    """None of that says that a longer window is too much."""
    polling.lister.add(ONE, nightdate="2024-01-25")
    polling.lister.add(TWO, nightdate="2024-01-26")
    polling.lister.answer = capped(1)
    await polling.window_poll().ask_all([query_of((0, 2))])
    assert polling.lister.asked == asked((0, 2), (0, 0), (1, 1), (2, 2))
    polling.lister.asked.clear()
    polling.lister.answer = lambda *_: None
    await polling.window_poll().ask_all([WINDOW])
    assert polling.lister.asked == asked((0, 7))


@pytest.mark.parametrize("at_first", [True, False])
async def test_a_row_that_cannot_be_used_was_listed(polling: PollRig, *, at_first: bool) -> None:
    """If it says of what it is, and the parts list nothing else than the whole, that is a gap."""
    odd = {"savepath": "/data/no night/in it.fits"}
    polling.lister.answer = lambda window, _: {
        "msg": "Found 2 images" if window.days == 3 else "Found 1 images",
        "body": [odd] if window.days == 1 or at_first else [],
    }
    if at_first:
        assert isinstance(await failure(polling, query_of((0, 2))), BadAnswerError)
    else:
        await polling.window_poll().ask_all([query_of((0, 2))])
    assert len(polling.lister.asked) == 4


# --- what a region lists no more -----------------------------------------------------------------

STAR = replace(STACKS, region=Target("a star"))
OF_STAR = replace(WINDOW, subject=STAR)
OF_PROGRAM = Asked(FIRST, LAST, "stack", None)


async def test_what_left_a_region_is_asked_of_its_program(polling: PollRig) -> None:
    """What the program lists has another target now; what it does not list is withdrawn."""
    polling.lister.add(ONE, TWO, THREE)
    await polling.window_poll().ask_all([OF_STAR])
    polling.lister.remove(TWO, THREE)
    polling.lister.add(TWO, product(9), targname="another star")
    polling.lister.asked.clear()
    poll = polling.window_poll(result=PollResult(queries=1))
    await poll.ask_all([OF_STAR])
    assert polling.lister.asked == [replace(OF_PROGRAM, target="a star"), OF_PROGRAM]
    assert poll.result == PollResult(queries=3, listed=1 + 3)
    assert await polling.withdrawn() == {THREE.savepath}
    assert await polling.listed() == {ONE.savepath, TWO.savepath, THREE.savepath}
    await polling.window_poll().ask_all([OF_STAR])
    assert polling.lister.asked[2:] == [replace(OF_PROGRAM, target="a star")]


async def test_a_program_is_asked_by_halves_for_what_left_a_region(polling: PollRig) -> None:
    """As any other window that fails; what was too much is remembered of the program."""
    polling.lister.add(ONE)
    await polling.window_poll().ask_all([OF_STAR])
    polling.lister.remove(ONE)
    polling.lister.answer = lambda window, _: (
        NO_TABLE if window.days > 5 and window.target is None else None
    )
    poll = polling.window_poll()
    await poll.ask_all([OF_STAR])
    assert poll.result.queries == 3
    assert [event.query for event in polling.emitted(WindowHalved)] == [WINDOW]
    assert await polling.withdrawn() == {ONE.savepath}
    polling.lister.asked.clear()
    await polling.window_poll().ask_all([WINDOW])
    assert polling.lister.asked == asked((0, 4), (3, 7))


async def test_a_program_that_does_not_answer_withdraws_nothing(polling: PollRig) -> None:
    """What was answered before stays in the result."""
    polling.lister.add(ONE, TWO)
    await polling.window_poll().ask_all([OF_STAR])
    polling.lister.remove(TWO)
    polling.lister.answer = lambda window, _: 401 if window.target is None else None
    poll = polling.window_poll()
    with pytest.raises(CredentialsRefusedError):
        await poll.ask_all([OF_STAR])
    assert poll.result == PollResult(queries=1, listed=1)
    assert await polling.withdrawn() == set()


# --- more new rows than are used at once ---------------------------------------------------------


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[PollRig]:
    """Yield what polls a lister and uses four new rows of an answer at once."""
    async with poll_rig(tmp_path, most_rows=4) as rig:
        yield rig


@pytest.mark.parametrize("spread", [[11], [5, 5], [4, 0, 4], [1, 9, 1, 9, 0, 5]])
async def test_a_first_poll_takes_whatever_there_is_in_small_steps(
    small: PollRig, spread: list[int]
) -> None:
    """Each row is new once, all are listed, and the sweep is one; then nothing is new."""
    everything = {
        product(100 * place + number): place
        for place, count in enumerate(spread)
        for number in range(count)
    }
    for each, place in everything.items():
        small.lister.add(each, nightdate=(WINDOW.start + (place + 1) * DAY).isoformat())
    poll = small.window_poll()
    await poll.ask_all([WINDOW], sweep=True)
    assert await small.listed() == {each.savepath for each in everything}
    assert poll.result.new == len(everything)
    assert (poll.result.changed, await small.withdrawn()) == (0, set())
    assert not small.emitted(PollFailed)
    assert await sweeps(small) == 1
    again = small.window_poll()
    small.lister.remove(next(iter(everything)))
    await again.ask_all([WINDOW], sweep=True)
    assert again.result.new == 0
    assert await small.withdrawn() == {next(iter(everything)).savepath}


@pytest.mark.parametrize("found", [None, 99])
async def test_an_answer_is_let_go_of_before_its_parts_are_asked_for(
    small: PollRig, found: int | None
) -> None:
    """So it is where more is new than is used at once, and where more is found than is listed."""
    for number in range(24):
        day = WINDOW.start + number % 8 * DAY
        small.lister.add(product(number), nightdate=day.isoformat())
    alive = RowsAlive(small)
    small.lister.answer = lambda _, rows: alive.answer(
        listing_of(rows) if found is None else {"msg": f"Found {found} images", "body": rows[:3]}
    )
    with suppress(BadAnswerError):
        await small.window_poll().ask_all([WINDOW])
    assert len(alive.counts) > 6
    assert max(alive.counts) == 0


async def test_an_answer_is_let_go_of_before_others_are_asked_for_what_it_lacks(
    polling: PollRig,
) -> None:
    """What a region listed anew is not held while its program is asked for what is gone."""
    polling.lister.add(ONE, TWO, THREE)
    await polling.window_poll().ask_all([OF_STAR])
    polling.lister.remove(ONE, TWO, THREE)
    polling.lister.add(TWO, THREE, lastmodified="2024-02-02T00:00:00")
    alive = RowsAlive(polling)
    polling.lister.answer = lambda _, rows: alive.answer(listing_of(rows))
    await polling.window_poll().ask_all([OF_STAR])
    assert alive.counts == [0, 0]


@pytest.mark.parametrize("count", [3, 4, 9])
async def test_both_parts_of_a_rectangle_have_no_more_rows_than_one_answer(
    small: PollRig, count: int
) -> None:
    """Over right ascension 0 there are two answers; by and by all rows of both are recorded."""
    over_zero = replace(STACKS, region=Rectangle(350, 10, -5, 5))
    everything = [product(number) for number in range(count)]
    for number, each in enumerate(everything):
        small.lister.add(each, nightdate=(WINDOW.start + number % 8 * DAY).isoformat())
    window = replace(WINDOW, subject=over_zero)
    listings = await small.api.listings(window, None)
    assert sum(len(listing.rows) for listing in listings) <= 4
    assert any(listing.is_stopped for listing in listings)
    await small.window_poll().ask_all([window])
    assert await small.listed() == {each.savepath for each in everything}


@pytest.mark.parametrize("odd", [{}, {"savepath": "/data/no night/in it.fits"}])
async def test_rows_that_cannot_be_used_are_not_asked_for_for_ever(
    small: PollRig, odd: dict[str, str]
) -> None:
    """It is said that something is lacking, nothing is withdrawn, and the poll comes to an end."""
    small.lister.add(ONE)
    await small.window_poll().ask_all([WINDOW])
    small.lister.asked.clear()
    small.lister.answer = lambda *_: {"msg": "Found 9 images", "body": [odd] * 9}
    error = await failure(small, WINDOW)
    assert error.message == "4 rows are new or changed, and the archive found 9 images"
    assert len(small.lister.asked) <= 2 * FAILURES
    assert await small.withdrawn() == set()
    assert await sweeps(small) == 0
