"""A product that breaks whatever it travels in is found out, waits alone, and costs no other."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from reliability.stage import THIRD, Stage, fault, staged
from support.rig import path_of

from winter_sync.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

WAITS = "it is told apart and waits alone, ever longer (exit code 5)"
OTHERS = "every other product"
FAST = {"first_byte_timeout": "1s", "silence_timeout": "1s"}
"""Real time, as only that tells that nothing comes: long for our loop and short for a test."""

POISONS = [
    fault(f"{name}@{THIRD}", words, outcome=WAITS, kept=OTHERS, **more)
    for name, words, more in (
        ("500", "a product on which the server fails before it sends anything", {}),
        ("503", "a product for which the server is always too busy", {}),
        ("reset", "a product on which the connection breaks before anything is sent", {}),
        ("silence", "a product on which the server falls silent before it sends anything", FAST),
        ("404", "a product whose requests are answered with 404", {}),
        ("422", "a product whose requests are rejected", {}),
        ("html", "a product whose requests are answered with a page", {}),
        ("nothing", "a product whose requests are answered with nothing", {}),
        ("poison", "a product on which the connection breaks when its turn comes", {}),
        ("silence-body=3000", "a product inside which the server falls silent", FAST),
        ("name-long", "a product whose member has a name of 4 kB", {}),
        ("left-out", "a product that is always left out, and never counted as missing", {}),
        ("flip", "a product that is always damaged", {}),
        ("size-lies", "a product whose size is always a lie", {}),
        ("bomb=8", "a product that is always a zip bomb", {}),
        ("encrypted", "a product that is always encrypted", {}),
        ("unknown-method", "a product always packed by an unknown method", {}),
        ("half", "a product that stays half written", {}),
        ("unfilled", "a product that stays zeros", {}),
        ("empty-member", "a product that stays empty", {}),
        ("html-member", "a product that is a page", {}),
    )
]


@pytest.mark.parametrize(("script", "api"), POISONS)
async def test_a_poisoned_product_waits_alone(
    tmp_path: Path, script: str, api: dict[str, Any]
) -> None:
    """All others come in the first run; this one is asked for alone, later and later."""
    async with staged(tmp_path, script, **api) as stage:
        poisoned = stage.stacks[2]
        report = await stage.run()
        assert stage.missed == {path_of(poisoned)}
        assert (report.exit_code, report.left) == (ExitCode.INCOMPLETE, 1)
        pauses = [await _next_pause(stage, poisoned.savepath) for _ in range(3)]
        assert timedelta(seconds=45) <= pauses[0] < pauses[1] < pauses[2]
        stage.misbehave("")
        assert (await stage.run_after()).exit_code is ExitCode.DONE
        assert not stage.missed


async def _next_pause(stage: Stage, savepath: str) -> timedelta:
    """Make sure that it is left alone until its time has come, and is then asked for alone.

    Gives how long it had to wait.
    """
    before, not_before = stage.waits_until(savepath)
    pause = not_before - stage.rig.observatory.clock.now()
    downloads = len(stage.downloads)
    await stage.run_after(pause - timedelta(seconds=2))
    assert len(stage.downloads) == downloads
    await stage.run_after(timedelta(seconds=3))
    assert set(stage.downloads[downloads:]) == {(savepath,)}
    assert stage.waits_until(savepath)[0] == before + 1
    return pause


async def test_several_poisoned_products_cost_no_other(tmp_path: Path) -> None:
    """Each of several is told apart, in whatever company it was, and each in its own way."""
    script = "500@*mef_1_0_0_stack.fits,poison@*mef_2_0_0_stack.diff.fits,half@*mef_5_0_0_stack.*"
    async with staged(tmp_path, script) as stage:
        for _ in range(3):
            report = await stage.run()
        assert len(stage.missed) == 4
        assert report.exit_code is ExitCode.INCOMPLETE
        assert report.left == 4


async def test_many_poisoned_products_end_a_run_but_not_the_mirror(tmp_path: Path) -> None:
    """Where every second download fails, runs may end early, and yet all others come soon."""
    async with staged(tmp_path, "500@*_mef_[124]_0_0_stack.*") as stage:
        await stage.run()
        for _ in range(3):
            await stage.run_after(timedelta(minutes=10))
        assert all("_mef_3_" not in path and "_mef_5_" not in path for path in stage.missed)
        exposures = [path for path in stage.missed if path.endswith("_mef.fits")]
        assert not exposures
