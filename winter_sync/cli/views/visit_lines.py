"""The lines of visits under the log of a night."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import escape_unprintable

if TYPE_CHECKING:
    from winter_sync.science import Visit


def visit_line(visit: Visit) -> str:
    """Return a visit as one line: when, what, and what was seen of it."""
    what = [
        f"{visit.first:%H:%M}-{visit.last:%H:%M}",
        visit.instrument,
        " ".join(visit.programs),
        visit.target,
        visit.filter,
    ]
    return escape_unprintable(f"{' '.join(filter(None, what))}: {visit.says}")
