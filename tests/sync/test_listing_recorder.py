"""One answer of the archive, held against the catalog and recorded there."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from support.catalogs import REPROCESSED, publish
from support.counting_threads import CountingThreads
from support.lister import SECRET, STACKS
from support.makers import NIGHT, PROGRAM, path_of, product, row

from winter_sync.archive.listing import MOST_TOLD, Listing
from winter_sync.catalog.records import Poll
from winter_sync.core.errors import TransientError
from winter_sync.core.poll_events import Polled, PollFailed, ProductsLeftOut, RowsLeftOut
from winter_sync.core.queries import Query, Target
from winter_sync.core.shares import Share
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.listing_recorder import Recorded, WantedRows
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from support.lister import PollRig

    from winter_sync.core.products import Product, Row

QUERY = Query(STACKS, date(2024, 1, 20), date(2024, 2, 10))
ALL = WantedRows()
FIRST, SECOND, THIRD, FOURTH = (product(number) for number in range(4))
LATER = product(9, night=NIGHT.plus(1))


def listing(
    rows: Iterable[Row],
    *,
    faults: tuple[str, ...] = (),
    untold: int = 0,
    malformed: Iterable[str] = (),
) -> Listing:
    """Return an answer of these rows."""
    listed = tuple(rows)
    paths = frozenset(malformed)
    return Listing(
        listed,
        faults,
        untold=untold,
        received=len(listed) + len(paths),
        distinct=len({row.product.identity for row in listed}) + len(paths),
        malformed=paths,
    )


def answer(*products: Product, malformed: Iterable[str] = ()) -> Listing:
    """Return an answer that lists these products."""
    return listing(map(row, products), malformed=malformed)


async def record(
    rig: PollRig,
    answered: Listing,
    *,
    query: Query = QUERY,
    wanted: WantedRows = ALL,
    whole: bool = True,
) -> Recorded:
    """Have an answer recorded; what is emitted of it alone is left in `events`."""
    rig.events.clear()
    return await rig.recorder().record(query, answered, wanted, whole=whole)


async def test_what_is_new_changed_back_and_gone_is_recorded_and_reported(polling: PollRig) -> None:
    """The catalog, the result and the event say the same of an answer."""
    published = [FIRST, SECOND, THIRD]
    await record(polling, answer(*published))
    for number, entry in enumerate(published):
        await polling.catalog(publish, entry, b"content %d" % number)
    await record(polling, answer(FIRST, SECOND))
    assert await polling.withdrawn() == {THIRD.savepath}
    rows = [row(FIRST, marks=REPROCESSED), *map(row, (THIRD, FOURTH, LATER))]
    came = await record(polling, listing([*rows, *rows]))
    assert came == Recorded(
        Poll(QUERY, sweep=False, listed=4, new=2, changed=1, returned=1, withdrawn=1, seconds=0.0),
        [],
    )
    changed, new = (
        Share(NIGHT, Instrument.WINTER, ImageType.STACK, 2),
        Share(NIGHT.plus(1), Instrument.WINTER, ImageType.STACK, 1),
    )
    (polled,) = polling.emitted(Polled)
    assert polled == Polled(
        QUERY,
        listed=4,
        new=2,
        changed=1,
        returned=1,
        withdrawn=1,
        seconds=0.0,
        shares=polled.shares,
    )
    assert set(polled.shares) == {changed, new}
    assert await polling.withdrawn() == {SECOND.savepath}
    states = {
        listed["savepath"]: (listed["state"], listed["path"])
        for listed in await polling.table("products")
    }
    assert states == {
        FIRST.savepath: ("wanted", path_of(FIRST)),
        SECOND.savepath: ("published", path_of(SECOND)),
        THIRD.savepath: ("published", path_of(THIRD)),
        FOURTH.savepath: ("wanted", path_of(FOURTH)),
        LATER.savepath: ("wanted", path_of(LATER)),
    }
    (*_, last) = await polling.table("polls")
    assert (last["listed"], last["new"], last["changed"]) == (4, 2, 1)
    assert (last["returned"], last["withdrawn"], last["sweep"], last["error"]) == (1, 1, 0, None)


async def test_an_answer_that_is_not_whole_withdraws_nothing(polling: PollRig) -> None:
    """Why it is not is recorded with it, so that it counts as no success."""
    await record(polling, answer(FIRST, SECOND))
    recorder = polling.recorder()
    came = await recorder.record(QUERY, answer(FIRST), ALL, whole=False, error="it was cut")
    assert (came.poll.error, came.poll.withdrawn) == ("it was cut", 0)
    assert await polling.withdrawn() == set()
    assert [poll["error"] for poll in await polling.table("polls")] == [None, "it was cut"]


async def test_a_product_that_only_lost_its_sense_is_not_withdrawn(polling: PollRig) -> None:
    """A row that cannot be used, and yet says which product it is of, lists that product."""
    await record(polling, answer(FIRST, SECOND, THIRD))
    came = await record(polling, answer(FIRST, malformed=[SECOND.savepath]))
    assert (came.poll.listed, came.poll.withdrawn) == (2, 1)
    assert await polling.withdrawn() == {THIRD.savepath}


async def test_how_long_recording_takes_is_recorded(polling: PollRig) -> None:
    """In seconds of the monotonic clock."""
    times = iter([100.0, 102.5])
    polling.time = replace(polling.time, monotonic=lambda: next(times))
    came = await record(polling, answer(FIRST))
    assert came.poll.seconds == 2.5
    assert [polled.seconds for polled in polling.emitted(Polled)] == [2.5]
    assert [poll["seconds"] for poll in await polling.table("polls")] == [2.5]


async def test_answers_are_compared_in_the_threads_given(polling: PollRig) -> None:
    """Nothing of tens of thousands of rows holds up the event loop, or any other thread."""
    with CountingThreads() as threads:
        polling.threads = threads
        await record(polling, answer(FIRST))
        assert threads.calls == 2


# --- regions and nights --------------------------------------------------------------------------


async def test_what_a_region_lists_no_more_is_returned_and_not_withdrawn(polling: PollRig) -> None:
    """The program may list it still: that is asked before anything counts as withdrawn."""
    query = replace(QUERY, subject=replace(STACKS, region=Target("a star")))
    await record(polling, answer(FIRST, SECOND), query=query)
    came = await record(polling, answer(FIRST), query=query)
    assert (came.unlisted, came.poll.withdrawn) == ([SECOND], 0)
    assert await polling.withdrawn() == set()


async def test_a_second_query_counts_only_for_what_the_first_missed(polling: PollRig) -> None:
    """What the program lists beside it is none of the region; what it lacks, too, is withdrawn."""
    region = replace(STACKS, region=Target("a star"))
    await record(polling, answer(FIRST, SECOND, THIRD), query=replace(QUERY, subject=region))
    missed = frozenset({SECOND.identity, THIRD.identity})
    wanted = WantedRows(unlisted=(region, missed))
    came = await record(polling, answer(SECOND, FOURTH), wanted=wanted)
    assert came == Recorded(Poll(QUERY, sweep=False, listed=2, withdrawn=1), [])
    assert await polling.withdrawn() == {THIRD.savepath}
    assert FOURTH.savepath not in await polling.listed()


async def test_a_backfill_records_nothing_new_of_other_nights(polling: PollRig) -> None:
    """What is known of them is recorded as ever."""
    wanted = WantedRows(Nights(NIGHT.plus(1), NIGHT.plus(1)))
    await record(polling, answer(FIRST))
    await polling.catalog(publish, FIRST, b"content")
    came = await record(polling, answer(FIRST, SECOND, LATER), wanted=wanted)
    assert (came.poll.listed, came.poll.new) == (3, 1)
    assert await polling.listed() == {FIRST.savepath, LATER.savepath}
    came = await record(polling, listing([row(FIRST, marks=REPROCESSED)]), wanted=wanted)
    assert (came.poll.listed, came.poll.changed) == (1, 1)
    assert await polling.withdrawn() == {LATER.savepath}


# --- what is left out ----------------------------------------------------------------------------


async def test_a_product_whose_path_is_another_s_is_left_out(polling: PollRig) -> None:
    """It counts neither as new nor as something to fetch."""
    twin = replace(FIRST, savepath=FIRST.savepath.replace("/data/loki/", "/data/other/"))
    await record(polling, answer(FIRST))
    came = await record(polling, answer(FIRST, twin, SECOND))
    assert came.poll.new == 1
    (polled,) = polling.emitted(Polled)
    share = Share(NIGHT, Instrument.WINTER, ImageType.STACK, 1)
    assert (polled.new, polled.shares) == (1, (share,))
    assert polling.emitted(ProductsLeftOut) == [ProductsLeftOut((twin,))]


async def test_rows_that_nothing_can_place_or_check_are_left_out(polling: PollRig) -> None:
    """Each of the first is reported with its reason, after those of the listing itself."""
    odd = named("a.tiff"), named("no ending"), named("\x1b.fits")
    answered = listing(map(row, (FIRST, *odd)), faults=("row 7: it is null",), untold=3)
    came = await record(polling, answered)
    assert (came.poll.listed, came.poll.new, came.poll.faults) == (4, 1, 7)
    (left_out,) = polling.emitted(RowsLeftOut)
    assert (left_out.query, left_out.untold) == (QUERY, 3)
    null, tiff, bare, control = left_out.reasons
    assert null == "row 7: it is null"
    checked = "no format that can be checked (.fits, .fits.fz, .fits.gz, .avro)"
    assert tiff == f"'a.tiff' is not downloaded: its name ends in .tiff, {checked}"
    assert bare == f"'no ending' is not downloaded: its name has no ending, {checked}"
    assert "control character" in control
    assert await polling.listed() == {FIRST.savepath}


async def test_of_many_rows_that_are_left_out_the_first_are_reported(polling: PollRig) -> None:
    """The others are counted."""
    odd = [named(f"{number}.tiff") for number in range(MOST_TOLD + 5)]
    came = await record(polling, listing(map(row, odd), untold=2))
    assert came.poll.faults == MOST_TOLD + 7
    (left_out,) = polling.emitted(RowsLeftOut)
    assert len(left_out.reasons) == MOST_TOLD
    assert left_out.untold == 7


async def test_no_secret_is_shown_of_a_name(polling: PollRig) -> None:
    """Whole it is taken out before a part of the name is shown, which could be a part of it."""
    long = named("x" * 95 + SECRET + ".tiff")
    await record(
        polling, listing(map(row, (named(f"{SECRET}.tiff"), long, named(f"\x1b{SECRET}.fits"))))
    )
    (left_out,) = polling.emitted(RowsLeftOut)
    assert SECRET[:5] not in "".join(left_out.reasons)
    short, cut, _ = left_out.reasons
    assert short.startswith("'[secret].tiff' is not downloaded")
    assert cut.startswith(f"'{'x' * 95}[secr' is not downloaded")


def named(filename: str) -> Product:
    """Return a product with this file name."""
    return replace(FIRST, savepath=FIRST.savepath.replace(FIRST.filename, filename))


# --- failures and sweeps -------------------------------------------------------------------------


async def test_a_query_that_failed_is_recorded_and_reported(polling: PollRig) -> None:
    """With its reason and the kind of it; where it only cannot be asked, without an event."""
    recorder = polling.recorder()
    error = TransientError("it is away")
    await recorder.record_failure(QUERY, error)
    assert polling.events == [PollFailed(QUERY, "it is away", error.cause, error.code)]
    await recorder.record_unreachable(QUERY, "it was not asked")
    assert len(polling.events) == 1
    polls = await polling.table("polls")
    assert [poll["error"] for poll in polls] == ["it is away", "it was not asked"]
    assert [(poll["program"], poll["start"], poll["sweep"]) for poll in polls] == [
        (PROGRAM, QUERY.start.isoformat(), 0)
    ] * 2


async def test_a_sweep_is_recorded_of_its_subject(polling: PollRig) -> None:
    """The last answer to it counts as the end of a sweep."""
    await record(polling, answer(FIRST))
    await record(polling, answer(FIRST))
    await polling.recorder().record_sweep(STACKS)
    assert [poll["sweep"] for poll in await polling.table("polls")] == [0, 1]
