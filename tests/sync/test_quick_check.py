"""Files of the nights that are polled: what is deleted is wanted again, the rest is reported."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.catalogs import OTHER, candidates, commit, count_wanted, poll
from support.counting_threads import CountingThreads
from support.lister import POLL_SCHEDULE, STACKS
from support.makers import NIGHT, PROGRAM, path_of, product, row

from winter_sync.catalog.night_records import NightOf
from winter_sync.catalog.records import Check, Poll, Scope
from winter_sync.core.downloads import Missing
from winter_sync.core.errors import StorageError
from winter_sync.core.file_events import FilesChanged, FilesLost, FilesUnreadable
from winter_sync.core.products import Damage
from winter_sync.core.queries import Query, Selection
from winter_sync.core.traits import ImageType
from winter_sync.sync.file_check import FileFinding
from winter_sync.sync.newest_files import check_newest
from winter_sync.sync.quick_check import CheckedFiles

if TYPE_CHECKING:
    from support.download_rig import DownloadRig

    from winter_sync.catalog.catalog import Catalog
    from winter_sync.catalog.records import Damaged
    from winter_sync.core.products import Night, Product

SELECTION = Selection(PROGRAM, (ImageType.STACK,))
SCOPE = Scope((PROGRAM,))
ONE, TWO, THREE = (product(number) for number in range(3))
NO_FILE = "there is no such file"
MODIFIED = "it was modified after it was downloaded"


async def have(rig: DownloadRig, *products: Product) -> None:
    """Mirror products."""
    await rig.want(*products)
    rig.send_all()
    await rig.mirror().fetch(SCOPE)
    assert len(rig.files()) >= len(products)
    rig.events.clear()


def delete(rig: DownloadRig, *products: Product) -> None:
    """Delete files."""
    for one in products:
        (rig.tree.root / path_of(one)).unlink()


def touch(rig: DownloadRig, *products: Product) -> None:
    """Set files' modification times to another one."""
    for one in products:
        os.utime(rig.tree.root / path_of(one), ns=(123, 123))


async def check(rig: DownloadRig) -> CheckedFiles:
    """Check all files."""
    rig.events.clear()
    return await rig.mirror().quick_check.check(SCOPE)


def test_what_was_found_adds_up() -> None:
    """Each kind by itself."""
    assert CheckedFiles(1, 2, 3) + CheckedFiles(10, 20, 30) == CheckedFiles(11, 22, 33)
    assert CheckedFiles() == CheckedFiles(0, 0, 0)


# --- earlier contents ----------------------------------------------------------------------------


async def test_no_earlier_content_is_said_to_be_here_that_was_deleted(
    downloads: DownloadRig,
) -> None:
    """Nor one that was edited, while a product is fetched again or the archive has no file of it.

    What is put back is here again. A manifest names what is here, for `sha256sum -c`.
    """
    await have(downloads, ONE, TWO, THREE)
    everything, root = [ONE, TWO, THREE], downloads.tree.root
    await downloads.polling.catalog(poll, everything, wanted=[row(each) for each in everything])
    await downloads.polling.catalog(find_missing, TWO)
    aside = root / "aside"
    (root / path_of(TWO)).rename(aside)
    delete(downloads, ONE)
    touch(downloads, THREE)
    for _ in range(2):
        assert await check(downloads) == CheckedFiles()
        assert await here(downloads) == []
    aside.rename(root / path_of(TWO))
    await check(downloads)
    assert await here(downloads) == [path_of(TWO)]
    assert await downloads.polling.catalog(count_wanted, SCOPE) == len([ONE, THREE])


def find_missing(catalog: Catalog, product: Product) -> None:
    """Find that the archive has no file of a product."""
    commit(catalog, *(Missing(each) for each in candidates(catalog) if each.product == product))


async def here(rig: DownloadRig) -> list[str]:
    """Return the paths that a manifest would name."""
    files = await rig.polling.catalog(lambda catalog: catalog.nights.files(NightOf(PROGRAM, NIGHT)))
    return [file.path for file in files if file.is_here]


# --- what is found -------------------------------------------------------------------------------


async def test_files_that_are_right_are_no_news(downloads: DownloadRig) -> None:
    """Nothing is recorded of them, and nothing said."""
    await have(downloads, ONE, TWO)
    assert await check(downloads) == CheckedFiles()
    assert downloads.events == []


async def test_deleted_files_are_wanted_again(downloads: DownloadRig) -> None:
    """They are reported once, the first few by name."""
    many = [product(number) for number in range(9)]
    await have(downloads, *many)
    delete(downloads, *many[:7])
    assert await check(downloads) == CheckedFiles(lost=7)
    assert downloads.events == [FilesLost(7, 0, tuple(path_of(one) for one in many[:5]))]
    stored = await downloads.stored(ONE)
    assert (stored["state"], stored["damage"], stored["damage_reason"]) == (
        "wanted",
        "missing",
        NO_FILE,
    )
    assert (await downloads.stored(many[8]))["state"] == "published"
    assert await check(downloads) == CheckedFiles()
    assert downloads.events == []


async def test_what_the_archive_lists_no_more_cannot_be_got_back(downloads: DownloadRig) -> None:
    """It is counted apart."""
    await have(downloads, ONE, TWO, THREE)
    await downloads.polling.catalog(poll, withdrawn=[ONE, TWO])
    delete(downloads, ONE, THREE)
    assert await check(downloads) == CheckedFiles(lost=1, unlisted=1)
    assert downloads.events == [FilesLost(2, 1, (path_of(ONE), path_of(THREE)))]


async def test_changed_files_are_reported_once_and_counted_always(downloads: DownloadRig) -> None:
    """They are left as they are; another one is news again."""
    await have(downloads, ONE, TWO, THREE)
    touch(downloads, ONE)
    read_at = (await downloads.stored(ONE))["checked_at"]
    downloads.polling.clock.advance(hours=1)
    assert await check(downloads) == CheckedFiles(changed=1)
    assert downloads.events == [FilesChanged(1, (path_of(ONE),), MODIFIED)]
    stored = await downloads.stored(ONE)
    assert (stored["state"], stored["damage"]) == ("published", "changed")
    assert stored["checked_at"] == read_at
    assert await check(downloads) == CheckedFiles(changed=1)
    assert downloads.events == []
    touch(downloads, TWO)
    assert await check(downloads) == CheckedFiles(changed=2)
    assert downloads.events == [FilesChanged(1, (path_of(TWO),), MODIFIED)]


async def test_what_was_found_changed_stays_so_for_a_quick_check(downloads: DownloadRig) -> None:
    """Its content may be wrong though its time and size are right."""
    await have(downloads, ONE)
    path = downloads.tree.root / path_of(ONE)
    before = path.stat().st_mtime_ns
    touch(downloads, ONE)
    await check(downloads)
    os.utime(path, ns=(before, before))
    assert await check(downloads) == CheckedFiles(changed=1)
    assert downloads.events == []
    assert (await downloads.stored(ONE))["damage"] == "changed"


async def test_a_file_that_is_there_again_is_right(downloads: DownloadRig) -> None:
    """Where it was found missing and could not be downloaded."""
    await have(downloads, ONE)
    await downloads.polling.catalog(poll, withdrawn=[ONE])
    path = downloads.tree.root / path_of(ONE)
    path.rename(downloads.tree.root / "aside")
    await check(downloads)
    (downloads.tree.root / "aside").rename(path)
    await check(downloads)
    assert downloads.emitted(FilesChanged) == []


@pytest.mark.parametrize("products", [(ONE,), (ONE, TWO)])
async def test_files_that_cannot_be_read_are_reported_once(
    downloads: DownloadRig, products: tuple[Product, ...]
) -> None:
    """Until others cannot; nothing is recorded of them, and what was known of them stays."""
    await have(downloads, *products)
    touch(downloads, ONE)
    await check(downloads)
    quick_check = downloads.mirror().quick_check
    directory = (downloads.tree.root / path_of(ONE)).parent
    directory.rename(downloads.tree.root / "elsewhere")
    directory.symlink_to(downloads.tree.root / "elsewhere")
    for times in (1, 0):
        downloads.events.clear()
        await quick_check.check(SCOPE)
        (*events,) = downloads.emitted(FilesUnreadable)
        assert len(events) == times
        for event in events:
            assert (event.files, event.paths) == (len(products), tuple(map(path_of, products)))
            assert "this is a symbolic link" in event.reason
    assert (await downloads.stored(ONE))["damage"] == "changed"


async def test_a_root_that_is_not_the_mirror_s_has_lost_nothing(downloads: DownloadRig) -> None:
    """Before files are taken for deleted it is made sure that they could be there."""
    await have(downloads, ONE)
    mirror = downloads.mirror()

    def refuse() -> None:
        raise StorageError("it is not mounted")

    quick_check = mirror.quick_check
    quick_check.mirror = replace(quick_check.mirror, check_root=refuse)
    assert await quick_check.check(SCOPE) == CheckedFiles()
    delete(downloads, ONE)
    with pytest.raises(StorageError):
        await quick_check.check(SCOPE)
    assert (await downloads.stored(ONE))["state"] == "published"


async def test_files_are_looked_at_in_the_threads_given(downloads: DownloadRig) -> None:
    """Once for each night, and once for the root where something is gone."""
    await have(downloads, ONE, product(5, night=NIGHT.plus(1)))
    delete(downloads, ONE)
    with CountingThreads() as threads:
        downloads.threads = threads
        nights: list[None] = []
        await downloads.mirror().quick_check.check(SCOPE, lambda: nights.append(None))
        assert threads.calls == 3
        assert len(nights) == 2


async def test_a_file_that_was_read_is_recorded_whatever_was_known(downloads: DownloadRig) -> None:
    """Its time of the check, and its modification time; only the first damage is reported."""
    await have(downloads, ONE, TWO)
    (one, two) = await downloads.polling.catalog(lambda catalog: catalog.files.held(SCOPE, NIGHT))
    downloads.polling.clock.advance(hours=1)
    changed = Check(two, damage=Damage.CHANGED, reason="it was")
    seen = [FileFinding(Check(one, mtime_ns=77)), FileFinding(changed)]
    quick_check = downloads.mirror().quick_check
    assert await quick_check.record(seen, in_full=True) == CheckedFiles(changed=1)
    assert downloads.events == [FilesChanged(1, (two.path,), "it was")]
    stored = await downloads.stored(ONE)
    assert stored["mtime_ns"] == 77
    assert stored["checked_at"] > one.checked_at
    assert (await downloads.stored(TWO))["damage_reason"] == "it was"
    downloads.events.clear()
    worse = Check(replace(two, damage=Damage.CHANGED), Damage.CHANGED, "it is worse")
    checked = await quick_check.record([FileFinding(worse)], in_full=True)
    assert checked == CheckedFiles(changed=1)
    assert downloads.events == []
    assert (await downloads.stored(TWO))["damage_reason"] == "it is worse"


# --- which nights --------------------------------------------------------------------------------

OLD = product(night=NIGHT.plus(-4))
LOOKED_BACK = product(night=NIGHT.plus(-3))
DIFF = product(0, ImageType.DIFF)


async def sweep(rig: DownloadRig) -> None:
    """Record a sweep of stacks."""
    swept = Poll(Query(STACKS, NIGHT.day), sweep=True)
    await rig.polling.catalog(lambda catalog: catalog.listings.record_poll(swept))


async def lost(rig: DownloadRig, *selections: Selection) -> set[Product]:
    """Delete all files, check before a poll, and return which were looked at."""
    held = [OLD, LOOKED_BACK, ONE]
    delete(rig, *held)
    checked = await rig.mirror().quick_check.check_before_polls(selections or [SELECTION])
    found = {one for one in held if (await rig.stored(one))["state"] == "wanted"}
    assert checked.lost == len(found)
    return found


async def test_before_a_sweep_all_nights_are_looked_at(downloads: DownloadRig) -> None:
    """Until there was one, and when the next is due."""
    await have(downloads, OLD, LOOKED_BACK, ONE)
    assert await lost(downloads) == {OLD, LOOKED_BACK, ONE}
    await have(downloads, OLD, LOOKED_BACK, ONE)
    await sweep(downloads)
    downloads.polling.clock.advance(days=1)
    assert await lost(downloads) == {OLD, LOOKED_BACK, ONE}


async def test_before_a_sweep_no_night_is_before_the_first_asked_for(
    downloads: DownloadRig,
) -> None:
    """Nights that are not mirrored any more are left alone."""
    await have(downloads, OLD, LOOKED_BACK, ONE)
    assert await lost(downloads, replace(SELECTION, since=NIGHT.plus(-3))) == {LOOKED_BACK, ONE}


async def test_before_other_polls_the_last_nights_are_looked_at(downloads: DownloadRig) -> None:
    """Those that the poll looks back from the newest, a moment before a sweep is due."""
    downloads.polling.poll_schedule = {STACKS: POLL_SCHEDULE}.__getitem__
    await have(downloads, OLD, LOOKED_BACK, ONE)
    await sweep(downloads)
    downloads.polling.clock.advance(hours=23, minutes=59)
    assert await lost(downloads) == {LOOKED_BACK, ONE}


async def test_a_mirror_that_lists_nothing_has_lost_nothing(downloads: DownloadRig) -> None:
    """Also when a sweep has shown that."""
    await sweep(downloads)
    quick_check = downloads.mirror().quick_check
    assert await quick_check.check_before_polls([SELECTION]) == CheckedFiles()


@pytest.mark.parametrize("since", [NIGHT.plus(-4), NIGHT.plus(-2)])
async def test_nor_is_a_night_of_the_last_ones_before_the_first(
    downloads: DownloadRig, since: Night
) -> None:
    """The later of the two counts."""
    await have(downloads, OLD, LOOKED_BACK, ONE)
    await sweep(downloads)
    expected = {ONE} if since > LOOKED_BACK.night else {LOOKED_BACK, ONE}
    assert await lost(downloads, replace(SELECTION, since=since)) == expected


async def test_nights_yet_to_come_do_not_keep_others_from_being_looked_at(
    downloads: DownloadRig,
) -> None:
    """Where a night is listed that is later than now, now counts."""
    await have(downloads, OLD, LOOKED_BACK, ONE, product(night=NIGHT.plus(400)))
    await sweep(downloads)
    downloads.polling.clock.advance(days=-1)
    assert await lost(downloads) == {OLD, LOOKED_BACK, ONE}
    await have(downloads, OLD, LOOKED_BACK, ONE)
    downloads.polling.clock.advance(days=1)
    assert await lost(downloads) == {ONE}


async def test_subjects_are_looked_at_by_their_nights(downloads: DownloadRig) -> None:
    """What is not selected is left alone; what several find is added."""
    await have(downloads, OLD, ONE, DIFF)
    await sweep(downloads)
    delete(downloads, OLD, DIFF)
    rig = downloads.mirror().quick_check
    assert await rig.check_before_polls([SELECTION]) == CheckedFiles()
    both = replace(SELECTION, image_types=(ImageType.STACK, ImageType.DIFF))
    delete(downloads, ONE)
    assert await rig.check_before_polls([both, replace(both, program=OTHER)]) == CheckedFiles(2)
    assert (await downloads.stored(OLD))["state"] == "published"
    assert (await downloads.stored(DIFF))["state"] == "wanted"


async def test_before_one_poll_its_nights_are_looked_at(downloads: DownloadRig) -> None:
    """One after the other, and each is told of."""
    await have(downloads, OLD, LOOKED_BACK, ONE)
    await sweep(downloads)
    delete(downloads, OLD, ONE)
    nights: list[None] = []
    checked = await downloads.mirror().quick_check.check_before_poll(
        SELECTION, STACKS, lambda: nights.append(None)
    )
    assert checked == CheckedFiles(lost=1)
    assert len(nights) == 2


# --- the newest files, for looking only ----------------------------------------------------------


async def newest(rig: DownloadRig, files: int, *, follow: bool = False) -> list[Damaged]:
    """Look at the newest files."""
    options = {"follow_links": True} if follow else {}
    return await check_newest(rig.polling.catalog, rig.tree.root, SCOPE, files, **options)


async def test_what_is_wrong_with_the_newest_files_is_told_and_not_recorded(
    downloads: DownloadRig,
) -> None:
    """Of whole nights, the newest first, until there are as many files."""
    await have(downloads, OLD, LOOKED_BACK, ONE, TWO)
    delete(downloads, OLD, LOOKED_BACK, TWO)
    (found,) = await newest(downloads, 2)
    assert (found.product, found.damage, found.reason) == (TWO, Damage.MISSING, NO_FILE)
    assert found.programs == (PROGRAM,)
    assert [each.product for each in await newest(downloads, 1)] == [TWO]
    assert [each.product for each in await newest(downloads, 3)] == [TWO, LOOKED_BACK]
    assert [each.product for each in await newest(downloads, 4)] == [TWO, LOOKED_BACK, OLD]
    assert (await downloads.stored(TWO))["state"] == "published"


async def test_what_cannot_be_read_is_not_called_wrong(downloads: DownloadRig) -> None:
    """Links are followed where that is set."""
    await have(downloads, ONE, TWO)
    delete(downloads, TWO)
    directory = (downloads.tree.root / path_of(ONE)).parent
    directory.rename(downloads.tree.root / "elsewhere")
    directory.symlink_to(downloads.tree.root / "elsewhere")
    assert await newest(downloads, 9) == []
    assert [each.product for each in await newest(downloads, 9, follow=True)] == [TWO]
