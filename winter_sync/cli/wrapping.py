"""Breaks lines for a terminal where they may be broken: no word, path or command is cut."""

from __future__ import annotations

import os
import re
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_QUOTED = re.compile(r"`[^`\n]*`")
_SPACE_OF_COMMAND = "\0"


def terminal_width(stream: TextIO) -> int | None:
    """Return how many columns the terminal of a stream has; None if it goes to none."""
    try:
        return (os.get_terminal_size(stream.fileno()).columns or None) if stream.isatty() else None
    except (OSError, ValueError):
        return None


def wrap(text: str, width: int | None, indent: str = "") -> str:
    """Break each line of a text at spaces outside of `commands`; not at all without a width.

    What follows a break is indented as its line is, and by `indent` more; what is still longer than
    the width begins as far to the right as it can.
    """
    if width is None:
        return text
    lines = [_wrapped(line, width, indent) for line in text.split("\n")]
    return "\n".join(lines)


def _wrapped(line: str, width: int, indent: str) -> str:
    bound = _QUOTED.sub(lambda quoted: quoted[0].replace(" ", _SPACE_OF_COMMAND), line)
    parts = textwrap.wrap(
        bound,
        width,
        subsequent_indent=line[: len(line) - len(line.lstrip())] + indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    fitted = [part if len(part) <= width else _shifted(part, width) for part in parts]
    return "\n".join(fitted).replace(_SPACE_OF_COMMAND, " ")


def _shifted(part: str, width: int) -> str:
    """Return a part that is too long with less before it."""
    text = part.lstrip()
    return " " * max(0, width - len(text)) + text
