"""The mirror that the benchmarks make is one that the program understands."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from winter_sync import Mirror
from winter_sync.core.sphere import Footprint

MILLION = Path(__file__).parents[2] / "benchmarks" / "million.py"


def test_the_mirror_of_the_benchmarks_can_be_asked(tmp_path: Path) -> None:
    """It opens, and its index holds the boxes that the program would have written."""
    root = tmp_path / "million"
    command = [sys.executable, str(MILLION), str(root), "--products", "400"]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own script
    with Mirror.open(root) as mirror:
        assert mirror.root == root
    with closing(sqlite3.connect(root / ".winter-sync" / "catalog.sqlite3")) as db:
        assert db.execute("SELECT count(*) FROM products").fetchone() == (400,)
        rows = db.execute("SELECT * FROM footprints JOIN footprint_index USING (id)").fetchall()
    assert len(rows) > 300
    for _, _, extension, *values in rows:
        corners = tuple(zip(values[:8:2], values[1:8:2], strict=True))
        box = Footprint(corners, extension).box
        assert values[8:] == pytest.approx(box, abs=1e-6)
