"""Files that are odd and lack no data are taken, cut ones are not, and neither hammers."""

from __future__ import annotations

import gzip
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.faulty_rig import PROGRAM, THIRD, FaultyRig, fault, faulty_rig
from support.rig import path_of

from winter_sync.core import Polled, ProductFinished, RowsLeftOut
from winter_sync.core.downloads import Failed, Published
from winter_sync.core.errors import ExitCode
from winter_sync.core.filesystem import sha256_of_file
from winter_sync.core.traits import ImageType

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.core.products import Product

_LOOKS = timedelta(hours=2)
DAY_AND_A_QUARTER = timedelta(hours=30)
AT_ONCE = "it is taken as it is, with a note, and never asked for again"
LATER = "it is refused, and taken with a note when the very same comes again after an hour"
NEVER = "it is refused for good, and asked for ever more rarely: 7 times in 30 hours"
AS_IT_IS = "the file, byte for byte as the archive has it"
OTHERS = "every other product"

ODD = [
    fault(f"{script}@{place}", words, outcome=outcome, kept=AS_IT_IS, downloads=downloads, at=place)
    for script, words, place, outcome, downloads in (
        ("no-fill", "a FITS file without the fill of its last block", THIRD, AT_ONCE, 1),
        ("zeros-after", "a block of zeros after the last HDU", THIRD, AT_ONCE, 1),
        ("zeros-after=50000", "many zeros after the last HDU", THIRD, LATER, 2),
        ("junk-after", "other bytes after the last HDU", THIRD, LATER, 2),
        ("wrong-sum", "a DATASUM that is not the sum of the data", THIRD, LATER, 2),
        ("boards=3", "exposures with three boards of six", "*_mef.fits", LATER, 2),
    )
]
CUT = [
    fault(f"{script}@{THIRD}", words, outcome=NEVER, kept=OTHERS, downloads=7)
    for script, words in (
        ("half", "a FITS file that is cut for good"),
        ("unfilled", "a file that is zeros for good"),
        ("empty-member", "a file that is empty for good"),
    )
]


async def watched(rig: FaultyRig, one: Product, span: timedelta = DAY_AND_A_QUARTER) -> list[float]:
    """Run the mirror whenever a product may be asked for, as a daemon does, and every two hours.

    Return after how many minutes each download of it was.
    """
    clock = rig.observatory.clock
    began, downloads = clock.now(), list[float]()
    while (since := clock.now() - began) < span:
        seen = len(rig.downloads)
        await rig.sync()
        asked = sum(one.savepath in paths for paths in rig.downloads[seen:])
        downloads += [since / timedelta(minutes=1)] * asked
        wait = rig.retry_of(one.savepath)[1] - clock.now() + timedelta(seconds=1)
        clock.advance(wait if timedelta(0) < wait < _LOOKS else _LOOKS)
    return downloads


def settled(rig: FaultyRig, one: Product) -> list[Published | Failed]:
    """Return the outcomes of a product, in the order of their events."""
    outcomes = [event.outcome for event in rig.events if isinstance(event, ProductFinished)]
    return [
        outcome
        for outcome in outcomes
        if isinstance(outcome, Published | Failed) and outcome.candidate.product == one
    ]


@pytest.mark.parametrize(("script", "expected"), ODD)
async def test_an_odd_file_that_lacks_nothing_is_taken(
    tmp_path: Path, script: str, expected: dict[str, Any]
) -> None:
    """In thirty hours it is downloaded once or twice; then no more, and the mark says why."""
    async with faulty_rig(tmp_path, script) as rig:
        kind = ImageType.EXPOSURE if "boards" in script else ImageType.STACK
        chosen = [product for product in rig.products if product.image_type is kind]
        odd = chosen[2] if kind is ImageType.STACK else chosen[0]
        downloads = await watched(rig, odd)
        assert len(downloads) == expected["downloads"], downloads
        assert all(60 <= since <= 70 for since in downloads[1:])
        *refusals, taken = settled(rig, odd)
        assert [type(outcome) for outcome in refusals] == [Failed] * (expected["downloads"] - 1)
        assert isinstance(taken, Published)
        assert taken.note
        assert sha256_of_file(rig.root / path_of(odd)) == taken.evidence.sha256
        strange = {
            path_of(product) for product in chosen if product == odd or kind is ImageType.EXPOSURE
        }
        others = {path: sha for path, sha in rig.files().items() if path not in strange}
        assert others.items() <= rig.truth(rig.products).items()
        content = (rig.root / path_of(odd)).read_bytes()
        truth = rig.observatory.content(odd.instrument, odd.savepath)
        assert content != truth
        if "wrong-sum" not in script:
            assert content.startswith(truth) or truth.startswith(content)
        report = await rig.sync()
        assert (report.exit_code, report.left) == (ExitCode.DONE, 0)


@pytest.mark.parametrize(("script", "expected"), CUT)
async def test_a_file_that_stays_cut_is_asked_for_ever_more_rarely(
    tmp_path: Path, script: str, expected: dict[str, Any]
) -> None:
    """In thirty hours it is downloaded seven times, and never published; once whole it comes."""
    async with faulty_rig(tmp_path, script) as rig:
        cut = rig.stacks[2]
        downloads = await watched(rig, cut)
        assert len(downloads) == expected["downloads"], downloads
        assert rig.missed == {path_of(cut)}
        rig.inject("")
        assert (await rig.run_after(timedelta(hours=24))).exit_code is ExitCode.DONE
        assert not rig.missed


@pytest.mark.fault(
    kind="FITS files packed with gzip, and named so",
    injected="gzipped",
    outcome="inflated to be checked, and kept as they are",
    kept="everything",
)
async def test_files_packed_with_gzip_are_checked_and_kept_packed(tmp_path: Path) -> None:
    """Every FITS product is in the tree as .fits.gz, is whole, and is not downloaded again."""
    async with faulty_rig(tmp_path, "gzipped") as rig:
        for _ in range(3):
            assert (await rig.sync()).exit_code is ExitCode.DONE
            rig.observatory.clock.advance(timedelta(hours=8))
        for product in rig.products:
            content = rig.observatory.content(product.instrument, product.savepath)
            path = rig.root / path_of(product)
            if product.image_type is ImageType.AVRO:
                assert path.read_bytes() == content
            else:
                assert gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes()) == content
        asked = [path for paths in rig.downloads for path in paths]
        assert len(asked) == len(set(asked)) == len(rig.products)


@pytest.mark.fault(
    kind="a FITS file packed with gzip, and cut",
    injected=f"gzipped,half@{THIRD}.gz",
    outcome=NEVER,
    kept=OTHERS,
)
async def test_a_gzip_file_that_is_cut_is_refused(tmp_path: Path) -> None:
    """What is inside may not even be looked at: it never comes into the tree."""
    async with faulty_rig(tmp_path, f"gzipped,half@{THIRD}.gz") as rig:
        report = await rig.sync()
        assert report.exit_code is ExitCode.INCOMPLETE
        name = f"{path_of(rig.stacks[2])}.gz"
        assert name not in rig.files()
        assert len(rig.files()) == len(rig.products) - 1


@pytest.mark.fault(
    kind="rows of files that are neither FITS nor Avro",
    injected="other-names",
    outcome="they are left out and told, and never asked for; all other rows are used",
    kept="everything",
)
async def test_names_of_no_known_format_are_never_asked_for(tmp_path: Path) -> None:
    """They are reported as rows left out, count as new at no poll, and block nothing."""
    async with faulty_rig(tmp_path, "other-names") as rig:
        for _ in range(3):
            rig.events.clear()
            report = await rig.run()
            assert report.exit_code is ExitCode.DONE
            refused = [event for event in rig.events if isinstance(event, RowsLeftOut)]
            reasons = {reason for event in refused for reason in event.reasons}
            assert any("its name ends in .jpg, no format that can be checked" in r for r in reasons)
            assert all(".fits, .fits.fz, .fits.gz, .avro" in reason for reason in reasons)
            assert sum(event.rows for event in refused) == 4 * len(
                [product for product in rig.products if product.image_type is not ImageType.AVRO]
            )
            rig.observatory.clock.advance(timedelta(hours=8))
        assert sum(event.new for event in rig.events if isinstance(event, Polled)) == 0
        assert not rig.missed
        asked = {path for paths in rig.downloads for path in paths}
        assert asked == {product.savepath for product in rig.products}


async def test_what_has_no_place_is_new_at_no_poll(tmp_path: Path) -> None:
    """Products whose path another has, and rows whose path is unsafe, are not counted as new."""
    async with faulty_rig(tmp_path, "odd-rows") as rig:
        rig.changes["mirror"] = {"layout": "{instrument}/{night}/{image_type}/{filename}"}
        await rig.sync()
        rig.observatory.clock.advance(timedelta(hours=8))
        rig.events.clear()
        await rig.sync()
        polls = [event for event in rig.events if isinstance(event, Polled)]
        assert polls
        assert sum(poll.new for poll in polls) == 0
        assert PROGRAM in {poll.query.subject.program for poll in polls}
