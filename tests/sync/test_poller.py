"""Polls of a subject: which dates are asked for when, and what a program is asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from support.counting_threads import CountingThreads
from support.lister import POLL_SCHEDULE, STACKS, Asked
from support.makers import NIGHT, PROGRAM, product

from winter_sync.core.errors import BadAnswerError, CredentialsRefusedError, TransientError
from winter_sync.core.poll_events import Polled, PollFailed, WindowHalved
from winter_sync.core.queries import Query, Selection
from winter_sync.core.traits import ImageType
from winter_sync.sync.results import PollResult
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from support.lister import PollRig

    from winter_sync.core.errors import WinterSyncError
    from winter_sync.sync.poller import Poller

SELECTION = Selection(PROGRAM, (ImageType.STACK,))
TODAY = date(2024, 2, 1)
BEGIN = date(2024, 1, 1)
"""The day before the program began, by the lister."""
LOOKED_BACK = date(2024, 1, 28)
"""Three nights before today, and one day more."""


def window(start: date, end: date | None = None) -> Asked:
    """Return a listing of stacks."""
    return Asked(start, end, "stack", None)


async def poll(rig: PollRig, poller: Poller, *, by_hand: bool = False) -> list[Asked]:
    """Poll; return what was asked for."""
    rig.lister.asked.clear()
    result = await poller.poll(SELECTION, STACKS, by_hand=by_hand)
    assert result.error is None
    assert result.queries == len(rig.lister.asked)
    return list(rig.lister.asked)


# --- which dates ---------------------------------------------------------------------------------


async def test_all_of_a_subject_is_polled_first_and_then_every_day(polling: PollRig) -> None:
    """Between these sweeps the last nights are."""
    poller = polling.poller()
    assert await poll(polling, poller) == [window(BEGIN)]
    polling.clock.advance(minutes=10)
    assert await poll(polling, poller) == [window(LOOKED_BACK)]
    assert await poll(polling, polling.poller()) == [window(LOOKED_BACK)]
    polling.clock.advance(hours=23, minutes=49)
    assert await poll(polling, poller) == [window(LOOKED_BACK + timedelta(days=1))]
    polling.clock.advance(minutes=1)
    assert await poll(polling, poller) == [window(BEGIN)]


async def test_a_sweep_of_the_future_counts_as_none(polling: PollRig) -> None:
    """A clock that was wrong does not put the next sweep off for years."""
    polling.clock.advance(days=1000)
    await poll(polling, polling.poller())
    polling.clock.advance(days=-1000)
    assert await poll(polling, polling.poller()) == [window(BEGIN)]
    assert await poll(polling, polling.poller()) == [window(LOOKED_BACK)]


async def test_each_subject_has_its_schedule(polling: PollRig) -> None:
    """How far it is looked back, and when it is swept, is asked of it."""
    diffs = replace(STACKS, image_type=ImageType.DIFF)
    schedules = {STACKS: POLL_SCHEDULE, diffs: replace(POLL_SCHEDULE, lookback_nights=10)}
    polling.poll_schedule = schedules.__getitem__
    poller = polling.poller()
    for subject in (STACKS, diffs, STACKS, diffs):
        await poller.poll(SELECTION, subject)
    assert [asked.start for asked in polling.lister.asked] == [
        BEGIN,
        BEGIN,
        LOOKED_BACK,
        date(2024, 1, 21),
    ]


async def test_a_sweep_that_failed_is_due_again(polling: PollRig) -> None:
    """Only one that was answered in full counts."""
    poller = polling.poller()
    polling.lister.answer = lambda *_: 422
    result = await poller.poll(SELECTION, STACKS)
    assert isinstance(result.error, BadAnswerError)
    polling.lister.answer = lambda *_: None
    assert await poll(polling, poller) == [window(BEGIN)]


async def test_a_program_that_ended_is_polled_in_sweeps_and_by_hand(polling: PollRig) -> None:
    """Long after its end nothing new is to be seen; whoever asks by hand wants to know now."""
    polling.lister.program = {"startdate": "2023-12-01", "enddate": "2023-12-20"}
    poller = polling.poller()
    swept = [window(date(2023, 11, 30))]
    assert await poll(polling, poller) == swept
    assert await poll(polling, poller) == []
    result = await poller.poll(SELECTION, STACKS)
    why = "its products begin with 2023-12-01 and ended on 2023-12-20, so it has no such nights"
    assert result == PollResult(not_asked=why)
    assert await poll(polling, poller, by_hand=True) == swept
    polling.clock.advance(hours=23)
    assert await poll(polling, poller) == []
    assert sum(record["sweep"] for record in await polling.table("polls")) == 2


async def test_a_program_that_has_not_begun_is_not_asked_for(polling: PollRig) -> None:
    """Not by hand either; why is the result."""
    polling.lister.program = {"startdate": "2024-03-01"}
    for by_hand in (False, True):
        result = await polling.poller().poll(SELECTION, STACKS, by_hand=by_hand)
        assert result == PollResult(
            not_asked="it begins on 2024-03-01, and the archive has 2024-02-01"
        )
    assert polling.lister.asked == []


async def test_all_that_is_listed_is_recorded(polling: PollRig) -> None:
    """And said to be so, wherever it belongs in the tree."""
    first, second = product(), product(1, night=NIGHT.plus(1))
    polling.lister.add(first, second)
    result = await polling.poller().poll(SELECTION, STACKS)
    assert result == PollResult(queries=1, listed=2, new=2)
    assert await polling.listed() == {first.savepath, second.savepath}
    (polled,) = polling.emitted(Polled)
    assert polled.seconds == 0.0


async def test_rows_are_compared_in_the_thread_given(polling: PollRig) -> None:
    """Tens of thousands of them would hold up the event loop."""
    with CountingThreads() as threads:
        polling.threads = threads
        await polling.poller().poll(SELECTION, STACKS)
        assert threads.calls > 0


async def test_what_was_too_much_is_remembered_from_poll_to_poll(polling: PollRig) -> None:
    """Windows that an archive cannot list at once are halved without being asked for."""
    polling.lister.answer = lambda asked, _: {"body": 7} if asked.days > 20 else None
    polling.poll_schedule = lambda _: replace(POLL_SCHEDULE, sweep_every=timedelta(0))
    poller = polling.poller()
    assert (await poller.poll(SELECTION, STACKS)).error is None
    assert polling.lister.asked[0] == window(BEGIN)
    assert polling.emitted(WindowHalved)
    assert window(BEGIN) not in await poll(polling, poller)
    assert polling.lister.asked[0] == window(BEGIN, date(2024, 1, 17))


# --- a backfill's nights -------------------------------------------------------------------------


async def test_given_nights_are_polled_with_those_beside_them(polling: PollRig) -> None:
    """Of the neighbours nothing is recorded; that is no sweep, and it is when none is due."""
    inside, outside = product(), product(1, night=NIGHT.plus(-1))
    polling.lister.add(inside, outside)
    result = await polling.poller().poll_nights(SELECTION, STACKS, Nights(NIGHT, NIGHT))
    assert result == PollResult(queries=1, listed=2, new=1)
    assert polling.lister.asked == [window(date(2024, 1, 29))]
    assert await polling.listed() == {inside.savepath}
    assert [record["sweep"] for record in await polling.table("polls")] == [0]


async def test_nights_that_have_not_begun_are_not_polled(polling: PollRig) -> None:
    """Nor are those before the program's."""
    poller = polling.poller()
    later = NIGHT.plus(40)
    result = await poller.poll_nights(SELECTION, STACKS, Nights(later, later))
    assert result == PollResult(
        not_asked="night 20240310 has not begun: the archive has 2024-02-01"
    )
    before = NIGHT.plus(-100)
    result = await poller.poll_nights(SELECTION, STACKS, Nights(before, before))
    why = "its products begin with 2024-01-02, so it has no such nights"
    assert result == PollResult(not_asked=why)
    assert polling.lister.asked == []


async def test_what_fails_of_given_nights_is_the_result_s_error(polling: PollRig) -> None:
    """As it is of any other poll."""
    polling.lister.answer = lambda *_: 401
    result = await polling.poller().poll_nights(SELECTION, STACKS, Nights(NIGHT, NIGHT))
    assert isinstance(result.error, CredentialsRefusedError)


# --- programs ------------------------------------------------------------------------------------


async def test_a_program_is_asked_about_once_a_day(polling: PollRig) -> None:
    """Programs are prolonged; each is asked about by itself."""
    poller = polling.poller()
    assert (await poller.look_up_program(PROGRAM)).start == date(2024, 1, 2)
    polling.lister.program = {"startdate": "2023-06-01"}
    polling.clock.advance(hours=23, minutes=59)
    assert (await poller.look_up_program(PROGRAM)).start == date(2024, 1, 2)
    assert polling.lister.programs_asked == [PROGRAM]
    polling.clock.advance(minutes=1)
    for _ in range(2):
        assert (await poller.look_up_program(PROGRAM)).start == date(2023, 6, 1)
    assert polling.lister.programs_asked == [PROGRAM] * 2


async def test_a_clock_that_was_ahead_keeps_no_program_as_it_was(polling: PollRig) -> None:
    """It is asked about again at once."""
    poller = polling.poller()
    polling.clock.advance(days=1000)
    await poller.look_up_program(PROGRAM)
    polling.clock.advance(days=-1000)
    await poller.look_up_program(PROGRAM)
    assert polling.lister.programs_asked == [PROGRAM] * 2


@pytest.mark.parametrize(
    ("program", "kind"),
    [(401, CredentialsRefusedError), (503, TransientError), ("a song", BadAnswerError)],
)
async def test_a_program_that_cannot_be_looked_up_is_not_polled(
    polling: PollRig, program: object, kind: type[WinterSyncError]
) -> None:
    """What was to be polled is recorded as failed, of today."""
    polling.lister.program = program
    result = await polling.poller().poll(SELECTION, STACKS)
    assert result == PollResult(error=result.error)
    assert type(result.error) is kind
    assert polling.lister.asked == []
    (failed,) = polling.emitted(PollFailed)
    assert failed.query == Query(STACKS, TODAY)
    assert failed.reason == result.error.message
    assert [record["error"] for record in await polling.table("polls")] == [result.error.message]


async def test_what_is_not_asked_because_of_others_is_recorded(polling: PollRig) -> None:
    """Of each subject and of today, without an event for each."""
    diffs = replace(STACKS, image_type=ImageType.DIFF)
    await polling.poller().record_unreachable([STACKS, diffs], "the server is away")
    polls = await polling.table("polls")
    assert [(record["image_type"], record["start"], record["error"]) for record in polls] == [
        ("stack", TODAY.isoformat(), "the server is away"),
        ("diff", TODAY.isoformat(), "the server is away"),
    ]
    assert polling.events == []
