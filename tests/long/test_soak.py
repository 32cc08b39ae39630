"""A long life in which one request in five fails ends with every file right, and memory flat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import winter_sync

CHECKOUT = Path(winter_sync.__file__).parent.parent
SOAK = CHECKOUT / "tests" / "long" / "soak.py"


@pytest.mark.parametrize(
    "nights",
    [
        2,
        pytest.param(
            11,
            marks=[
                pytest.mark.slow,
                pytest.mark.fault(
                    kind="one request in five failing, in 36 ways, over 2,000 products",
                    injected="(scripts/soak)",
                    outcome="all are right at the end; memory stays as it was after a quarter",
                    kept="every file; none is ever wrong",
                ),
            ],
        ),
    ],
)
def test_a_long_faulty_life(nights: int) -> None:
    """Everything is right in the end, nothing is left over, and memory has not grown."""
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, SOAK, "--nights", str(nights)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)
    assert figures["products"] > 180 * nights
    assert figures["faults"] > figures["requests"] / 10
    assert figures["left_over"] == []
    assert figures["resident_end"] < 1.2 * figures["resident_quarter"]
