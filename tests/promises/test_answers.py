"""Whole answers, mutated from good ones, on their way to the engine: none hurts it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import CHECKOUT

FUZZER = Path(__file__).parents[1] / "fuzz" / "fuzz_answers.py"
ANSWERS = 150
"""In each of the tests; `scripts/fuzz answers` tries thousands."""


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))]
)
@pytest.mark.fault(
    kind="anything at all in an answer: status, headers, encoding, listing, zip",
    injected="(a relay that mutates good answers)",
    outcome="each run ends by itself, within bounds of memory, CPU and events",
    kept="only contents of the archive, and only below the root",
)
def test_no_answer_hurts(tmp_path: Path, seed: int) -> None:
    """Runs end, stay within their bounds, and put nothing wrong or elsewhere.

    In a process of its own: its memory is bounded, not that of all tests before it.
    """
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-W", "error", FUZZER, str(ANSWERS), str(seed)],
        env={"PYTHONPATH": str(CHECKOUT), "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    found = re.match(r"(\d+) answers in \d+ runs, (\d+) downloads", ended.stdout)
    assert found is not None
    assert int(found[1]) >= ANSWERS
    assert int(found[2]) > 0
