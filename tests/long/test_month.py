"""A simulated month in any order: the mirror ends equal to the archive, with its history whole."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from long.month import KILLED_AT, MOMENTS, NAMELESS, NIGHTS, SCRIPTS, Change, Day, Kill, a_month
from long.month_changes import CHANGES
from promises.kills import KillableMirrors
from support.rig import DownloadLog, Rig, path_of

from winter_sync.core.layout import STATE_DIR
from winter_sync.core.marks import REFETCH_SAMPLE, evenly_spread
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import DEMO_NIGHT, Campaign, Observatory, Simulator, Universe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SHORT, FULL = 2, int(os.environ.get("TRY_MONTHS", "200"))
"""Months that are tried every day, and in a sweep."""

changes = st.builds(Change, st.sampled_from(CHANGES), st.integers(0, 999))
kills = st.builds(Kill, st.sampled_from(KILLED_AT), st.sampled_from(MOMENTS), st.integers(1, 6))
days = st.builds(
    Day,
    hours=st.integers(1, 72),
    changes=st.lists(changes, max_size=4).map(tuple),
    script=st.sampled_from(SCRIPTS),
    recheck=st.sampled_from([False] * 5 + [True]),
    kill=st.none() | st.none() | kills,
)
set_aside = st.sampled_from(["keep", "move", "delete"])
FIRST = Day(hours=0)
"""The mirror is filled before the month begins."""
unlimited = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def mirrors() -> Iterator[KillableMirrors]:
    """Yield a process that runs mirrors which are killed."""
    with KillableMirrors("") as running:
        yield running


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the archive keeps its files from month to month."""
    return tmp_path_factory.mktemp("archive")


async def live(
    month: Sequence[Day], mirrors: KillableMirrors, cache: Path, on_withdrawn: str
) -> None:
    """Live through a month to its end."""
    with TemporaryDirectory(prefix="month-") as directory:
        async with a_month(Path(directory), mirrors, cache, on_withdrawn) as lived:
            for day in month:
                await lived.live(day)
            await lived.end()


@settings(unlimited, max_examples=SHORT)
@given(month=st.lists(days, min_size=4, max_size=8), on_withdrawn=set_aside)
def test_a_month(
    month: list[Day], on_withdrawn: str, mirrors: KillableMirrors, cache: Path
) -> None:
    """Tree and catalog end equal to the archive, each content and event is there once."""
    asyncio.run(live([FIRST, *month], mirrors, cache, on_withdrawn))


@pytest.mark.slow
@pytest.mark.fault(
    kind="200 months of changes, odd answers, files lost by hand and SIGKILL, in any order",
    injected="(all of it at once, by Hypothesis)",
    outcome="tree and catalog end equal to the archive, and sinks have every event",
    kept="every content that was ever downloaded, each a revision; what a hand destroyed is not",
)
@settings(unlimited, max_examples=FULL)
@given(month=st.lists(days, min_size=8, max_size=16), on_withdrawn=set_aside)
def test_many_months(
    month: list[Day], on_withdrawn: str, mirrors: KillableMirrors, cache: Path
) -> None:
    """The same of two hundred longer months."""
    asyncio.run(live([FIRST, *month], mirrors, cache, on_withdrawn))


async def test_a_damaged_file_is_no_revision(tmp_path: Path, mirrors: KillableMirrors) -> None:
    """A file that was damaged by hand is kept aside, and never taken for the older revision."""
    async with a_month(tmp_path, mirrors) as month:
        await month.live(FIRST)
        path = min(month.rig.files())
        month.observatory.reprocess(path.split("/")[1], (ImageType.DIFF,))
        await month.live(Day(hours=24, changes=(Change("damage", 0),)))
        assert len(month.expected.contents[path]) == 2
        aside = [
            file.read_bytes()
            for file in (month.rig.root / STATE_DIR / "revisions").rglob("*_1_*.fits")
        ]
        assert b"damaged 0 0" in aside


@pytest.mark.parametrize("on_withdrawn", ["move", "delete"])
async def test_withdrawn_while_it_waits(
    tmp_path: Path, mirrors: KillableMirrors, on_withdrawn: str
) -> None:
    """A file is set aside, too, whose product was withdrawn while it waited to be fetched again."""
    async with a_month(tmp_path, mirrors, on_withdrawn=on_withdrawn) as month:
        await month.live(FIRST)
        product = month.observatory.products(image_type=ImageType.STACK)[0]
        month.observatory.reprocess(product.night, ())
        await month.live(Day(hours=2, script="500@download"))
        month.observatory.withdraw(product)
        await month.live(Day(hours=2))
        assert path_of(product) not in month.rig.files()


async def test_lost_files_hide_no_reprocessing(tmp_path: Path, mirrors: KillableMirrors) -> None:
    """Files that came again before the new marks were seen do not vouch for the whole night."""
    async with a_month(tmp_path, mirrors) as month:
        await month.live(FIRST)
        stacks = month.observatory.products("2024A000", image_type=ImageType.STACK)
        stacks = [product for product in stacks if product.night == stacks[0].night]
        month.observatory.reprocess(stacks[0].night, (ImageType.STACK,))
        for product in evenly_spread(sorted(stacks, key=path_of), REFETCH_SAMPLE):
            (month.rig.root / path_of(product)).unlink()
            month.expected.lose(path_of(product))
        await month.live(Day(hours=24, script="422@query"))
        await month.end()


async def test_a_row_of_no_use_settles_no_night(tmp_path: Path, mirrors: KillableMirrors) -> None:
    """It may be that of a product of the night, with other marks: it would be said to be whole."""
    async with a_month(tmp_path, mirrors) as month:
        await month.live(FIRST)
        month.observatory.reprocess(NIGHTS[0], (ImageType.STACK, ImageType.DIFF))
        for _ in range(2):
            await month.live(Day(hours=60, script=NAMELESS))
        assert not month.expected.settled(NIGHTS[0])
        for _ in range(3):
            await month.live(Day(hours=25))
        assert month.expected.settled(NIGHTS[0])


REPROCESSED = (ImageType.STACK, ImageType.DIFF, ImageType.AVRO, ImageType.RAW)
"""The types of which new marks may mean new content, and of which the archive keeps the files."""


async def test_what_new_marks_cost(tmp_path: Path) -> None:
    """A busy night that was only logged again costs three products of each type, and no change."""
    campaigns = (Campaign("2024A000", visits=10, image_types=REPROCESSED),)
    universe = Universe(nights=(DEMO_NIGHT,), campaigns=campaigns, gone_fraction=0)
    log = DownloadLog()
    async with Simulator(Observatory(universe), faults=log) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        await rig.sync()
        before, all_of_it = rig.files(), log.asked
        rig.observatory.reprocess(DEMO_NIGHT, ())
        rig.observatory.clock.advance(timedelta(days=1))
        log.downloads.clear()
        for _ in range(3):
            await rig.sync()
            rig.observatory.clock.advance(timedelta(days=1))
        assert rig.files() == before
    again = log.asked
    assert max(again.values()) == 1
    assert again.total() == REFETCH_SAMPLE * len(REPROCESSED)
    # As docs/revisions.md has it.
    assert (again.total(), all_of_it.total()) == (12, 390)
    assert round(size_of(again) / 1e9, 2) == 0.16
    assert round(size_of(all_of_it) / 1e9, 1) == 5.9


def size_of(savepaths: Iterable[str]) -> int:
    """Return how many bytes products have at their usual sizes."""
    return sum(
        image_type.traits.typical_size
        for savepath in savepaths
        for image_type in REPROCESSED
        if f"/{image_type.for_camera(Instrument.WINTER).directory}/" in savepath
    )
