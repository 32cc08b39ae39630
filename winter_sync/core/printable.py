"""Text that others wrote, shown to people: what would steer a terminal is written out instead."""

from __future__ import annotations


def escape_unprintable(text: str, longest: int | None = None, *, keep: str = "") -> str:
    r"""Return a text with every character that does not print written as an escape.

    ESC becomes ``\x1b``, a newline ``\n``, a right-to-left override ``\u202e``. So no text can
    move the cursor, ring the bell, change the order of what follows or begin a line of its own.

    Parameters
    ----------
    text
        Anything, such as what an archive sent.
    longest
        How many characters to keep; take secrets out before any are cut off.
    keep
        Characters that stay as they are.
    """
    if text.isprintable():
        return text[:longest]
    shown = (
        letter if letter.isprintable() or letter in keep else ascii(letter)[1:-1]
        for letter in text[:longest]
    )
    return "".join(shown)[:longest]


def quote_bytes(content: bytes) -> str:
    """Return bytes in quotes as people read them: ASCII as it is, others as escapes."""
    return f'"{repr(content)[2:-1]}"'
