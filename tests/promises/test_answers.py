"""Whole answers, mutated from good ones, on their way to the engine: none hurts it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FUZZER = Path(__file__).parents[1] / "fuzz" / "fuzz_answers.py"
ANSWERS = 150
"""In each of the tests; `scripts/fuzz answers` tries thousands."""


def fuzzer() -> ModuleType:
    """Load the fuzzer, which is a script."""
    spec = importlib.util.spec_from_file_location("fuzz_answers", FUZZER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.fault(
    kind="anything at all in an answer: status, headers, encoding, listing, zip",
    injected="(a relay that mutates good answers)",
    outcome="each run ends by itself, within bounds of memory, CPU and events",
    kept="only contents of the archive, and only below the root",
)
async def test_no_answer_hurts(tmp_path: Path, seed: int) -> None:
    """Runs end, stay within their bounds, and put nothing wrong or elsewhere."""
    found: Any = await fuzzer().fuzz(ANSWERS, seed, tmp_path)
    assert found.answers >= ANSWERS
    assert found.downloaded > 0
