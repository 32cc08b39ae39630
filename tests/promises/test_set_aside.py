"""Files of withdrawn products leave the tree or come back, older revisions go: through kills."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from astropy.table import Table
from promises.kills import KillableMirrors
from promises.test_vanished import ASIDE, OTHER, PROGRAM, TYPES, kept_files, listed, states, told
from support.rig import Rig

from winter_sync import Mirror
from winter_sync.catalog import CatalogThread
from winter_sync.core import CATALOG, EventKind, Night, sha256_of_file
from winter_sync.core.layout import STATE_DIR
from winter_sync.maintenance import Manifests
from winter_sync.monitoring.night_status import read_night
from winter_sync.simulator import DEMO_NIGHT, Observatory, SimulatedClock, Simulator, Universe
from winter_sync.simulator.observatory.universe import campaigns_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

NIGHT = DEMO_NIGHT
REMOVAL = ("remove revision", "forget revision")
"""The steps by which an older revision is removed."""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Return a mirror of two programs and two nights whose catalog and tree are filled."""
    nights = (NIGHT, NIGHT.plus(1))
    universe = Universe(
        nights=nights, campaigns=campaigns_of((PROGRAM, OTHER)), products_a_night=150
    )
    clock = SimulatedClock(datetime(2025, 10, 28, 12, tzinfo=UTC))
    async with Simulator(Observatory(universe, clock=clock)) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        for program in rig.programs:
            program["image_types"] = list(TYPES)
            program["instruments"] = ["winter"]
        await rig.sync()
        yield rig


@pytest.fixture
def mirrors(rig: Rig) -> Iterator[KillableMirrors]:
    """Return what runs mirrors of the archive that are killed."""
    with KillableMirrors(rig.simulator.url) as mirrors:
        yield mirrors


async def run(rig: Rig, mirrors: KillableMirrors, step: str = "", moment: str = "") -> bool:
    """Sync in a process of its own, which is killed at a step; return whether it was."""
    rig.observatory.clock.advance(timedelta(minutes=10))
    order: dict[str, Any] = {"step": step, "moment": moment, "times": 1} if step else {}
    return await asyncio.to_thread(
        mirrors.run,
        rig.root,
        settings=rig.sections(),
        now=rig.observatory.clock.now().isoformat(),
        **order,
    )


@pytest.mark.parametrize("policy", ["move", "delete"])
async def test_a_kill_while_a_file_leaves(rig: Rig, mirrors: KillableMirrors, policy: str) -> None:
    """Before and after each step it is whole at one place, or deleted as announced.

    The next run finishes that, the event is recorded once, and what is listed again comes back.
    """
    before = rig.files()
    rig.changes["mirror"] = {"on_withdrawn": policy}
    act = {"move": "move out", "delete": "delete"}[policy]
    kills = [("begin", "before"), (act, "before"), ("finish", "before"), ("finish", "after")]
    for (step, moment), gone in zip(kills, listed(rig), strict=False):
        (path,) = rig.truth([gone])
        rig.observatory.withdraw(gone)
        assert await run(rig, mirrors, step, moment), (step, moment, gone)
        is_done = step == "finish"
        assert (rig.root / path).exists() != is_done
        assert whole(rig, path) == ([] if policy == "delete" and is_done else [before[path]])
        assert not await run(rig, mirrors)
        assert rig.files() == {p: before[p] for p in before if p != path}
        assert kept_files(rig) == ({path} if policy == "move" else set())
        assert states(rig, gone) == [("withdrawn", False)]
        removed = [event["path"] for event in told(rig, EventKind.REMOVED)]
        assert removed.count(path) == 1
        rig.observatory.relist(gone)
        assert not await run(rig, mirrors)
        assert (rig.files(), kept_files(rig)) == (before, set())


def whole(rig: Rig, path: str) -> list[str]:
    """Return the SHA-256 of what is at a path of the tree, and set aside from there."""
    places = [rig.root / path, rig.root / ASIDE / path]
    return [sha256_of_file(place) for place in places if place.exists()]


async def test_a_kill_while_a_file_comes_back(rig: Rig, mirrors: KillableMirrors) -> None:
    """It is whole at one place, and the next run has it back without a download."""
    before = rig.files()
    rig.changes["mirror"] = {"on_withdrawn": "move"}
    kills = [("move back", "before"), ("restore", "before"), ("restore", "after")]
    for (step, moment), gone in zip(kills, listed(rig), strict=False):
        (path,) = rig.truth([gone])
        rig.observatory.withdraw(gone)
        await run(rig, mirrors)
        rig.observatory.relist(gone)
        assert await run(rig, mirrors, step, moment), (step, moment, gone)
        assert whole(rig, path) == [before[path]]
        assert not await run(rig, mirrors)
        assert mirrors.asked(rig.root) == 0
        assert (rig.files(), kept_files(rig)) == (before, set())
        assert states(rig, gone) == [("downloaded", True)]


# --- older revisions -----------------------------------------------------------------------------


def older(rig: Rig) -> tuple[dict[str, str], set[str]]:
    """Return the digests of the older revisions that the catalog knows, and the files there are."""
    with closing(sqlite3.connect(rig.root / STATE_DIR / CATALOG)) as db:
        known = dict(db.execute("SELECT kept, sha256 FROM revisions WHERE kept IS NOT NULL"))
    place = rig.root / STATE_DIR / "revisions"
    return known, {str(p.relative_to(rig.root)) for p in place.rglob("*") if p.is_file()}


async def reprocessed(rig: Rig) -> None:
    """Keep an older revision of some products."""
    rig.observatory.reprocess(NIGHT)
    rig.observatory.clock.advance(timedelta(days=1))
    await rig.sync()


async def test_a_kill_while_older_revisions_go(rig: Rig, mirrors: KillableMirrors) -> None:
    """Each is whole or gone, the catalog knows every file, and the tree is not touched."""
    await reprocessed(rig)
    rig.changes["mirror"] = {"keep_revisions": 0}
    tree, (before, _) = rig.files(), older(rig)
    kills = [(step, moment) for step in REMOVAL for moment in ("before", "after")]
    for step, moment in kills:
        assert await run(rig, mirrors, step, moment), (step, moment)
        known, there = older(rig)
        assert there <= set(known) <= set(before), (step, moment)
        assert len(set(known) - there) <= 1, (step, moment)
        assert all(sha256_of_file(rig.root / path) == known[path] for path in there)
        with Mirror.open(rig.root) as opened:
            assert all(opened.history(path).revisions for path in tree)
    assert len(before) > len(kills)
    assert not await run(rig, mirrors)
    assert older(rig) == ({}, set())
    assert rig.files() == tree


async def test_a_kill_while_a_revision_is_copied(
    rig: Rig, mirrors: KillableMirrors, tmp_path: Path
) -> None:
    """No file has the name before it is whole, and another attempt succeeds."""
    await reprocessed(rig)
    tree, kept = rig.files(), older(rig)
    (path, sha256) = next(iter(kept[0].items()))
    output = tmp_path / "copy.fits"
    with Mirror.open(rig.root) as opened:
        revision = next(one for one in opened.history(path).revisions if one.kept == path)
    order: dict[str, Any] = {"restore": path, "revision": revision.revision, "output": str(output)}
    for moment in ("before", "after"):
        how = {**order, "step": "copy revision", "moment": moment, "times": 2}
        assert await asyncio.to_thread(mirrors.run, rig.root, **how)
        assert not output.exists()
    assert not await asyncio.to_thread(mirrors.run, rig.root, **order)
    assert sha256_of_file(output) == sha256
    assert (rig.files(), older(rig)) == (tree, kept)


# --- what the manifest of the night says ---------------------------------------------------------


async def settle(rig: Rig) -> None:
    """Bring the manifests up to date before and after a quiet time."""
    await look(rig)
    rig.observatory.clock.advance(timedelta(days=10))
    await look(rig)


async def look(rig: Rig) -> None:
    """Sync, and bring the manifests up to date."""
    await rig.sync()
    settings = rig.settings()
    async with (
        CatalogThread(settings.state / CATALOG, rig.time.clock) as catalog,
        Manifests(
            catalog=catalog,
            state=settings.state,
            selections=settings.selections,
            settle_after=settings.schedule.settle_after,
            emit=rig.events.append,
            time=rig.time,
        ) as manifests,
    ):
        await manifests.update()


def files_of_manifest(rig: Rig, night: Night) -> set[str]:
    """Return the paths of a night's sums, which `sha256sum` checks, and of its table, the same."""
    sums = rig.root / STATE_DIR / "manifests" / PROGRAM / f"{night}.SHA256SUMS"
    command = ["sha256sum", "--check", "--strict", "--quiet", str(sums)]
    checked = subprocess.run(command, cwd=rig.root, check=False, capture_output=True)  # noqa: S603 - coreutils
    assert checked.returncode == 0, checked.stderr
    table = Table.read(sums.with_suffix(".ecsv"), format="ascii.ecsv")
    here = {str(row["path"]) for row in table if row["sha256"]}
    assert here == {line[66:] for line in sums.read_text().splitlines()}
    assert {str(row["path"]) for row in table if row["state"] == "downloaded"} <= here
    return here


async def counts(rig: Rig, night: Night) -> dict[str, int]:
    """Return what `status --night` counts of our program."""
    settings = rig.settings()
    async with CatalogThread(settings.state / CATALOG, rig.time.clock, reading=True) as catalog:
        detail = await read_night(catalog, [PROGRAM], night)
    kinds = json.loads(detail.json())["kinds"]
    return {name: sum(kind[name] for kind in kinds) for name in ("listed", "here", "withdrawn")}


@pytest.mark.parametrize("policy", ["move", "delete"])
async def test_a_file_that_left_is_in_no_manifest(rig: Rig, policy: str) -> None:
    """While it is kept it is; `status --night` and `list` say the same before and after."""
    await settle(rig)
    of_night = [product for product in listed(rig) if product.night == NIGHT]
    gone, all_of_it = of_night[:2], files_of_manifest(rig, NIGHT)
    paths = set(rig.truth(gone))
    there = await counts(rig, NIGHT)
    assert (there["here"], there["withdrawn"]) == (len(all_of_it), 0)
    for product in gone:
        rig.observatory.withdraw(product)
    await settle(rig)
    assert files_of_manifest(rig, NIGHT) == all_of_it
    assert states(rig, *gone) == [("withdrawn", True)] * 2
    rig.changes["mirror"] = {"on_withdrawn": policy}
    await settle(rig)
    assert files_of_manifest(rig, NIGHT) == all_of_it - paths
    assert states(rig, *gone) == [("withdrawn", False)] * 2
    left = {"listed": there["listed"] - 2, "here": there["here"] - 2, "withdrawn": 2}
    assert await counts(rig, NIGHT) == left
    for product in gone:
        rig.observatory.relist(product)
    await settle(rig)
    assert files_of_manifest(rig, NIGHT) == all_of_it
    assert await counts(rig, NIGHT) == there
