"""One batch from its claim to its commit, and what it shows of the server."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.catalogs import ALL, REPROCESSED, poll, publish
from support.clock import NOON
from support.counting_threads import CountingThreads
from support.download_rig import CONTENT, cut, packed
from support.lister import Sent
from support.makers import fits, path_of, product, row, zipped

from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.values import format_instant
from winter_sync.core.download_events import (
    INTERRUPTED,
    BatchEnded,
    BatchStarted,
    FoundUnchanged,
    ProductFinished,
)
from winter_sync.core.downloads import Failed, Published
from winter_sync.core.errors import (
    Cause,
    CircuitOpenError,
    CredentialsRefusedError,
    StorageError,
    TransientError,
)
from winter_sync.sync.batching import choose_batch
from winter_sync.sync.results import BatchResult, Served
from winter_sync.sync.transfer_record import TransferRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from support.download_rig import DownloadRig

    from winter_sync.core.downloads import Candidate
    from winter_sync.sync.batching import Conditions

FIRST, SECOND = PRODUCTS = (product(0), product(1))
STALE = fits(1, cards=["DATASUM = '12345   '"])
"""Nothing of it is missing."""


async def download(rig: DownloadRig) -> BatchResult:
    """Download a batch; it began, and ended with what is said of it in the event."""
    result = await rig.downloader().download_batch(ALL, choose_batch)
    assert result is not None
    assert [event.batch for event in rig.emitted(BatchStarted)] == [result.batch]
    assert [event.batch for event in rig.emitted(BatchEnded)] == [result.batch]
    return result


def ended(rig: DownloadRig) -> tuple[str | None, Cause]:
    """Return what the last event about the end of a batch says."""
    (*_, event) = rig.emitted(BatchEnded)
    return event.trouble, event.cause


async def assert_given_back(rig: DownloadRig) -> None:
    """Check that the products are as they were before the batch."""
    for one in PRODUCTS:
        stored = await rig.stored(one)
        assert (stored["state"], stored["attempts"], stored["claimed_by"]) == ("wanted", 0, None)
    assert journals(rig) == []


def journals(rig: DownloadRig) -> list[str]:
    """Return the names of the session's journals."""
    return [path.name for path in rig.tree.sessions.directory("session").glob("*.published")]


# --- what is chosen ------------------------------------------------------------------------------


async def test_there_may_be_nothing_to_download(downloads: DownloadRig) -> None:
    """Nothing is asked for then."""
    assert await downloads.downloader().download_batch(ALL, choose_batch) is None
    assert downloads.events == []


async def test_a_batch_is_downloaded_and_committed(downloads: DownloadRig) -> None:
    """Its products are in the tree and in the catalog, and free again."""
    await downloads.want(*PRODUCTS)
    downloads.send(Sent(packed(*PRODUCTS)))
    result = await download(downloads)
    assert (result.served, result.error) == (Served.PRODUCTS, None)
    assert [type(outcome) for outcome in result.outcomes] == [Published, Published]
    assert {each.product for each in result.batch.candidates} == set(PRODUCTS)
    assert ended(downloads) == (None, Cause.OTHER)
    for one in PRODUCTS:
        stored = await downloads.stored(one)
        assert (stored["state"], stored["claimed_by"]) == ("published", None)
    assert journals(downloads) == []


async def test_a_batch_is_claimed_while_it_is_under_way(downloads: DownloadRig) -> None:
    """By the session, and under a name of its own; how long it took is reported."""
    downloader, names = downloads.downloader(), set[str]()

    async def send(_: Sequence[str]) -> Sent:
        stored = await downloads.stored(FIRST)
        assert (stored["claimed_by"], downloader.under_way) == ("session", 1)
        downloads.polling.clock.advance(minutes=2)
        return Sent(packed(FIRST))

    downloads.lister.send = send
    for turn in range(2):
        await downloads.polling.catalog(poll, [FIRST], wanted=[row(FIRST)] * turn)
        result = await downloader.download_batch(ALL, choose_batch)
        assert result is not None
        names.add(result.batch.identifier)
        assert downloader.under_way == 0
    assert [event.seconds for event in downloads.emitted(BatchEnded)] == [120.0, 120.0]
    assert len(names) == 2


class Choice:
    """Chooses candidates by their numbers, and records from how many, and for how much room."""

    def __init__(self, *chosen: int) -> None:
        self.chosen = chosen
        self.offered: list[tuple[int, int]] = []

    def __call__(
        self, candidates: Sequence[Candidate], conditions: Conditions
    ) -> tuple[Candidate, ...]:
        """Record what there is, and choose."""
        self.offered.append((len(candidates), conditions.room))
        return tuple(candidates[number] for number in self.chosen if number < len(candidates))


async def test_what_is_under_way_takes_its_room(downloads: DownloadRig) -> None:
    """A batch is chosen for what the disk has left beside the others; one more may just fit."""
    await downloads.want(*PRODUCTS)
    downloader, inner = downloads.downloader(), Choice(0)
    free = downloads.tree.space.free()
    results: list[BatchResult | None] = []

    async def send(paths: Sequence[str]) -> Sent:
        if paths == (FIRST.savepath,):
            results.append(await downloader.download_batch(ALL, inner))
        return Sent(packed(*(one for one in PRODUCTS if one.savepath in paths)))

    downloads.lister.send = send
    outer = Choice(0)
    results.append(await downloader.download_batch(ALL, outer))
    first, second = results
    assert first is not None
    assert second is not None
    size = second.batch.expected_size
    assert outer.offered == [(2, free)]
    # The space that the other batch reserved for what is yet to come counts as well.
    assert inner.offered == [(1, free - size - size)]


@pytest.mark.parametrize("busy", [True, False])
async def test_what_fits_nowhere_waits_for_what_is_under_way(
    downloads: DownloadRig, *, busy: bool
) -> None:
    """When nothing is, the disk refuses it, and says why."""
    await downloads.want(*PRODUCTS)
    downloader, none = downloads.downloader(), Choice()
    waited: list[BatchResult | None] = []

    async def send(paths: Sequence[str]) -> Sent:
        if busy:
            waited.append(await downloader.download_batch(ALL, none))
        return Sent(packed(*(one for one in PRODUCTS if one.savepath in paths)))

    downloads.lister.send = send
    result = await downloader.download_batch(ALL, Choice(0) if busy else none)
    assert result is not None
    assert [each.product for each in result.batch.candidates] == [FIRST]
    assert waited == [None] * busy
    assert len(none.offered) == 1


async def test_how_a_download_went_is_known_to_the_next_process(
    downloads: DownloadRig, tmp_path: Path
) -> None:
    """One that arrived complete with its bytes, and one that did not begin; no other."""
    downloads.record = TransferRecord(tmp_path, "http://archive.example.org")
    await downloads.want(*PRODUCTS)
    downloads.send(503)
    await downloads.downloader().download_batch(ALL, Choice(0, 1))
    downloads.send(Sent(packed(FIRST)))
    await downloads.downloader().download_batch(ALL, Choice(0, 1))
    await downloads.want(*PRODUCTS, product(2))
    downloads.send_all()
    await downloads.downloader().download_batch(ALL, Choice(0))
    failed, arrived = downloads.record.read()
    assert (failed.products, failed.waited) == (2, None)
    assert (arrived.products, arrived.size) == (1, len(CONTENT))
    assert arrived.waited is not None


async def test_behind_many_that_do_not_fit_one_may(downloads: DownloadRig) -> None:
    """More are considered where none of the first fits."""
    many = [product(number) for number in range(513)]
    await downloads.want(*many)
    downloads.send(Sent(packed(many[512])))
    choice = Choice(512)
    result = await downloads.downloader().download_batch(ALL, choice)
    assert result is not None
    assert [each.product for each in result.batch.candidates] == many[512:]
    assert [offered for offered, _ in choice.offered] == [512, 513]
    assert choice.offered[0][1] == choice.offered[1][1] == downloads.tree.space.free()


async def test_what_another_process_claimed_meanwhile_is_left_to_it(downloads: DownloadRig) -> None:
    """Another batch is chosen then."""
    await downloads.want(*PRODUCTS)

    def choose(candidates: Sequence[Candidate], _: Conditions) -> tuple[Candidate, ...]:
        if len(candidates) == 2:
            with closing(Catalog(downloads.polling.path, downloads.polling.clock)) as catalog:
                catalog.queue.claim(candidates[:1], "another")
        return tuple(candidates[:1])

    downloads.send(Sent(packed(SECOND)))
    result = await downloads.downloader().download_batch(ALL, choose)
    assert result is not None
    assert [each.product for each in result.batch.candidates] == [SECOND]
    assert (await downloads.stored(FIRST))["claimed_by"] == "another"


# --- downloads that do not begin -----------------------------------------------------------------


async def test_of_an_unwell_server_nothing_is_learnt(downloads: DownloadRig) -> None:
    """The batch is given back as it was."""
    await downloads.want(*PRODUCTS)
    downloads.send(503)
    downloads.lister.ping = 503
    result = await download(downloads)
    assert (result.served, result.outcomes) == (Served.UNWELL, ())
    assert isinstance(result.error, TransientError)
    assert ended(downloads) == (result.error.message, Cause.TRANSIENT)
    await assert_given_back(downloads)
    downloads.events.clear()
    held = await download(downloads)
    assert (held.served, type(held.error)) == (Served.UNWELL, CircuitOpenError)
    await assert_given_back(downloads)


async def test_the_tree_is_looked_at_in_the_threads_given(downloads: DownloadRig) -> None:
    """For its space, for what is in the way, and for what a batch given back has published."""
    await downloads.want(*PRODUCTS)
    downloads.send(503)
    downloads.lister.ping = 503
    with CountingThreads() as threads:
        downloads.threads = threads
        await download(downloads)
        assert threads.calls == 3


async def test_products_that_break_a_server_that_is_well_have_failed(
    downloads: DownloadRig,
) -> None:
    """Otherwise they would be asked for in the same company for ever."""
    await downloads.want(*PRODUCTS)
    downloads.send(503)
    result = await download(downloads)
    trouble, cause = ended(downloads)
    assert trouble is not None
    assert "returns errors (503)" in trouble
    failed = tuple(Failed(each, trouble, cause=cause) for each in result.batch.candidates)
    assert result.outcomes == failed
    assert [event.outcome for event in downloads.emitted(ProductFinished)] == [*failed]
    assert (cause, result.served) == (Cause.TRANSIENT, Served.NOTHING)
    assert result.error is not None
    assert result.error.message == (
        f"one download after the other brings nothing; of the last: {trouble}"
    )
    assert result.error.remedy == "Nothing is lost: run again later."
    stored = await downloads.stored(FIRST)
    assert (stored["attempts"], stored["last_error"]) == (1, trouble)


@pytest.mark.parametrize("program", [401, "no program"])
async def test_a_refused_program_is_nobody_s_failure(
    downloads: DownloadRig, program: object
) -> None:
    """Where its credentials are refused, or it cannot be said, its products stay as they were."""
    await downloads.want(*PRODUCTS)
    downloads.send(403)
    downloads.lister.program = program
    result = await download(downloads)
    assert (result.served, result.outcomes) == (Served.REFUSED, ())
    assert isinstance(result.error, CredentialsRefusedError)
    assert result.error.__cause__ is None
    assert "403" in result.error.message or program == 401
    assert ended(downloads) == (result.error.message, Cause.REFUSED)
    await assert_given_back(downloads)
    assert downloads.lister.programs_asked == [result.batch.program]


async def test_products_that_may_not_be_read_have_failed(downloads: DownloadRig) -> None:
    """Where the program's credentials are accepted; it is reported, unless it is one product."""
    await downloads.want(*PRODUCTS)
    downloads.send(403)
    result = await download(downloads)
    assert result.served is Served.REFUSED
    assert isinstance(result.error, CredentialsRefusedError)
    failed = [
        Failed(each, result.error.message, cause=Cause.REFUSED) for each in result.batch.candidates
    ]
    assert [*result.outcomes] == failed
    alone = await downloads.downloader().download_batch(ALL, lambda those, _: tuple(those[:1]))
    assert alone is not None
    assert alone.served is Served.NOTHING
    assert isinstance(alone.error, TransientError)


async def test_what_has_something_in_its_way_says_nothing_of_the_server(
    downloads: DownloadRig,
) -> None:
    """It has failed without being asked for."""
    await downloads.want(FIRST)
    (downloads.tree.root / path_of(FIRST)).mkdir(parents=True)
    result = await download(downloads)
    (failed,) = result.outcomes
    assert isinstance(failed, Failed)
    assert result == BatchResult(result.batch, Served.NOT_ASKED, (failed,))
    assert (await downloads.stored(FIRST))["last_error"] == failed.reason


# --- what is committed ---------------------------------------------------------------------------


async def test_the_rest_of_a_broken_download_is_free_at_once(downloads: DownloadRig) -> None:
    """It has not failed."""
    await downloads.want(*PRODUCTS)
    downloads.send(Sent(cut(packed(FIRST))))
    result = await download(downloads)
    assert result.served is Served.PRODUCTS
    trouble, cause = ended(downloads)
    assert trouble is not None
    assert trouble.startswith("the zip ended early")
    assert cause is Cause.DAMAGED
    rest = await downloads.stored(SECOND)
    assert (rest["state"], rest["attempts"], rest["claimed_by"]) == ("wanted", 0, None)
    assert (await downloads.stored(FIRST))["state"] == "published"


@pytest.mark.parametrize(
    ("answer", "attempts", "wait"),
    [
        (Sent(zipped([])), 1, timedelta(hours=1)),
        (Sent(packed(FIRST, content=b"junk")), 1, timedelta(0)),
        (Sent(packed(FIRST, content=b"junk")), 2, timedelta(minutes=10)),
        (Sent(packed(FIRST, content=STALE)), 1, timedelta(minutes=65)),
        (404, 3, timedelta(0)),
        (404, 4, timedelta(minutes=1)),
        (404, 5, timedelta(minutes=2)),
    ],
    ids=["missing", "refused", "refused again", "doubtful", "failed", "failed often", "for ever"],
)
async def test_what_did_not_arrive_waits_by_its_kind(
    downloads: DownloadRig, answer: Sent | int, attempts: int, wait: timedelta
) -> None:
    """As `core.backoff` has it: missing, refused for what it is, doubtful, or failed."""
    await downloads.want(FIRST)
    if attempts > 1:
        with closing(sqlite3.connect(downloads.polling.path)) as catalog, catalog:
            catalog.execute("UPDATE products SET attempts = ?", [attempts - 1])
    downloads.send(answer)
    await download(downloads)
    stored = await downloads.stored(FIRST)
    assert stored["attempts"] == attempts
    assert stored["not_before"] == format_instant(NOON + wait)


async def test_chance_spreads_what_failed(downloads: DownloadRig) -> None:
    """Many mirrors do not ask for it in one moment."""
    await downloads.want(FIRST)
    with closing(sqlite3.connect(downloads.polling.path)) as catalog, catalog:
        catalog.execute("UPDATE products SET attempts = 3")
    downloads.polling.time = replace(downloads.polling.time, random=lambda: 1.0)
    downloads.send(404)
    await download(downloads)
    stored = await downloads.stored(FIRST)
    assert stored["not_before"] == format_instant(NOON + timedelta(seconds=75))


async def test_what_a_sample_shows_to_be_unchanged_is_reported(downloads: DownloadRig) -> None:
    """Of a night that was only logged again the other products are not downloaded."""
    night = [product(number) for number in range(9)]
    await downloads.want(*night)
    for one in night:
        await downloads.polling.catalog(publish, one, CONTENT)
    rows = [row(one, marks=REPROCESSED) for one in night]
    await downloads.polling.catalog(poll, night, marks=REPROCESSED, wanted=rows)
    downloads.send(Sent(packed(*night)))
    for one in night:
        path = downloads.tree.root / path_of(one)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
    result = await download(downloads)
    (unchanged,) = downloads.emitted(FoundUnchanged)
    assert sum(share.products for share in unchanged.shares) == len(night) - len(result.outcomes)


# --- storage, and interruptions ------------------------------------------------------------------


async def test_a_disk_that_fails_gives_the_batch_back(downloads: DownloadRig) -> None:
    """What it published before that is adopted."""
    await downloads.want(*PRODUCTS)

    async def send(_: Sequence[str]) -> Sent:
        (downloads.tree.root / path_of(SECOND)).mkdir(parents=True)
        return Sent(packed(*PRODUCTS))

    downloads.lister.send = send
    with pytest.raises(StorageError) as caught:
        await downloads.downloader().download_batch(ALL, choose_batch)
    assert ended(downloads) == (caught.value.message, Cause.STORAGE)
    first, second = [await downloads.stored(one) for one in PRODUCTS]
    assert (first["state"], first["claimed_by"]) == ("published", None)
    assert (second["state"], second["attempts"], second["claimed_by"]) == ("wanted", 0, None)
    assert journals(downloads) == []


async def test_a_batch_that_is_interrupted_is_given_back(downloads: DownloadRig) -> None:
    """Whoever interrupts it can be sure that it was."""
    await downloads.want(*PRODUCTS)
    asked = asyncio.Event()

    async def send(_: Sequence[str]) -> Sent:
        asked.set()
        await asyncio.sleep(60)
        raise AssertionError

    downloads.lister.send = send
    downloader = downloads.downloader()
    task = asyncio.create_task(downloader.download_batch(ALL, choose_batch))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended(downloads) == (INTERRUPTED, Cause.OTHER)
    assert downloader.under_way == 0
    await assert_given_back(downloads)


async def test_a_catalog_that_cannot_take_what_arrived_is_reported(downloads: DownloadRig) -> None:
    """What arrived stays in the tree and in the journal, from which it is adopted later."""
    await downloads.want(FIRST)

    async def send(_: Sequence[str]) -> Sent:
        with closing(sqlite3.connect(downloads.polling.path)) as catalog, catalog:
            catalog.execute("ALTER TABLE products RENAME TO elsewhere")
        return Sent(packed(FIRST))

    downloads.lister.send = send
    downloader = downloads.downloader()
    with pytest.raises(StorageError) as caught:
        await downloader.download_batch(ALL, choose_batch)
    assert ended(downloads) == (caught.value.message, Cause.STORAGE)
    assert downloader.under_way == 0
    assert downloads.files() == {path_of(FIRST): CONTENT}
    assert journals(downloads) != []
