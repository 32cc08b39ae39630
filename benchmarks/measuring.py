"""What a benchmark is: rows, measurements with their spread and goal, and the cost of processes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")

_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure is to be at most `limit`, or at least."""

    limit: float
    at_least: bool = False

    def is_met(self, value: float) -> bool:
        """Return whether a figure meets the goal."""
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure of a row, measured one or several times.

    Parameters
    ----------
    what
        What the figure is, in a few words, peer included: "CPU, times that of `json.loads`".
    values
        What was measured, each time; for a ratio, of each pair of runs.
    unit
        "" for a ratio or a count, otherwise "ms", "s", "MB" (1e6 bytes), "kB" and so on.
    goal
        What its median is to be; None for a figure that is only reported.
    how
        What a reader needs beside it: sizes, the peer's own figure, the server's CPU.
    """

    what: str
    values: tuple[float, ...]
    unit: str = ""
    goal: Goal | None = None
    how: str = ""

    @property
    def median(self) -> float:
        """The figure that is judged."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        return None if self.goal is None else self.goal.is_met(self.median)

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept in a file of results."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Measurement:
        """Return what `as_json` returned."""
        goal = kept["goal"]
        values = tuple(kept["values"])
        return cls(**{**kept, "values": values, "goal": None if goal is None else Goal(**goal)})


@dataclass(frozen=True, slots=True)
class Run:
    """How a row is measured now.

    Parameters
    ----------
    directory
        An empty directory for the row's files, deleted afterwards.
    quick
        Whether to measure a small case, to see that the benchmark works.
    server_cores, client_cores
        Where the server runs, and where what is measured runs; the same cores only on a machine
        that has one. The process of a row, and what it starts, is on the client's cores already.
    products
        How many products the largest catalog has, instead of what the row would choose.
    """

    directory: Path
    quick: bool
    server_cores: frozenset[int]
    client_cores: frozenset[int]
    products: int | None = None

    def choose(self, full: T, quick: T) -> T:
        """Return the size of a case: of the full form, or of the quick one."""
        return quick if self.quick else full

    def log(self, text: str) -> None:
        """Say on the standard error how far a row is."""
        print(f"  {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    name
        Its word on the command line.
    title
        What is measured, for the table.
    function
        "module:function", a function of a `Run` that yields `Measurement`s. Imported only in the
        process of the row: what one module breaks stops no other row.
    in_table
        Whether it is one of the rows that are always measured; others run when they are named.
    """

    name: str
    title: str
    function: str
    in_table: bool = True


def measure(named: str, run: Run) -> Iterator[Measurement]:
    """Measure a row by its function, "module:function"; yield figures as soon as they are known."""
    module, _, name = named.partition(":")
    function: Callable[[Run], Iterator[Measurement]] = getattr(import_module(module), name)
    yield from function(run)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process and its children used: seconds of CPU, seconds, bytes at the peak."""

    cpu: float
    wall: float
    peak: int


def cost_of_command(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, may_end: int = 0
) -> Cost:
    """Run a command to its end and return what it and its children cost.

    As the operating system accounts for them once they have ended, start-up included.

    Raises
    ------
    RuntimeError
        If it ends with another status than `may_end`.
    """
    reading, writing = os.pipe()
    launched = [sys.executable, "-S", "-I", str(_LAUNCHER), *command]
    with open(reading) as told:  # noqa: PTH123 - a descriptor
        # The launcher finds the pipe as descriptor 3.
        shell = ["sh", "-c", f'exec "$@" 3>&{writing}', "sh", *launched]
        subprocess.run(
            shell, env={**os.environ, **(environment or {})}, pass_fds=[writing], check=False
        )
        os.close(writing)
        words = told.read().split()
    if not words or int(words[0]) != may_end:
        status = words[0] if words else "none"
        raise RuntimeError(f"{' '.join(command)} ended with status {status}")
    return Cost(float(words[1]), float(words[2]), int(words[3]) * 1024)


def cpu_of(work: Callable[[], object]) -> float:
    """Return the seconds of CPU that a function takes, in all threads of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, ...]:
    """Return how many times ours takes what theirs takes, pair by pair of runs in turn."""
    return tuple(first / other for first, other in zip(ours, theirs, strict=True))


def winter_sync(*arguments: str) -> list[str]:
    """Return the command line of the program, as this Python runs it."""
    return [sys.executable, "-m", "winter_sync", *arguments]


def keep(path: Path, measurement: Measurement) -> None:
    """Add a measurement to a file of one a line."""
    with path.open("a") as file:
        file.write(json.dumps(measurement.as_json()) + "\n")


def kept(path: Path) -> list[Measurement]:
    """Return the measurements in such a file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [Measurement.from_json(json.loads(line)) for line in lines]
