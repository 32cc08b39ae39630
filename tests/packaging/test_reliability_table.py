"""The page on reliability agrees with the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import winter_sync

CHECKOUT = Path(winter_sync.__file__).parent.parent


def test_the_page_is_not_stale() -> None:
    """Each row of docs/reliability.md stands for a test, and each fault has its row."""
    script = CHECKOUT / "tools" / "reliability_table.py"
    ended = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, script, "--check"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
