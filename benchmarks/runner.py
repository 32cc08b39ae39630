"""Measures rows one after the other, each in a process of its own on the client's cores."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_moment
from benchmarks.measuring import Measurement, Row, Run, keep, kept, measure

_ROOT = Path(__file__).parents[1]
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a row: its figures, and why there are no more if it failed."""

    row: Row
    measurements: list[Measurement]
    seconds: float
    error: str | None = None
    moment: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept in a file of results."""
        return {
            "name": self.row.name,
            "title": self.row.title,
            **self.moment,
            "seconds": round(self.seconds, 1),
            "error": self.error,
            "measurements": [measurement.as_json() for measurement in self.measurements],
        }


def cores() -> tuple[frozenset[int], frozenset[int]]:
    """Return the cores of the server and those of the client: one, and all others if there are."""
    first, *others = sorted(os.sched_getaffinity(0))
    return frozenset({first}), frozenset(others or [first])


def measure_apart(row: Row, place: Path, *, quick: bool, products: int | None = None) -> Result:
    """Measure a row in a process of its own, and return what it came to, whatever that is."""
    began, moment = time.perf_counter(), describe_moment()
    with tempfile.TemporaryDirectory(prefix="winter-sync-benchmark-", dir=place) as name:
        figures, errors = Path(name, "figures"), Path(name, "errors")
        command = [sys.executable, "-m", "benchmarks", row.function, "--alone", str(figures)]
        command += ["--quick"] if quick else []
        command += ["--products", str(products)] if products else []
        # A program that people start is compiled already.
        environment = {**os.environ}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with (
            errors.open("w") as file,
            subprocess.Popen(
                command, cwd=_ROOT, env=environment, stderr=subprocess.PIPE, text=True
            ) as process,
        ):
            assert process.stderr is not None
            for line in process.stderr:
                print(line, end="", file=sys.stderr, flush=True)
                file.write(line)
        status = process.returncode
        measurements = kept(figures)
        error = _last_words(errors) if status else None
    if not measurements and error is None:
        error = "it measured nothing"
    return Result(row, measurements, time.perf_counter() - began, error, moment)


def measure_here(function: str, figures: Path, *, quick: bool, products: int | None = None) -> None:
    """Measure a row in this process, by its function; its figures are kept one by one."""
    server, client = cores()
    os.sched_setaffinity(0, client)
    directory = figures.with_name("files")
    directory.mkdir()
    for measurement in measure(function, Run(directory, quick, server, client, products)):
        # Goals are about the full form.
        keep(figures, replace(measurement, goal=None) if quick else measurement)


def _last_words(errors: Path) -> str:
    lines = [line.strip() for line in errors.read_text().splitlines() if line.strip()]
    return (lines[-1] if lines else "it ended without a word")[:_LONGEST_ERROR]
