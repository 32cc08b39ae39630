"""Write the tables of docs/reliability.md from the tests and the simulator; --check compares."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
PLACES = (
    "promises",
    "long/test_soak.py",
    "long/test_month.py",
    "sync/test_engine.py",
    "tree",
    "maintenance/test_verification.py",
    "daemon",
)
FAULTS = "the faults, from the markers of the tests"
KINDS = "the kinds, from winter_sync/simulator"


@dataclass(frozen=True, slots=True)
class Row:
    """A fault that a test injects, and what the test makes sure of."""

    kind: str
    injected: str
    outcome: str
    kept: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of the table; what is not a script is in round brackets."""
        script = self.injected.startswith("(")
        injected = self.injected.strip("()") if script else f"`{self.injected}`"
        return self.kind, injected, self.outcome, self.kept


class Collector:
    """Gathers the rows of all collected tests, in their order, by the file they are in."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Look at the markers of all tests."""
        for item in session.items:
            for marker in item.iter_markers("fault"):
                rows = self.rows.setdefault(_title(item), [])
                row = Row(**marker.kwargs)
                if row not in rows:
                    rows.append(row)


def _title(item: pytest.Item) -> str:
    module = item.getparent(pytest.Module)
    return str(module.obj.__doc__).partition("\n")[0] if module is not None else ""


def collected() -> dict[str, list[Row]]:
    """Return the rows of the tests, by the first line of their file."""
    collector = Collector()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        arguments = ["--collect-only", "-qq", "-m", "", "-p", "no:cacheprovider", "-p", "no:xdist"]
        places = [str(ROOT / "tests" / place) for place in PLACES]
        code = pytest.main([*arguments, *places], plugins=[collector])
    if code is not pytest.ExitCode.OK:
        sys.exit(said.getvalue())
    return collector.rows


def faults_table() -> str:
    """Return what is survived, file by file."""
    parts = []
    for title, rows in collected().items():
        parts.append(f"**{title}**\n")
        head = ("fault", "injected by", "what happens", "what is kept")
        parts.append(_table(head, [row.cells for row in rows]))
    return "\n".join(parts)


def kinds_table() -> str:
    """Return what the simulator can do."""
    sys.path.insert(0, str(ROOT))
    from winter_sync.simulator.faults.script import KINDS as known  # noqa: N811, PLC0415 - see above

    rows = []
    for name, kind in known.items():
        words = str(kind.__doc__).partition("\n")[0]
        every = len(kind.strikes) > 1
        rows.append((f"`{name}`", words, "any call" if every else min(kind.strikes), kind.takes))
    return _table(("kind", "what it does", "strikes", "number after `=`"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str | None, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell or '' for cell in line)} |\n" for line in lines)


def written(page: str) -> str:
    """Return the page with its tables as they should be."""
    for name, table in ((FAULTS, faults_table()), (KINDS, kinds_table())):
        begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = page.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            sys.exit(f"{PAGE} has no place for {name}")
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


def main() -> None:
    """Write the page, or say whether it is as it should be."""
    page = PAGE.read_text()
    right = written(page)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(right)
    elif page != right:
        sys.exit(f"{PAGE} is stale: run .venv/bin/python tools/reliability_table.py")


if __name__ == "__main__":
    main()
