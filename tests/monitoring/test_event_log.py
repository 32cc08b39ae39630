"""The names of the lines in the event log, which scripts read."""

from __future__ import annotations

import re
from pathlib import Path

import winter_sync.monitoring
from winter_sync.cli.progress import display

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
MONITORING = Path(winter_sync.monitoring.__file__).parent
LINES = [*sorted(MONITORING.glob("*_lines.py")), Path(display.__file__)]
"""The modules that hold the lines of the log, those of a backfill included."""


def test_the_changelog_has_the_new_names_of_lines() -> None:
    """Each new name in its table is one that is written, and no old one is."""
    table = CHANGELOG.read_text().partition("| old | new |")[2].partition("\n\n")[0]
    renamed = re.findall(r"\| `(.+?)` \| `(.+?)` \|", table)
    sources = "".join(path.read_text() for path in LINES)
    written = set(re.findall(r'"([^"\n]+)"', sources))
    assert renamed
    assert [new for _, new in renamed if new not in written] == []
    assert [old for old, _ in renamed if old in written] == []
