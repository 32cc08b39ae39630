"""All nights, in parts: a calendar, of all programs or of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, Night, UsageError
from winter_sync.pages.home import read_calendars

if TYPE_CHECKING:
    from collections.abc import Mapping

    from winter_sync.catalog import Catalog
    from winter_sync.pages.calendar import Calendar
    from winter_sync.pages.context import PageContext

_NIGHTS = 35


@dataclass(frozen=True, slots=True)
class NightsPage:
    """A part of all nights.

    Parameters
    ----------
    programs
        All programs.
    program
        The one whose nights are shown; None for all together.
    calendars
        The nights, the newest first, by camera.
    before
        The night before which they are; None for the newest.
    older
        Before which night the next part is; None if this is the last.
    """

    programs: tuple[str, ...]
    program: str | None
    calendars: tuple[Calendar, ...]
    before: Night | None
    older: Night | None


def read_nights(catalog: Catalog, context: PageContext, query: Mapping[str, str]) -> NightsPage:
    """Read a part of all nights.

    Raises
    ------
    UsageError
        If the query names no night or no program.
    StorageError
        If the catalog cannot be read.
    """
    programs = context.programs(catalog)
    program = query.get("program") or None
    if program is not None and program not in programs:
        raise UsageError(f"no program {program} is mirrored here", code=ErrorCode.PAGE_NOT_FOUND)
    before = parse_night(query["before"]) if query.get("before") else None
    with catalog.snapshot():
        nights = catalog.views.nights(_NIGHTS + 1, before)
        shown = nights[:_NIGHTS]
        return NightsPage(
            programs=programs,
            program=program,
            calendars=read_calendars(catalog, (program,) if program else programs, shown),
            before=before,
            older=shown[-1] if len(nights) > _NIGHTS else None,
        )


def parse_night(text: str) -> Night:
    """Read a night: 20240211 or 2024-02-11.

    Raises
    ------
    UsageError
        If the text is not one.
    """
    try:
        return Night(text.replace("-", ""))
    except ValueError as wrong:
        raise UsageError(
            str(wrong), remedy="Write a night like 2024-02-11.", code=ErrorCode.PAGE_NOT_FOUND
        ) from None
