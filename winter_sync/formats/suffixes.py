"""Which files can be judged, by their names: polls ask it, which load nothing that reads files."""

from __future__ import annotations

from winter_sync.core import SUFFIXES

_SHOWN = 20
"""Characters of a suffix that is not known."""


def unknown_suffix(filename: str) -> str | None:
    """Return the end of a name whose file nothing here can judge; None if it can be judged.

    Empty for a name without a dot.
    """
    if filename.lower().endswith(SUFFIXES):
        return None
    _, dot, end = filename.rpartition(".")
    return (dot + end)[:_SHOWN] if dot else ""
