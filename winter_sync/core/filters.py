"""The filters that the archive lists by number (`fid`), and their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core.traits import Instrument

if TYPE_CHECKING:
    from collections.abc import Mapping

FILTER_NAMES: Mapping[int, str] = {1: "Y", 2: "J", 3: "Hs", 4: "dark"}
"""Of every camera (winter-api.md, "Boards, filters and positions")."""
CAMERA_FILTER_NAMES: Mapping[Instrument, Mapping[int, str]] = {
    Instrument.WINTER: {},
    Instrument.SPRING: {5: "u"},
}
UNKNOWN_FILTERS = frozenset({-99, 99})
"""Numbers that say that the filter is not known."""
_SAME = (frozenset({"h", "hs"}),)
"""Names of one filter, in lower case."""


def names_of_filter(name: str) -> frozenset[str]:
    """Return all names of the filter that a name means, in lower case."""
    lower = name.strip().lower()
    return next((names for names in _SAME if lower in names), frozenset({lower}))


def filter_name(instrument: Instrument, fid: int | None) -> str | None:
    """Return the name of a filter that is listed by number; the number where it has none."""
    if fid is None or fid in UNKNOWN_FILTERS:
        return None
    return {**FILTER_NAMES, **CAMERA_FILTER_NAMES[instrument]}.get(fid, str(fid))
