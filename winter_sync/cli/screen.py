"""A console for people, which shows control characters instead of obeying them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from winter_sync.core import escape_unprintable, without

# rich asks it about objects that it prints; we give it texts and tables.
with without("attr"):
    from rich.console import Console
    from rich.segment import Segment
    from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


_UNBOUNDED = 100_000
"""Columns of what is no terminal: in a file or a pipe, lines are as long as they are."""


class Screen(Console):
    """A console for texts that others wrote.

    Only its own cursor movements and colours reach the terminal. Square brackets and colons have no
    special meaning, and lines are broken only where the text has a line end.

    Parameters
    ----------
    stderr
        Whether to write to standard error instead of standard output.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = _UNBOUNDED

    def print_report(self, lines: str) -> None:
        """Print lines of a report; on a terminal they are broken between words."""
        self.print(Text(fitted(self, lines)))

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render in segments whose only control characters are line ends."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(escape_unprintable(segment.text, keep="\n"), segment.style)


def fitted(console: Console, lines: str) -> str:
    """Return lines of a report, broken between words where they go to a terminal."""
    if not console.is_terminal:
        return lines
    from winter_sync.cli.wrapping import wrap

    return wrap(lines, console.width, "  ")
