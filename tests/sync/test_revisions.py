"""What is here and fetched again: within a budget, after the new, compared, kept and limited."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from long.month import NoDisplay
from rich.console import Console
from support.catalogs import rows
from support.rig import DownloadLog, Rig, path_of

from winter_sync.api import Mirror
from winter_sync.catalog.catalog import Catalog
from winter_sync.catalog.records import NotCompared, RefetchStatus, Scope
from winter_sync.cli.views.history import history_as_json, show_history
from winter_sync.cli.views.run_report import about_comparison, summary
from winter_sync.core import RevisionsRemoved, StorageError, UsageError
from winter_sync.core.errors import ExitCode
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.marks import REFETCH_SAMPLE
from winter_sync.daemon.spare_rechecks import SpareRechecks
from winter_sync.maintenance import Request, Result, verify
from winter_sync.simulator import (
    DEMO_NIGHT,
    Observatory,
    SimulatedClock,
    Simulator,
    Universe,
)
from winter_sync.sync import Coordination, KeepLimits
from winter_sync.sync.retention import exceeding
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from winter_sync.core.products import Night, Product

NIGHTS = tuple(DEMO_NIGHT.plus(days) for days in range(-1, 1))
PROGRAM = "2024A000"


@pytest.fixture
async def stacks(tmp_path: Path) -> AsyncIterator[Rig]:
    """Return a mirror of the stacks of two nights of one program."""
    universe = Universe(nights=NIGHTS, products_a_night=80, gone_fraction=0)
    now = SimulatedClock(datetime(2025, 10, 28, 12, tzinfo=UTC))
    async with Simulator(Observatory(universe, clock=now), faults=DownloadLog()) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        rig.programs = [{"name": PROGRAM, "image_types": ["stack"], "instruments": ["winter"]}]
        yield rig


def listed(rig: Rig, night: Night | None = None) -> list[Product]:
    """Return the stacks that are mirrored, of one night or of both."""
    return [
        each
        for each in rig.observatory.products(PROGRAM, "winter", "stack")  # type: ignore[arg-type] # words
        if night in {None, each.night}
    ]


def asked(rig: Rig) -> list[str]:
    """Return what was downloaded since the last call, in order."""
    log: Any = rig.simulator.faults
    found = [savepath for savepaths in log.downloads for savepath in savepaths]
    log.downloads.clear()
    return found


def catalog_of(rig: Rig) -> Any:  # noqa: ANN401 - a context manager of a catalog
    """Open the catalog of a mirror."""
    return closing(Catalog(rig.root / STATE_DIR / CATALOG, rig.time.clock))


def status(rig: Rig) -> RefetchStatus:
    """Return what the status says of re-fetches."""
    with catalog_of(rig) as catalog:
        found: RefetchStatus = catalog.refetches.status(Scope((PROGRAM,)))
        return found


def later(rig: Rig, **by: float) -> None:
    """Let time pass."""
    rig.observatory.clock.advance(timedelta(**by))


def revisions(rig: Rig) -> list[dict[str, Any]]:
    """Return all revisions that the catalog knows."""
    with catalog_of(rig) as catalog:
        return rows(catalog, "revisions")


async def test_a_budget_spreads_a_reprocessing_over_days(stacks: Rig) -> None:
    """The newest night first, each day what fits, without a failure; a restart changes nothing."""
    await stacks.sync()
    size = max(revision["size"] for revision in revisions(stacks))
    stacks.changes["mirror"] = {"refetch_per_day": 4 * size}
    for night in NIGHTS:
        stacks.observatory.reprocess(night)
    later(stacks, hours=1)
    asked(stacks)
    days = list[list[str]]()
    while stacks.files() != stacks.truth(listed(stacks)):
        report = await stacks.sync()
        assert (report.exit_code, report.left, report.failed) == (ExitCode.DONE, 0, 0)
        assert report.again == status(stacks).waiting
        assert ("wait for mirror.refetch_per_day" in summary(report)) == bool(report.again)
        days.append(asked(stacks))
        await stacks.sync()
        assert asked(stacks) == [], "the same day again, after a restart"
        later(stacks, days=1)
    order = [savepath for day in days for savepath in day]
    assert sorted(order) == sorted(each.savepath for each in listed(stacks)), "each once"
    newest = [str(NIGHTS[1]) in savepath for savepath in order]
    assert newest == sorted(newest, reverse=True)
    assert all(day for day in days)
    assert len(days) >= len(order) // 5
    assert status(stacks) == RefetchStatus(
        products=len(order),
        changed=len(order),
        size=status(stacks).size,
    )


async def test_new_products_do_not_wait_for_a_reprocessing(stacks: Rig) -> None:
    """What is not here comes before anything that is, though its night is older."""
    old, new = NIGHTS
    await stacks.backfill(new, new)
    stacks.observatory.reprocess(new)
    later(stacks, days=2)
    stacks.changes["api"] = {"connections": 1}
    asked(stacks)
    await stacks.sync()
    order = [str(old) in savepath for savepath in asked(stacks)]
    assert order == sorted(order, reverse=True)
    assert set(order) == {True, False}
    assert stacks.files() == stacks.truth(listed(stacks))


async def test_no_budget_fetches_nothing_again_and_a_backfill_does(stacks: Rig) -> None:
    """A limit of 0 leaves all that is here; whoever asks for nights by hand gets them at once."""
    await stacks.sync()
    stacks.changes["mirror"] = {"refetch_per_day": 0}
    stacks.observatory.reprocess(NIGHTS[1])
    later(stacks, hours=1)
    asked(stacks)
    report = await stacks.sync()
    assert (report.exit_code, asked(stacks)) == (ExitCode.DONE, [])
    assert report.again == len(listed(stacks, NIGHTS[1]))
    assert (await stacks.backfill(NIGHTS[1], NIGHTS[1])).again == 0
    assert stacks.files() == stacks.truth(listed(stacks))


async def test_what_a_night_with_new_marks_only_costs(stacks: Rig) -> None:
    """Three products and their bytes, whatever the night holds: counted, and shown as settled."""
    await stacks.sync()
    asked(stacks)
    stacks.observatory.reprocess(NIGHTS[1], ())
    later(stacks, hours=1)
    await stacks.sync()
    night = listed(stacks, NIGHTS[1])
    found, sample = status(stacks), asked(stacks)
    assert len(sample) == found.products == REFETCH_SAMPLE < len(night)
    assert (found.changed, found.settled) == (0, len(night) - REFETCH_SAMPLE)
    sizes = {revision["savepath"]: revision["size"] for revision in revisions(stacks)}
    assert found.size == found.size_today == sum(sizes[savepath] for savepath in sample)
    confirmed = [
        one["savepath"] for one in revisions(stacks) if one["confirmed_at"] > one["published_at"]
    ]
    assert sorted(confirmed) == sorted(sample)


async def test_a_recheck_finds_what_no_mark_tells_and_resumes(stacks: Rig) -> None:
    """Each product of the nights is compared once; run again the same day, nothing is."""
    await stacks.sync()
    night = listed(stacks, NIGHTS[1])
    stacks.observatory.rerun(night[3])
    later(stacks, days=2)
    assert (await stacks.sync()).changed == 0
    asked(stacks)
    async with stacks.opened() as mirror:
        report = await mirror.backfill(Nights(NIGHTS[1], NIGHTS[1]), recheck=timedelta(days=1))
        assert sorted(asked(stacks)) == sorted(each.savepath for each in night)
        assert (report.published, report.unchanged) == (1, len(night) - 1)
        assert stacks.files() == stacks.truth(listed(stacks))
        again = await mirror.backfill(Nights(NIGHTS[1], NIGHTS[1]), recheck=timedelta(days=1))
        assert asked(stacks) == []
        assert again.not_compared == NotCompared(recent=len(night))
        assert summary(again).startswith("Nothing new, and nothing compared (")
        (line,) = about_comparison(again)
        assert f"{len(night)} products not compared: the archive sent" in line
        assert "`--recheck-all`" in line
        forced = await mirror.backfill(Nights(NIGHTS[1], NIGHTS[1]), recheck=timedelta(0))
        assert sorted(asked(stacks)) == sorted(each.savepath for each in night)
        assert (forced.unchanged, about_comparison(forced)) == (len(night), ())


async def test_a_comparison_that_fails_changes_nothing(stacks: Rig) -> None:
    """A file that the archive has no more is as good here as before, and the night stays whole."""
    await stacks.sync()
    lost = listed(stacks, NIGHTS[1])[0]
    stacks.observatory.remove_file(lost)
    later(stacks, days=2)
    async with stacks.opened() as mirror:
        report = await mirror.backfill(Nights(NIGHTS[1], NIGHTS[1]), recheck=timedelta(days=1))
    assert report.not_compared == NotCompared(failed=1)
    assert "1 product not compared: the archive did not send" in about_comparison(report)[0]
    with catalog_of(stacks) as catalog:
        assert catalog.views.summary([PROGRAM]).published == len(listed(stacks))
        assert not [event for event in catalog.outbox.since(0, 10_000) if event.kind == "missing"]
    assert path_of(lost) in stacks.files()


async def test_the_daemon_compares_slowly(stacks: Rig) -> None:
    """By noon half of the day's bytes, at least one product; the rest of it is not touched."""
    await stacks.sync()
    size = max(revision["size"] for revision in revisions(stacks))
    stacks.changes["daemon"] = {"recheck_per_day": 4 * size}
    later(stacks, days=2)
    asked(stacks)

    async def end() -> None:
        raise asyncio.CancelledError

    stacks.in_waits = end
    async with stacks.opened() as mirror:
        slowly = SpareRechecks(mirror, Coordination(), 4 * size, lambda: False, stacks.time)
        with pytest.raises(asyncio.CancelledError):
            await slowly.run()
    stacks.in_waits = None
    assert (await stacks.sync()).exit_code is ExitCode.DONE
    compared = asked(stacks)
    assert len(compared) in {2, 3}
    confirmed = {each["savepath"] for each in revisions(stacks) if later_confirmed(each)}
    assert confirmed == set(compared)


def later_confirmed(revision: dict[str, Any]) -> bool:
    """Return whether a revision was confirmed after it came."""
    return bool(revision["confirmed_at"] > revision["published_at"])


async def remade(rig: Rig, times: int) -> Product:
    """Mirror, then reprocess a night so often; return one of its products."""
    await rig.sync()
    for _ in range(times):
        rig.observatory.reprocess(NIGHTS[1])
        later(rig, days=1)
        await rig.sync()
    return listed(rig, NIGHTS[1])[0]


def check_kept(rig: Rig) -> None:
    """Check that each kept revision is there with its digest, and that no other file is."""
    kept = {one["kept"]: one["sha256"] for one in revisions(rig) if one["kept"]}
    top = rig.root / STATE_DIR / "revisions"
    there = {str(path.relative_to(rig.root)) for path in top.rglob("*") if path.is_file()}
    assert there == set(kept)
    assert all(sha256_of_file(rig.root / path) == sha256 for path, sha256 in kept.items())


@pytest.mark.parametrize(
    ("limit", "left"),
    [({"keep_revisions": 1}, 1), ({"keep_revisions_for": "12h"}, 1), ({"keep_revisions": 0}, 0)],
)
async def test_older_revisions_are_limited(stacks: Rig, limit: dict[str, Any], left: int) -> None:
    """By number and age; what goes is recorded as removed, and the history stays whole."""
    one = await remade(stacks, 3)
    stacks.changes["mirror"] = limit
    await stacks.sync()
    found = [each for each in revisions(stacks) if each["savepath"] == one.savepath]
    assert [bool(each["kept"]) for each in found] == [False] * (3 - left) + [True] * left + [False]
    assert [bool(each["removed_at"]) for each in found] == [True] * (3 - left) + [False] * (
        left + 1
    )
    (removed,) = stacks.emitted(RevisionsRemoved)
    assert removed.files == (3 - left) * len(listed(stacks, NIGHTS[1]))
    check_kept(stacks)


async def test_a_verification_after_older_revisions_went_finds_nothing(stacks: Rig) -> None:
    """What was removed is not missed, and what is kept is no orphan; another file there is."""
    await remade(stacks, 3)
    stacks.changes["mirror"] = {"keep_revisions": 1}
    await stacks.sync()

    async def verified(*, quick: bool) -> Result:
        return await verify(stacks.settings(), Request(quick=quick), NoDisplay(), time=stacks.time)

    for quick in (True, False):
        found = await verified(quick=quick)
        assert found.exit_code is ExitCode.DONE
        assert not found.wrong
        assert (found.strays.orphaned, found.strays.foreign) == ((), ())
    unknown = stacks.root / STATE_DIR / "revisions" / "mine.fits"
    unknown.write_bytes(b"mine")
    found = await verified(quick=True)
    assert found.strays.orphaned == (str(unknown.relative_to(stacks.root)),)


async def test_the_space_of_older_revisions_is_limited(stacks: Rig) -> None:
    """The first replaced go first, until the rest fits."""
    await remade(stacks, 3)
    kept = [one for one in revisions(stacks) if one["kept"]]
    space = sum(one["size"] for one in kept) // 2
    stacks.changes["mirror"] = {"keep_revisions_space": space}
    await stacks.sync()
    after = [one for one in revisions(stacks) if one["kept"]]
    assert 0 < sum(one["size"] for one in after) <= space
    gone = [one["replaced_at"] for one in revisions(stacks) if one["removed_at"]]
    assert max(gone) <= min(one["replaced_at"] for one in after)
    check_kept(stacks)


async def test_a_file_that_somebody_changed_is_no_revision(stacks: Rig) -> None:
    """Only what has the recorded digest is removed: another file of that name stays."""
    one = await remade(stacks, 1)
    (kept,) = [
        each["kept"]
        for each in revisions(stacks)
        if each["savepath"] == one.savepath and each["kept"]
    ]
    (stacks.root / kept).write_bytes(b"mine")
    stacks.changes["mirror"] = {"keep_revisions": 0}
    await stacks.sync()
    assert (stacks.root / kept).read_bytes() == b"mine"
    with catalog_of(stacks) as catalog:
        assert catalog.files.known_kept([kept]) == {kept}
    await stacks.sync()
    assert (stacks.root / kept).read_bytes() == b"mine"


KILLED = """
import asyncio, json, os, signal, sys
from winter_sync.catalog.history import History
from winter_sync.config import settings
from winter_sync.factory import open_mirror

History.forget_kept = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)

async def main():
    chosen = settings.load_settings(None, json.loads(sys.argv[1]))
    async with open_mirror(chosen, lambda _: None) as mirror:
        await mirror.retention.remove_exceeding()

asyncio.run(main())
"""


async def test_a_removal_that_is_killed_is_done_again(stacks: Rig) -> None:
    """Killed between a file and its record, the next run records it, and agrees with the tree."""
    await remade(stacks, 2)
    stacks.changes["mirror"] = {"keep_revisions": 0}
    chosen = {
        "api": {"base_url": stacks.simulator.url, "user": "u", "password": "p"},
        "mirror": {"root": str(stacks.root), "min_free": 0, "keep_revisions": 0},
        "programs": [{"name": PROGRAM, "api_key": "k"}],
    }
    before = [one for one in revisions(stacks) if one["kept"]]
    ended = subprocess.run(  # noqa: S603, ASYNC221 - our own script; nothing else is to happen
        [sys.executable, "-c", KILLED, json.dumps(chosen)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    gone = [one for one in before if not (stacks.root / one["kept"]).exists()]
    assert len(gone) == 1
    assert [one for one in revisions(stacks) if one["kept"]] == before
    await stacks.sync()
    assert all(one["removed_at"] for one in revisions(stacks) if one["replaced_at"])
    check_kept(stacks)


async def test_nothing_is_kept_where_it_is_replaced(stacks: Rig) -> None:
    """With `on_change = "replace"` the history says that older revisions were not kept."""
    stacks.changes["mirror"] = {"on_change": "replace"}
    one = await remade(stacks, 1)
    check_kept(stacks)
    with (
        Mirror.open(stacks.root) as mirror,
        pytest.raises(UsageError, match="revision 1 was not kept"),
    ):
        mirror.restore(path_of(one), 1)


async def test_a_history_is_found_by_any_name(stacks: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """By path, from anywhere, by file name, savepath or kept file: the newest revision first."""
    one = await remade(stacks, 2)
    path = stacks.root / path_of(one)
    monkeypatch.chdir(path.parent)
    with Mirror.open(stacks.root) as mirror:
        found = mirror.history(path)
        names = [
            path_of(one),
            path.name,
            one.savepath,
            f"./{path.name}",
            str(found.revisions[1].kept),
        ]
        assert [mirror.history(name) for name in names] == [found] * len(names)
        told = json.loads(history_as_json(found, stacks.root))
        with pytest.raises(UsageError, match=r"no product .* is named nothing\.fits"):
            mirror.history("nothing.fits")
        with pytest.raises(UsageError, match=r"no product .* is named"):
            mirror.history(os.fsdecode(b"\xff"))
    assert [each["revision"] for each in told["revisions"]] == [3, 2, 1]
    assert [each["file"] for each in told["revisions"]] == ["here", "kept", "kept"]
    versions = [each["pipeversion"] for each in told["revisions"]]
    assert len(set(versions)) == 3
    assert versions == sorted(versions, reverse=True)
    assert [each["replaced_at"] for each in told["revisions"]][1:] == [
        each["published_at"] for each in told["revisions"]
    ][:-1]
    assert told["revisions"][0]["sha256"] == sha256_of_file(path)


async def test_a_history_does_not_call_an_edited_file_what_was_downloaded(stacks: Rig) -> None:
    """Once that is noticed: the digest beside it is of what came, not of what is there."""
    one = await remade(stacks, 2)
    path = stacks.root / path_of(one)
    path.write_bytes(path.read_bytes()[:-1])
    await stacks.sync()
    with Mirror.open(stacks.root) as mirror:
        told = json.loads(history_as_json(mirror.history(path), stacks.root))
    assert [each["file"] for each in told["revisions"]][:2] == ["changed", "kept"]


async def test_a_history_fits_a_terminal(stacks: Rig) -> None:
    """Eighty columns hold the table; where the older ones are follows, and what happened."""
    one = await remade(stacks, 2)
    stacks.changes["mirror"] = {"keep_revisions": 1}
    stacks.observatory.withdraw(one)
    later(stacks, days=2)
    await stacks.sync()
    drawn = Console(width=80, file=StringIO())
    with Mirror.open(stacks.root) as mirror:
        show_history(drawn, mirror.history(path_of(one)), mirror.root)
    told = drawn.file
    assert isinstance(told, StringIO)
    path, *table, kept, withdrawn, unlisted = told.getvalue().splitlines()
    assert path == path_of(one)
    assert [line.split()[-1] for line in table] == ["file", "here", "kept", "removed"]
    assert max(map(len, table)) <= 80
    assert kept.startswith("  revision 2: .winter-sync/revisions/")
    assert withdrawn.endswith(" withdrawn")
    assert unlisted.startswith("Not listed any more since 2025-1")


def names_in(directory: Path) -> set[str]:
    """Return what is in a directory."""
    return {path.name for path in directory.iterdir()}


async def test_a_revision_is_restored_beside(
    stacks: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked, under a name of its own, never over anything; the tree stays as it is."""
    one = await remade(stacks, 2)
    monkeypatch.chdir(tmp_path)
    before = stacks.files()
    with Mirror.open(stacks.root) as mirror:
        first = mirror.history(path_of(one)).revisions[-1]
        new = mirror.restore(path_of(one), 1)
        assert new == Path(Path(path_of(one)).stem + ".rev1.fits")
        assert sha256_of_file(new) == first.sha256
        with pytest.raises(UsageError, match="exists already"):
            mirror.restore(path_of(one), 1)
        with pytest.raises(UsageError, match="revision 3 is the current one"):
            mirror.restore(path_of(one), 3)
        with pytest.raises(UsageError, match="there is no revision 9: the newest is 3"):
            mirror.restore(path_of(one), 9)
        with pytest.raises(UsageError, match="inside the mirror"):
            mirror.restore(path_of(one), 1, stacks.root / "mine.fits")
        kept = stacks.root / str(first.kept)
        kept.write_bytes(kept.read_bytes()[:-1] + b"x")
        with pytest.raises(StorageError, match="not what was downloaded as revision 1"):
            mirror.restore(path_of(one), 1, tmp_path / "again.fits")
    assert names_in(tmp_path) == {new.name, "winter"}
    assert stacks.files() == before


async def test_a_replacement_tells_what_it_replaced(stacks: Rig) -> None:
    """The event has both digests, the pipeline version and where the older revision is."""
    one = await remade(stacks, 1)
    with catalog_of(stacks) as catalog:
        events = catalog.outbox.since(0, 10_000)
    (first, second) = [
        event.fields
        for event in events
        if event.fields["savepath"] == one.savepath and event.kind in {"downloaded", "replaced"}
    ]
    assert second["previous_sha256"] == first["sha256"] != second["sha256"]
    assert first["pipeline"] != second["pipeline"]
    assert sha256_of_file(stacks.root / str(second["kept"])) == first["sha256"]


def test_no_limit_exceeds_nothing() -> None:
    """Without limits all is kept."""
    assert exceeding([], KeepLimits(), datetime(2026, 1, 1, tzinfo=UTC)) == []
    assert not KeepLimits().any
