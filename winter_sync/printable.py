"""Text of strangers made safe to show."""

from __future__ import annotations


def printable(text: str, longest: int | None = None) -> str:
    r"""Return a text with whatever would steer a terminal written out instead, such as `\x1b`.

    `longest` is the number of characters to keep; take secrets out before any are cut off.
    """
    if text.isprintable():
        return text[:longest]
    shown = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text[:longest])
    return shown[:longest]
