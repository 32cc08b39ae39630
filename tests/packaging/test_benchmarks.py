"""The benchmarks work, and the figures of the page are those that they measured."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.measuring import Goal, Measurement, Row
from benchmarks.report import PAGE, RESULTS, merge, part_of_page, read_results, table, write_page
from benchmarks.runner import measure_apart
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


def test_a_row_is_measured_by_the_command(tmp_path: Path) -> None:
    """The quick form mirrors from the benchmarks' own archive, and tells what it measured where."""
    output = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks", "commands", "--quick"]
    command += ["--json", str(output), "--directory", str(tmp_path)]
    said = subprocess.run(command, cwd=PAGE.parents[1], check=True, capture_output=True, text=True)  # noqa: S603 - our own
    results = json.loads(output.read_text())
    (row,) = results["rows"]
    assert row["error"] is None
    assert [each["what"] for each in row["measurements"]] == ["`sync`, CPU"]
    assert all(value > 0 for each in row["measurements"] for value in each["values"])
    assert results["machine"]["cores"] >= 1
    assert table(results) in said.stdout
    assert list(tmp_path.iterdir()) == [output]


def test_a_row_that_fails_is_shown_as_failed(tmp_path: Path) -> None:
    """It stops no other row, and its last words are in the table."""
    broken = Row("broken", "A broken row", "benchmarks.nowhere:measure")
    result = measure_apart(broken, tmp_path, quick=True)
    assert result.measurements == []
    assert result.error == "ModuleNotFoundError: No module named 'benchmarks.nowhere'"
    results = {**read_results(RESULTS), "rows": [result.as_json()]}
    assert f"| failed: {result.error} |" in table(results)


def test_the_table_of_the_page_is_what_was_measured() -> None:
    """No figure of the page is written by hand."""
    assert part_of_page(PAGE) == table(read_results(RESULTS)).strip()


def test_results_of_another_machine_do_not_mix(tmp_path: Path) -> None:
    """Rows measured anew replace those of the same name, and keep those of no other machine."""
    kept = read_results(RESULTS)
    row = {**kept["rows"][0], "title": "measured anew"}
    order = [each["name"] for each in kept["rows"]]
    merged = merge(kept, {**kept, "rows": [row]}, order)
    assert merged["rows"] == [row, *kept["rows"][1:]]
    elsewhere = {"machine": {**kept["machine"], "cpu": "another"}, "rows": [row]}
    with pytest.raises(ValueError, match="another machine"):
        merge(kept, elsewhere, order)
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())
    write_page(page, merged)
    assert "measured anew" in part_of_page(page)
    write_page(page, kept)
    assert page.read_text() == PAGE.read_text()


def test_a_figure_is_judged_by_its_median() -> None:
    """One slow run on a busy machine neither meets a goal nor misses it."""
    assert Measurement("a time", (1.0, 1.1, 9.0), goal=Goal(2)).is_met
    assert not Measurement("a speed", (1.0, 1.1, 9.0), goal=Goal(2, at_least=True)).is_met
    assert Measurement("a count", (3.0,)).is_met is None
    judged = Measurement("a time", (1.5,), "s", Goal(2), "once")
    assert Measurement.from_json(json.loads(json.dumps(judged.as_json()))) == judged
