"""Change the code in small ways with mutmut, and print the changes that no test notices.

Run by `scripts/mutate`, in a copy of the repository. Those in tests/mutants/justified.txt are not
printed.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

_CONFIGURATION = Path("tests/mutants/mutmut.cfg")
_JUSTIFIED = Path("tests/mutants/justified.txt")
_SURVIVING = frozenset({"survived", "no tests", "suspicious"})
_SEPARATOR = " | "


@dataclass(frozen=True)
class Justification:
    """Why a change may pass all tests."""

    function: str
    """A pattern of the function's full name, without mutmut's decoration."""
    change: str
    """A part of the changed line; empty for any."""
    reason: str

    def covers(self, name: str, change: str) -> bool:
        """Return whether it is about this mutant."""
        return fnmatchcase(function_of(name), self.function) and self.change in change


def function_of(mutant: str) -> str:
    """Return the function that a mutant is of, as it is written in Python."""
    module, _, name = mutant.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{name.removeprefix('xǁ').removeprefix('x_').replace('ǁ', '.')}"


def justifications(text: str) -> list[Justification]:
    """Read the justified mutants, one a line: function | part of the changed line | reason."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [Justification(*map(str.strip, line.split(_SEPARATOR, 2))) for line in lines]


def survivors(results: str) -> dict[str, str]:
    """Return the mutants that live and their states, from `mutmut results`."""
    pairs = (line.strip().rpartition(": ") for line in results.splitlines())
    return {name: state for name, _, state in pairs if state in _SURVIVING}


def changes(diff: str) -> tuple[str, str]:
    """Return what a mutant removes and what it writes instead, from `mutmut show`."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    removed, added = (
        "\n".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return removed, added


def configure(package: str) -> None:
    """Write the configuration of mutmut for a package."""
    chosen = configparser.ConfigParser(interpolation=None)
    chosen.read(_CONFIGURATION)
    written = configparser.ConfigParser(interpolation=None)
    written["mutmut"] = dict(chosen[package])
    with Path("setup.cfg").open("w", encoding="utf-8") as file:
        written.write(file)


def mutmut(*arguments: str) -> str:
    """Run mutmut; return what it prints."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
    return done.stdout


def main() -> None:
    """Print the mutants of a package that survive without a reason; exit with 1 if any do."""
    package, *names = sys.argv[1:]
    configure(package)
    subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names], check=True
    )
    justified = justifications(_JUSTIFIED.read_text(encoding="utf-8"))
    results = mutmut("results", "--all", "true")
    left = []
    for name, state in survivors(results).items():
        removed, added = changes(mutmut("show", name))
        if not any(reason.covers(name, added) for reason in justified):
            left.append(f"{name}: {state}\n- {removed}\n+ {added}")
    print("\n".join(left))
    counted = sum(
        ": " in line and not line.endswith("not checked") for line in results.splitlines()
    )
    print(f"{counted} mutants; {len(left)} survive that are not in {_JUSTIFIED}")
    sys.exit(bool(left))


if __name__ == "__main__":
    main()
