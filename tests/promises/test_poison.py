"""A product that breaks its downloads is singled out, waits alone, and holds up no other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.faulty_rig import THIRD, TYPES, FaultyRig, fault, faulty_rig
from support.rig import path_of

from winter_sync.core.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

WAITS = "it is singled out and waits alone, ever longer (exit code 5)"
OTHERS = "every other product"
ALONE_IN_VAIN = 5
AT_ONCE = 4
"""After so many attempts a product waits before the next."""
FAST = {"first_byte_timeout": "1s", "silence_timeout": "1s"}
"""Real time, as only that shows that nothing arrives: long for our loop and short for a test."""

ONCE_EACH = {"strikes": 4}
"""Asked for once at first and three times again at once, without a retry in between."""

REFUSED = {"strikes": 2}
"""Arrived complete, and so asked for once more at once: it may have been half written."""

POISONS = [
    fault(f"{name}@{THIRD}", words, outcome=WAITS, kept=OTHERS, **more)
    for name, words, more in (
        ("500", "a product on which the server fails before it sends anything", {}),
        ("503", "a product for which the server is always too busy", {}),
        ("reset", "a product on which the connection breaks before anything is sent", {}),
        (
            "silence",
            "a product on which the server falls silent before it sends anything",
            {"api": FAST, **ONCE_EACH},
        ),
        ("404", "a product whose requests are answered with 404", ONCE_EACH),
        ("422", "a product whose requests are rejected", ONCE_EACH),
        ("html", "a product whose requests are answered with a page", ONCE_EACH),
        ("nothing", "a product whose requests are answered with nothing", ONCE_EACH),
        ("poison", "a product on which the connection breaks when its turn comes", {}),
        ("silence-body=3000", "a product inside which the server falls silent", {"api": FAST}),
        ("name-long", "a product whose member has a name of 4 kB", {}),
        ("left-out", "a product that is always left out, and never counted as missing", ONCE_EACH),
        ("flip", "a product that is always damaged", ONCE_EACH),
        ("size-lies", "a product whose size is always a lie", ONCE_EACH),
        ("bomb=8", "a product that is always a zip bomb", ONCE_EACH),
        ("encrypted", "a product that is always encrypted", ONCE_EACH),
        ("unknown-method", "a product always packed by an unknown method", ONCE_EACH),
        ("half", "a product that stays half written", REFUSED),
        ("unfilled", "a product that stays zeros", REFUSED),
        ("empty-member", "a product that stays empty", REFUSED),
        ("html-member", "a product that is a page", REFUSED),
    )
]


@pytest.mark.parametrize(("script", "expected"), POISONS)
async def test_a_poisoned_product_waits_alone(
    tmp_path: Path, script: str, expected: dict[str, Any]
) -> None:
    """All others come in the first run; this one is asked for alone, later and later."""
    async with faulty_rig(tmp_path, script, **expected.get("api", {})) as rig:
        poisoned = rig.stacks[2]
        report = await rig.run()
        assert rig.missed == {path_of(poisoned)}
        assert (report.exit_code, report.left) == (ExitCode.INCOMPLETE, 1)
        assert expected.get("strikes") in (None, rig.faults.happened.total())
        pauses = [await _next_pause(rig, poisoned.savepath) for _ in range(3)]
        assert timedelta(seconds=45) <= pauses[0] < pauses[1] < pauses[2]
        rig.inject("")
        assert (await rig.run_after()).exit_code is ExitCode.DONE
        assert not rig.missed


async def _next_pause(rig: FaultyRig, savepath: str) -> timedelta:
    """Check that it is left alone until its time has come, and is then asked for alone.

    Returns how long it had to wait.
    """
    before, not_before = rig.retry_of(savepath)
    pause = not_before - rig.observatory.clock.now()
    downloads = len(rig.downloads)
    await rig.run_after(pause - timedelta(seconds=2))
    assert len(rig.downloads) == downloads
    await rig.run_after(timedelta(seconds=3))
    assert set(rig.downloads[downloads:]) == {(savepath,)}
    assert rig.retry_of(savepath)[0] == before + 1
    return pause


@pytest.mark.fault(
    kind="a product that is refused (403), though the credentials are good",
    injected=f"403@{THIRD}",
    outcome="the program is left alone for a few runs, until it is singled out and waits alone",
    kept=OTHERS,
)
async def test_a_product_that_may_not_be_read_stops_no_other(tmp_path: Path) -> None:
    """It is singled out run by run; then it waits alone, and its program is not left alone."""
    async with faulty_rig(tmp_path, f"403@{THIRD}") as rig:
        poisoned = rig.stacks[2]
        report = await rig.run()
        while report.exit_code is ExitCode.REFUSED and len(rig.reports) < 10:
            report = await rig.run_after()
        assert rig.missed == {path_of(poisoned)}
        assert (report.exit_code, report.left) == (ExitCode.INCOMPLETE, 1)
        rig.inject("")
        assert (await rig.run_after()).exit_code is ExitCode.DONE
        assert not rig.missed


async def test_refused_credentials_are_held_against_no_product(tmp_path: Path) -> None:
    """Once they are accepted again, all that was wanted is asked for in the same company."""
    async with faulty_rig(tmp_path, "500@download") as rig:
        await rig.run()
        before = [rig.retry_of(product.savepath)[0] for product in rig.stacks]
        rig.inject("401@download+program")
        report = await rig.run_after()
        assert report.exit_code is ExitCode.REFUSED
        assert [rig.retry_of(product.savepath)[0] for product in rig.stacks] == before


async def test_what_a_broken_download_did_not_bring_is_innocent(tmp_path: Path) -> None:
    """Downloads that break again and again, bringing a little each, are no failures."""
    async with faulty_rig(tmp_path, "end-between@stack+diff+avro+exposure") as rig:
        report = await rig.run()
        assert rig.faults.happened.total() > len(TYPES)
        assert (report.exit_code, report.failed) == (ExitCode.DONE, 0)
        assert not rig.missed


async def test_what_arrives_unchanged_clears_the_rest_of_a_broken_download(tmp_path: Path) -> None:
    """Files that are as they were count as progress: the products behind them have not failed."""
    async with faulty_rig(tmp_path) as rig:
        await rig.run()
        rig.observatory.reprocess(rig.stacks[0].night, ())
        rig.inject("end-between:x1@stack")
        rig.observatory.clock.advance(timedelta(hours=1))
        report = await rig.sync()
        assert rig.faults.happened.total() == 1
        assert (report.published, report.failed) == (0, 0)
        assert report.unchanged > 1
        assert report.exit_code is ExitCode.DONE


async def test_several_poisoned_products_cost_no_other(tmp_path: Path) -> None:
    """Each of several is recognised, in whatever company it was, and each in its own way."""
    script = "500@*mef_1_0_0_stack.fits,poison@*mef_2_0_0_stack.diff.fits,half@*mef_5_0_0_stack.*"
    async with faulty_rig(tmp_path, script) as rig:
        for _ in range(3):
            report = await rig.run()
        assert len(rig.missed) == 4
        assert report.exit_code is ExitCode.INCOMPLETE
        assert report.left == 4


@pytest.mark.parametrize("kind", ["500", "flip"])
async def test_many_poisoned_products_cost_no_other(tmp_path: Path, kind: str) -> None:
    """Where most downloads fail at first, all good products still come in the same run.

    More products than are tried alone in vain are poisoned; what comes in between tells that it is
    not the server. One connection, so that they come in a known order.
    """
    async with faulty_rig(tmp_path, f"{kind}@*_mef_[135]_0_0_stack*", connections=1) as rig:
        await rig.run()
        assert all(path.split("_mef_")[1][0] in "135" for path in rig.missed)
        assert len(rig.missed) > ALONE_IN_VAIN


async def test_products_that_are_always_damaged_never_look_like_a_dead_server(
    tmp_path: Path,
) -> None:
    """Once each waits by itself, runs that meet nothing else say that some are left, not more."""
    async with faulty_rig(tmp_path, "flip@*_mef_[135]_0_0_stack*", connections=1) as rig:
        await rig.run()
        damaged = [product.savepath for product in rig.products if path_of(product) in rig.missed]
        while any(rig.retry_of(savepath)[0] < AT_ONCE for savepath in damaged):
            await rig.run_after()
        assert len(rig.missed) == len(damaged) > ALONE_IN_VAIN
        for _ in range(3):
            assert (await rig.run_after()).exit_code is ExitCode.INCOMPLETE
