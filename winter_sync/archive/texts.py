"""Texts of the archive: JSON can name half a character, a disk and a request cannot."""

from __future__ import annotations


def valid_unicode(text: str) -> str:
    """Return a text that can be encoded; every half of a character in it becomes "?"."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()
    return text
