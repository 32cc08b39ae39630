"""A run that ends: what it polls and downloads, and what it reports."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.catalogs import OTHER, poll
from support.clock import NOON
from support.download_rig import CONTENT, packed
from support.lister import Sent, listing_of
from support.makers import NIGHT, PROGRAM, path_of, product

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import Scope, Waiting
from winter_sync.core.download_events import Backlog
from winter_sync.core.errors import (
    BadAnswerError,
    CredentialsRefusedError,
    StorageError,
    TransientError,
)
from winter_sync.core.poll_events import PollsEnded
from winter_sync.core.products import State
from winter_sync.core.queries import Selection
from winter_sync.core.shares import Share
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.report import Report
from winter_sync.sync.run import _leaves, _worst
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from support.download_rig import DownloadRig
    from support.lister import Asked

STACKS = Selection(PROGRAM, (ImageType.STACK,))
BOTH = replace(STACKS, image_types=(ImageType.STACK, ImageType.DIFF))
OTHERS = replace(BOTH, program=OTHER)
STACK, SECOND = product(), product(1)
DIFF = product(0, ImageType.DIFF)
THEIRS = product(5)
SCOPE = Scope((PROGRAM,))
TODAY = Nights(NIGHT, NIGHT)


async def errors(rig: DownloadRig) -> list[tuple[str, str, str | None]]:
    """Return the program, type and error of each poll, in their order."""
    polls = await rig.polling.table("polls")
    return [(each["program"], each["image_type"], each["error"]) for each in polls]


async def test_a_run_polls_and_downloads_everything(downloads: DownloadRig) -> None:
    """And reports what it did; how much is wanted is said when it begins and when it ends."""
    downloads.lister.add(STACK, SECOND, DIFF)
    downloads.send_all()
    await downloads.want(STACK)
    report = await downloads.mirror(BOTH).sync()
    assert report == Report(
        queries=2, listed=3, new=2, published=3, size=3 * len(CONTENT), left=0, waiting=[]
    )
    assert downloads.files() == {path_of(one): CONTENT for one in (STACK, SECOND, DIFF)}
    share = Share(NIGHT, Instrument.WINTER, ImageType.STACK, 1)
    assert downloads.emitted(Backlog) == [Backlog(1, (share,)), Backlog(0, ())]
    assert downloads.emitted(PollsEnded) == [PollsEnded()]


async def test_why_a_program_was_not_asked_is_reported(downloads: DownloadRig) -> None:
    """By its name."""
    downloads.lister.programs[OTHER] = {"startdate": "2024-03-01"}
    report = await downloads.mirror(BOTH, OTHERS).sync()
    assert report.queries == 2
    why = "it begins on 2024-03-01, and the archive has 2024-02-01"
    assert report.not_asked == {OTHER: why}


async def test_a_run_also_polls_a_program_that_ended(downloads: DownloadRig) -> None:
    """Whoever runs it asks by hand, and wants to know now."""
    downloads.lister.program = {"startdate": "2023-12-01", "enddate": "2023-12-20"}
    mirror = downloads.mirror(STACKS)
    assert [(await mirror.sync()).queries for _ in range(2)] == [1, 1]


async def test_what_could_not_be_downloaded_is_reported(downloads: DownloadRig) -> None:
    """What is wanted still, and what waits for its next attempt, by when that is."""
    downloads.lister.add(STACK)
    downloads.send(404)
    report = await downloads.mirror(STACKS).sync()
    assert (report.published, report.failed, report.left) == (0, 4, 1)
    wait = timedelta(minutes=1)
    assert report.waiting == [Waiting(State.WANTED, 1, NOON + wait)]
    assert report.errors == ()


async def test_downloads_do_not_wait_for_the_last_poll(downloads: DownloadRig) -> None:
    """What the first subject lists is downloaded while the second is polled."""
    downloads.lister.add(STACK)
    downloading = asyncio.Event()

    async def send(_: Sequence[str]) -> int:
        downloading.set()
        return 404

    async def when_downloading(rows: list[dict[str, Any]]) -> object:
        async with asyncio.timeout(30):
            await downloading.wait()
        return listing_of(rows)

    def answer(asked: Asked, rows: list[dict[str, Any]]) -> object:
        return when_downloading(rows) if asked.image_type == "diff" else None

    downloads.lister.send, downloads.lister.answer = send, answer
    report = await downloads.mirror(BOTH).sync()
    assert report.queries == 2


async def test_as_many_downloads_run_at_once_as_there_are_connections(
    downloads: DownloadRig,
) -> None:
    """Each waits here for the other."""
    downloads.lister.add(STACK, DIFF)
    asked: list[str] = []
    both = asyncio.Event()

    async def send(paths: Sequence[str]) -> int:
        asked.extend(paths)
        if len(asked) == 2:
            both.set()
        async with asyncio.timeout(30):
            await both.wait()
        return 404

    downloads.lister.send = send
    report = await downloads.mirror(BOTH, connections=2).sync()
    assert report.left == 2


async def test_deleted_files_are_downloaded_again(downloads: DownloadRig) -> None:
    """Of the nights that are polled; how many there were is reported."""
    downloads.lister.add(STACK, SECOND)
    downloads.send_all()
    mirror = downloads.mirror(STACKS)
    await mirror.sync()
    for run in (mirror.sync, lambda: mirror.backfill(TODAY)):
        (downloads.tree.root / path_of(STACK)).unlink()
        report = await run()
        assert (report.lost, report.published) == (1, 1)
        assert len(downloads.files()) == 2


async def test_files_of_other_nights_are_left_alone(downloads: DownloadRig) -> None:
    """Until their nights are asked for by hand, or in the next sweep."""
    old = product(night=NIGHT.plus(-6))
    downloads.lister.add(STACK, old)
    downloads.send_all()
    mirror = downloads.mirror(STACKS)
    await mirror.sync()
    (downloads.tree.root / path_of(old)).unlink()
    assert (await mirror.sync()).lost == 0
    assert (await mirror.backfill(TODAY)).lost == 0
    assert (await mirror.backfill(Nights(old.night, old.night))).lost == 1


# --- nights asked for by hand --------------------------------------------------------------------


async def test_a_backfill_is_of_its_nights(downloads: DownloadRig) -> None:
    """Whatever else is wanted stays wanted; of the given nights, what waits is asked for now."""
    later, earlier = product(7, night=NIGHT.plus(1)), product(8, night=NIGHT.plus(-1))
    downloads.lister.add(STACK, later, earlier)
    downloads.send(404)
    mirror = downloads.mirror(STACKS)
    await mirror.sync()
    downloads.send_all()
    report = await mirror.backfill(TODAY)
    assert (report.published, report.left, report.queries) == (1, 0, 1)
    assert downloads.files() == {path_of(STACK): CONTENT}
    (asked,) = downloads.lister.asked[1:]
    assert asked.start.isoformat() == "2024-01-29"


# --- downloads without polls ---------------------------------------------------------------------


async def test_what_is_wanted_can_be_downloaded_without_a_poll(downloads: DownloadRig) -> None:
    """No more is listed then, and that is known from the beginning."""
    await downloads.want(STACK, SECOND)
    downloads.send_all()
    report = await downloads.mirror(STACKS).fetch(SCOPE)
    assert report == Report(published=2, size=2 * len(CONTENT), left=0)
    assert downloads.lister.asked == []
    assert [backlog.wanted for backlog in downloads.emitted(Backlog)] == [2, 0]
    assert downloads.emitted(PollsEnded) == [PollsEnded()]


async def test_what_a_killed_run_left_is_recovered_first(downloads: DownloadRig) -> None:
    """By every kind of run."""
    downloads.send_all()
    mirror = downloads.mirror(STACKS)
    for run in (mirror.sync, lambda: mirror.backfill(TODAY), lambda: mirror.fetch(SCOPE)):
        await downloads.want(STACK)
        with closing(sqlite3.connect(downloads.polling.path)) as catalog, catalog:
            catalog.execute("UPDATE products SET claimed_by = 'killed', state = 'wanted'")
        assert (await run()).left == 0
        assert (await downloads.stored(STACK))["claimed_by"] is None


# --- what goes wrong -----------------------------------------------------------------------------


async def test_a_listing_that_fails_stops_no_other(downloads: DownloadRig) -> None:
    """It is reported, and everything else is polled and downloaded."""
    downloads.lister.add(DIFF)
    downloads.lister.answer = lambda asked, _: 422 if asked.image_type == "stack" else None
    downloads.send_all()
    report = await downloads.mirror(BOTH, OTHERS).sync()
    assert [type(error).__mro__[1] for error in report.errors] == [BadAnswerError] * 2
    assert (report.published, report.queries) == (1, 2)
    assert [error is None for _, _, error in await errors(downloads)] == [False, True] * 2


async def test_a_program_that_makes_no_sense_stops_no_other(downloads: DownloadRig) -> None:
    """It is recorded as failed for each of its subjects, and reported once."""
    downloads.lister.add(STACK, progname=OTHER)
    downloads.lister.programs[PROGRAM] = "a song"
    downloads.send_all()
    report = await downloads.mirror(BOTH, OTHERS).sync()
    (error,) = report.errors
    assert type(error) is BadAnswerError
    assert await errors(downloads) == [
        (PROGRAM, "stack", error.message),
        (PROGRAM, "diff", error.message),
        (OTHER, "stack", None),
        (OTHER, "diff", None),
    ]
    assert report.published == 1


async def test_a_refused_program_is_neither_polled_nor_downloaded(downloads: DownloadRig) -> None:
    """Nor does it stop another; it is reported once."""
    await downloads.want(SECOND)
    await downloads.polling.catalog(poll, [THEIRS], program=OTHER)
    downloads.lister.programs[PROGRAM] = 401
    downloads.send_all()
    mirror = downloads.mirror(BOTH, OTHERS)
    await mirror.sync()
    downloads.polling.clock.advance(hours=1)
    polls = len(await errors(downloads))
    report = await mirror.sync()
    (error,) = report.errors
    assert type(error) is CredentialsRefusedError
    assert (await errors(downloads))[polls:] == [
        (PROGRAM, "stack", error.message),
        (PROGRAM, "diff", error.message),
        (OTHER, "stack", None),
        (OTHER, "diff", None),
    ]
    assert path_of(THEIRS) in downloads.files()


async def test_credentials_refused_in_a_listing_leave_out_the_rest_of_the_program(
    downloads: DownloadRig,
) -> None:
    """What was not asked because of it is recorded as failed, too."""
    downloads.lister.answer = lambda asked, _: 401 if asked.program == PROGRAM else None
    report = await downloads.mirror(BOTH, OTHERS).sync()
    (error,) = report.errors
    assert type(error) is CredentialsRefusedError
    assert await errors(downloads) == [
        (PROGRAM, "stack", error.message),
        (PROGRAM, "diff", error.message),
        (OTHER, "stack", None),
        (OTHER, "diff", None),
    ]


async def test_of_a_refused_program_nothing_is_downloaded_any_more(downloads: DownloadRig) -> None:
    """Whatever of it is wanted by then."""

    def answer(asked: Asked, _: list[dict[str, Any]]) -> object:
        if asked.program == PROGRAM:
            return 401
        with closing(Catalog(downloads.polling.path, downloads.polling.clock)) as catalog:
            poll(catalog, [SECOND])
        return None

    downloads.lister.answer = answer
    downloads.send_all()
    report = await downloads.mirror(STACKS, OTHERS).sync()
    assert (report.left, report.published) == (1, 0)
    assert downloads.lister.downloads == []


@pytest.mark.parametrize("in_program", [True, False])
async def test_when_the_server_is_unwell_no_more_is_polled(
    downloads: DownloadRig, *, in_program: bool
) -> None:
    """All that was not asked is recorded as failed, and the failure is reported once."""
    downloads.lister.ping = 503
    if in_program:
        downloads.lister.program = 503
    downloads.lister.answer = lambda *_: 503
    report = await downloads.mirror(BOTH, OTHERS).sync()
    (error,) = report.errors
    assert type(error) is TransientError
    assert await errors(downloads) == [
        (program, kind, error.message) for program in (PROGRAM, OTHER) for kind in ("stack", "diff")
    ]
    assert len({(asked.program, asked.image_type) for asked in downloads.lister.asked}) <= 1
    assert downloads.emitted(PollsEnded) == [PollsEnded()]


async def test_a_server_that_serves_no_downloads_is_reported(downloads: DownloadRig) -> None:
    """Once, and the run ends: the next may find it well."""
    downloads.lister.add(*map(product, range(8)))
    downloads.send(404)
    report = await downloads.mirror(STACKS).sync()
    (error,) = report.errors
    assert isinstance(error, TransientError)
    assert error.message.startswith("one download after the other brings nothing")
    assert report.left == 8


async def test_a_disk_that_fails_ends_the_run(downloads: DownloadRig) -> None:
    """It is what is reported of all that fails with it."""
    downloads.lister.add(STACK, DIFF)

    async def send(paths: Sequence[str]) -> Sent:
        (path,) = paths
        name = path.rpartition("/")[2]
        (downloads.tree.root / path_of(STACK if "stack" in name else DIFF)).mkdir(parents=True)
        return Sent(packed(STACK, DIFF))

    downloads.lister.send = send
    mirror = downloads.mirror(BOTH)
    # The failure ends polls, too: what they had not listed by then would be missing below.
    await mirror.list_all()
    report = await mirror.sync()
    (error,) = report.errors
    assert type(error) is StorageError
    assert report.left == 2


def test_of_several_errors_that_end_a_run_storage_s_is_reported() -> None:
    """However they came together; where there is none, the first."""
    bad, unwell, full, gone = (
        BadAnswerError("no list"),
        TransientError("it is away"),
        StorageError("it is full"),
        StorageError("it is gone"),
    )
    nested: list[Any] = [bad, ExceptionGroup("downloads", [unwell, full]), gone]
    assert _leaves(ExceptionGroup("all", nested)) == [bad, unwell, full, gone]
    assert _worst([bad, unwell, full, gone]) is full
    assert _worst([bad, unwell]) is bad
