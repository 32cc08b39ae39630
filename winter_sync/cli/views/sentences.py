"""Sentences of a status, wrapped between words."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.core import escape_unprintable

if TYPE_CHECKING:
    from rich.console import Console

INDENT = "  "
_NARROWEST = 20
ABOUT_SHARED = "A product that several programs list counts for each of them, and once in together."
"""Said below a table whose programs add up to more."""


def print_sentence(console: Console, text: str, style: str = "") -> None:
    """Print a sentence, wrapped between words where the terminal is too narrow for it."""
    lines = textwrap.wrap(
        escape_unprintable(text),
        max(console.width, _NARROWEST),
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        console.print(Text(line, style=style))
