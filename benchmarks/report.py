"""What is told of results: a table for people, a file for programs, a part of a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import Goal, Measurement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
RESULTS = Path(__file__).parent / "results" / "table.json"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_HUNDRED = 100


def read_results(path: Path) -> dict[str, Any]:
    """Return a file of results; an empty one if it is not there."""
    if not path.exists():
        return {"machine": {}, "rows": []}
    kept: dict[str, Any] = json.loads(path.read_text())
    return kept


def merge(kept: Mapping[str, Any], new: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """Return results in which new rows replace those of the same name.

    Raises
    ------
    ValueError
        If they are of different machines: one table is of one machine.
    """
    if kept["rows"] and kept["machine"]["cpu"] != new["machine"]["cpu"]:
        raise ValueError(
            f"the results kept are of another machine ({kept['machine']['cpu']}): measure all rows"
        )
    rows = {row["name"]: row for row in (*kept["rows"], *new["rows"])}
    return {**new, "rows": [rows[name] for name in order if name in rows]}


def write_results(path: Path, results: Mapping[str, Any]) -> None:
    """Write a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")


def write_page(page: Path, results: Mapping[str, Any]) -> None:
    """Put the table of results into a page, between its two markers."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{table(results)}\n{END}{after}")


def part_of_page(page: Path) -> str:
    """Return what is between the markers of a page."""
    return page.read_text().partition(BEGIN)[2].partition(END)[0].strip()


def table(results: Mapping[str, Any]) -> str:
    """Return results as Markdown: the machine, and a table of every figure."""
    lines = [
        machine_line(results["machine"]),
        "",
        "| what | goal | measured | spread, times | met |",
        "|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        lines += _lines(row)
    return "\n".join(lines) + "\n\n" + when(results["rows"]) + "\n"


def machine_line(machine: Mapping[str, Any]) -> str:
    """Return the machine in a sentence or two."""
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB, "
        f"{machine['file_system']}; {machine['system']}, Linux {machine['kernel']}, "
        f"Python {machine['python']}, SQLite {machine['sqlite']}, {libraries}."
    )


def when(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return when rows were measured, of which revisions, and how busy the machine was."""
    moments: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        moments.setdefault((row["date"][:10], row["revision"]), []).append(row["load"])
    said = [
        f"{date} at revision {revision}, load at the start of a row {_range(loads)}"
        for (date, revision), loads in moments.items()
    ]
    return f"Measured {'; '.join(said)}."


def _range(loads: Sequence[float]) -> str:
    low, high = min(loads), max(loads)
    return f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}"


def _lines(row: Mapping[str, Any]) -> list[str]:
    lines = [f"| **{row['title']}** (`{row['name']}`) | | | | |"]
    lines += [_line(Measurement.from_json(kept)) for kept in row["measurements"]]
    if row["error"]:
        lines.append(f"| failed: {row['error'].replace('|', '/')} | | | | no |")
    return lines


def _line(measurement: Measurement) -> str:
    met = {True: "yes", False: "no", None: ""}[measurement.is_met]
    what = f"{measurement.what} ({measurement.how})" if measurement.how else measurement.what
    cells = [what, shown_goal(measurement.goal, measurement.unit)]
    cells += [shown(measurement.median, measurement.unit), _spread(measurement), met]
    return f"| {' | '.join(cells)} |"


def _spread(measurement: Measurement) -> str:
    values, times = measurement.values, len(measurement.values)
    if times == 1:
        return "once"
    return f"{shown(min(values), '')} to {shown(max(values), '')}, {times}"


def shown(value: float, unit: str) -> str:
    """Return a figure with three digits and its unit."""
    text = f"{value:.0f}" if abs(value) >= _HUNDRED or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def shown_goal(goal: Goal | None, unit: str) -> str:
    """Return a goal as the table says it; empty if there is none."""
    if goal is None:
        return ""
    return f"{'>=' if goal.at_least else '<='} {goal.limit:g} {unit}".rstrip()
