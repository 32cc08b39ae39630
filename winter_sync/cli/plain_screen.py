"""Where a run prints: a console of rich on a terminal, otherwise lines, and rich is not loaded."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from winter_sync.core import escape_unprintable

if TYPE_CHECKING:
    from typing import TextIO

    from winter_sync.cli.screen import Screen

_MAY_FORCE = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables by which rich takes what is no terminal for one."""


class PlainScreen:
    """What is no terminal: lines are as long as they are.

    Parameters
    ----------
    stderr
        Whether to write to standard error instead of standard output.
    """

    is_terminal = False
    is_dumb_terminal = True

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr

    @property
    def file(self) -> TextIO:
        """Where lines go."""
        return sys.stderr if self._stderr else sys.stdout

    def print_report(self, lines: str) -> None:
        """Print lines of a report."""
        shown = escape_unprintable(lines, keep="\n")
        self.file.write(f"{shown}\n")


def report_screen(*, stderr: bool = False) -> Screen | PlainScreen:
    """Return where a run prints: on standard output, or on standard error."""
    plain = PlainScreen(stderr=stderr)
    if not plain.file.isatty() and not any(name in os.environ for name in _MAY_FORCE):
        return plain
    from winter_sync.cli.screen import Screen

    return Screen(stderr=stderr)
