"""The answer of `covers`: in words, with a table for people or for other programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from winter_sync.api import COVERAGE_COLUMNS, coverage_row
from winter_sync.cli.answers import show_rows
from winter_sync.cli.process import console, say
from winter_sync.cli.views.coverage import coverage_table
from winter_sync.core import escape_unprintable

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from winter_sync.api import Coverage


def show_coverage(
    coverage: Coverage, *, form: str | None, output: Path | None, paths: bool
) -> None:
    """Show which images cover a place.

    A table on standard output is led by the answer in words; beside paths and tables for other
    programs it is on standard error.
    """
    if paths:
        for path in coverage.paths:
            say(str(path))
        say_answer(coverage, sys.stderr)
        return
    is_drawn = False

    def draw() -> None:
        nonlocal is_drawn
        is_drawn = True
        say_answer(coverage, sys.stdout)
        if coverage:
            console().print(coverage_table(coverage), crop=False)

    rows = map(coverage_row, coverage)
    show_rows(COVERAGE_COLUMNS, rows, draw, form=form, output=output, what="image")
    if not is_drawn:
        say_answer(coverage, sys.stderr)


def say_answer(coverage: Coverage, stream: TextIO) -> None:
    """Say what the images amount to, and what is not known if none covers the place."""
    say(escape_unprintable(coverage.summary), stream)
    if coverage.caveat:
        say(coverage.caveat, stream)
