"""One download: what is asked for, and what it means for each product of its batch."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.counting_threads import CountingThreads
from support.download_rig import CONTENT, cut, packed
from support.lister import SECRET, Sent
from support.makers import batch, candidate, evidence, fits, path_of, product, zipped

from winter_sync.core.download_events import ProductFinished, Received
from winter_sync.core.downloads import Failed, Missing, Published, Unchanged
from winter_sync.core.errors import (
    Cause,
    CredentialsRefusedError,
    StorageError,
    TransientError,
)
from winter_sync.core.file_events import DirectoriesNotSynced
from winter_sync.formats.zip_output import Limits
from winter_sync.sync.results import Fetched

if TYPE_CHECKING:
    from support.download_rig import DownloadRig

    from winter_sync.core.downloads import Batch

PRODUCTS = FIRST, SECOND, THIRD = product(0), product(1), product(2)
ONE, TWO, THREE = map(candidate, PRODUCTS)
UNKNOWN_METHOD = b"\x63\x00"
BATCH = batch(ONE, TWO, THREE)


def here(number: int) -> Published:
    """Return the outcome of a product that arrived."""
    return Published(candidate(PRODUCTS[number]), evidence(PRODUCTS[number], CONTENT))


async def fetch(rig: DownloadRig, asked: Batch = BATCH) -> Fetched:
    """Download a batch; every product that is done with was reported once, as it ended."""
    rig.events.clear()
    fetched = await rig.fetcher().fetch(asked)
    await asyncio.sleep(0)
    finished = [event.outcome for event in rig.emitted(ProductFinished)]
    assert sorted(finished, key=repr) == sorted(fetched.outcomes, key=repr)
    return fetched


async def test_all_of_a_batch_arrives(downloads: DownloadRig) -> None:
    """In one request; its bytes are counted as they come."""
    body = packed(*PRODUCTS)
    downloads.send(Sent(body))
    assert await fetch(downloads) == Fetched((here(0), here(1), here(2)))
    assert downloads.files() == {path_of(each): CONTENT for each in PRODUCTS}
    assert downloads.lister.downloads == [tuple(each.savepath for each in PRODUCTS)]
    received = downloads.emitted(Received)
    assert sum(event.size for event in received) == len(body)
    assert {event.batch for event in received} == {BATCH}


async def test_blocks_are_taken_in_the_threads_given(downloads: DownloadRig) -> None:
    """Unpacking, checking and writing hold up nothing else; nor does looking at the tree."""
    with CountingThreads() as threads:
        downloads.threads = threads
        downloads.send(Sent(packed(FIRST)))
        await fetch(downloads, batch(ONE))
        assert threads.calls == 1 + len(downloads.emitted(Received))


# --- what has no place in the tree ---------------------------------------------------------------


async def test_what_has_something_in_its_way_is_not_requested(downloads: DownloadRig) -> None:
    """It has failed, and says what to do; the others are downloaded."""
    (downloads.tree.root / path_of(SECOND)).mkdir(parents=True)
    downloads.send(Sent(packed(FIRST, THIRD)))
    fetched = await fetch(downloads)
    blocked = fetched.outcomes[0]
    assert fetched == Fetched((blocked, here(0), here(2)))
    assert isinstance(blocked, Failed)
    obstacle = downloads.tree.directories.obstacle(path_of(SECOND))
    assert obstacle is not None
    reason = f"{obstacle.message}. {obstacle.remedy}"
    assert blocked == Failed(TWO, reason, blamed=True, cause=Cause.STORAGE)
    assert downloads.lister.downloads == [(FIRST.savepath, THIRD.savepath)]


async def test_where_all_have_something_in_their_way_nothing_is_asked(
    downloads: DownloadRig,
) -> None:
    """That shows nothing of the server."""
    (downloads.tree.root / path_of(FIRST)).mkdir(parents=True)
    fetched = await fetch(downloads, batch(ONE))
    assert not fetched.was_asked
    assert [type(outcome) for outcome in fetched.outcomes] == [Failed]
    assert downloads.lister.downloads == []


# --- what does not arrive ------------------------------------------------------------------------


@pytest.mark.parametrize("admitted", [None, 2, 3])
async def test_what_a_whole_answer_lacks_is_missing(
    downloads: DownloadRig, admitted: int | None
) -> None:
    """From a server that says so, or says nothing."""
    downloads.send(Sent(packed(SECOND), missing=admitted))
    assert await fetch(downloads) == Fetched((here(1), Missing(ONE), Missing(THREE)))


@pytest.mark.parametrize("admitted", [0, 1])
async def test_what_a_server_left_out_and_does_not_admit_has_failed(
    downloads: DownloadRig, admitted: int
) -> None:
    """Its word is that it has them: they are asked for again soon."""
    downloads.send(Sent(packed(SECOND), missing=admitted))
    lie = f"the server left 2 of 3 out and admits {admitted}"
    failed = (Failed(each, lie, cause=Cause.BAD_ANSWER) for each in (ONE, THREE))
    assert await fetch(downloads) == Fetched(
        (here(1), *failed), trouble=lie, cause=Cause.BAD_ANSWER
    )


async def test_a_broken_download_goes_on_with_the_rest(downloads: DownloadRig) -> None:
    """Where something arrived before it broke, the others have not failed."""
    downloads.send(Sent(cut(packed(FIRST))))
    fetched = await fetch(downloads)
    assert fetched.trouble is not None
    assert fetched.trouble.startswith("the zip ended early")
    assert fetched == Fetched((here(0),), (TWO, THREE), fetched.trouble, Cause.DAMAGED)


async def test_what_arrives_as_it_was_is_progress_too(downloads: DownloadRig) -> None:
    """A broken download that brought only unchanged products goes on with the rest as well."""
    downloads.send(Sent(packed(FIRST)))
    await fetch(downloads, batch(ONE))
    downloads.send(Sent(cut(packed(FIRST))))
    held = candidate(FIRST, published=CONTENT)
    fetched = await fetch(downloads, batch(held, TWO, THREE))
    unchanged = Unchanged(held, evidence(FIRST, CONTENT))
    assert fetched == Fetched((unchanged,), (TWO, THREE), fetched.trouble, Cause.DAMAGED)


async def test_damage_is_no_progress(downloads: DownloadRig) -> None:
    """Where only damaged products arrived before it broke, all the others have failed with it."""
    body = zipped([(FIRST.filename, b"no FITS")])
    downloads.send(Sent(cut(body)))
    fetched = await fetch(downloads)
    damaged, *failed = fetched.outcomes
    assert isinstance(damaged, Failed)
    assert damaged.blamed
    assert fetched.trouble is not None
    assert failed == [Failed(each, fetched.trouble, cause=Cause.DAMAGED) for each in (TWO, THREE)]
    assert fetched.again == ()
    assert not fetched.brought_something


async def test_damage_before_a_break_is_reported_and_not_asked_for_again(
    downloads: DownloadRig,
) -> None:
    """At once: it has failed for a reason of its own."""
    body = zipped([(FIRST.filename, b"no FITS"), (SECOND.filename, CONTENT)])
    downloads.send(Sent(cut(body)))
    fetched = await fetch(downloads)
    damaged, published = fetched.outcomes
    assert isinstance(damaged, Failed)
    assert published == here(1)
    assert fetched.again == (THREE,)


async def test_an_answer_that_is_no_download_has_brought_nothing(downloads: DownloadRig) -> None:
    """All products have failed with it."""
    downloads.send(404)
    fetched = await fetch(downloads)
    why = fetched.trouble
    assert why is not None
    assert "answers 404" in why
    assert fetched == Fetched(
        tuple(Failed(each, why, cause=Cause.BAD_ANSWER) for each in (ONE, TWO, THREE)),
        trouble=why,
        cause=Cause.BAD_ANSWER,
    )
    assert not fetched.brought_something
    assert fetched.why_nothing == why


@pytest.mark.parametrize(
    ("status", "kind"), [(503, TransientError), (401, CredentialsRefusedError)]
)
async def test_a_download_that_does_not_begin_is_the_caller_s_affair(
    downloads: DownloadRig, status: int, kind: type[Exception]
) -> None:
    """Nothing was learnt of its products."""
    downloads.send(status)
    with pytest.raises(kind):
        await downloads.fetcher().fetch(BATCH)
    assert downloads.emitted(ProductFinished) == []


def test_why_nothing_came_is_the_trouble_or_the_last_reason() -> None:
    """A product that is missing, or here, is something."""
    failed = Failed(ONE, "its CRC is wrong"), Failed(TWO, "it is cut")
    assert Fetched(failed).why_nothing == "it is cut"
    assert Fetched(failed, trouble="it broke").why_nothing == "it broke"
    assert not Fetched(failed).brought_something
    assert Fetched((*failed, Missing(THREE))).brought_something


# --- bounds, space, secrets ----------------------------------------------------------------------


async def test_no_zip_exceeds_the_limits_given(downloads: DownloadRig) -> None:
    """Whatever was asked for."""
    downloads.limits = replace(Limits(), members=1)
    downloads.send(Sent(packed(FIRST, SECOND)))
    fetched = await fetch(downloads)
    assert fetched.again == (TWO, THREE)


@pytest.mark.parametrize("keep", [True, False])
async def test_an_older_revision_is_kept_where_so_wished(
    downloads: DownloadRig, *, keep: bool
) -> None:
    """Otherwise it is replaced."""
    downloads.keep = keep
    downloads.send(Sent(packed(FIRST)), Sent(packed(FIRST, content=fits(2))))
    await fetch(downloads, batch(ONE))
    (outcome,) = (await fetch(downloads, batch(candidate(FIRST, published=CONTENT)))).outcomes
    assert isinstance(outcome, Published)
    assert (outcome.evidence.kept is not None) is keep


async def test_a_batch_for_which_there_is_no_room_is_not_asked_for(downloads: DownloadRig) -> None:
    """It is a matter of the disk."""
    with pytest.raises(StorageError):
        await downloads.fetcher().fetch(batch(replace(ONE, expected_size=10**12)))
    assert downloads.lister.downloads == []


async def test_no_secret_is_in_what_became_of_a_download(downloads: DownloadRig) -> None:
    """Though the archive may send ours back to us, in what it says and in what it sends."""
    damaged = zipped([(FIRST.filename, SECRET.encode() * 10)])
    for answer in (damaged, cut(damaged)):
        downloads.send(Sent(answer))
        fetched = await fetch(downloads)
        assert SECRET not in repr((fetched, downloads.events))
        assert "[secret]" in repr(fetched.outcomes[0])


async def test_no_secret_is_in_what_broke_a_download(downloads: DownloadRig) -> None:
    """Where a member is called like it, neither the trouble nor the products say so."""
    body = bytearray(zipped([(SECRET, b"data")], descriptors=True))
    body[8:10] = UNKNOWN_METHOD
    downloads.send(Sent(bytes(body)))
    fetched = await fetch(downloads)
    assert fetched.trouble is not None
    assert "member '[secret]'" in fetched.trouble
    assert {outcome.reason for outcome in fetched.outcomes if isinstance(outcome, Failed)} == {
        fetched.trouble
    }
    assert SECRET not in repr((fetched, downloads.events))


async def test_no_part_of_a_secret_is_quoted_of_a_file(downloads: DownloadRig) -> None:
    """It is taken out before what the file says is shortened."""
    content = b"x" * 52 + SECRET.encode() * 2
    downloads.send(Sent(zipped([(FIRST.filename, content)])))
    fetched = await fetch(downloads, batch(ONE))
    assert SECRET[:5] not in repr((fetched, downloads.events))


async def test_what_was_found_out_of_the_file_system_is_reported(
    downloads: DownloadRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, with the download during which it was."""

    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        downloads.tree.prepare("mirror")
    downloads.send(Sent(packed(FIRST)))
    for times in (1, 0):
        await fetch(downloads, batch(ONE))
        found = downloads.emitted(DirectoriesNotSynced)
        assert found == [DirectoriesNotSynced(str(downloads.tree.root))] * times
