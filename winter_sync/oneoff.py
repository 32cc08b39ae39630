"""A run that ends: `sync` and `backfill`, with what it shows and what it says at the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from winter_sync.errors import UsageError, WinterSyncError
from winter_sync.events import tell_all
from winter_sync.factory import open_mirror
from winter_sync.log import narrator
from winter_sync.progress import ProgressView
from winter_sync.settings import check_root
from winter_sync.units import show_size

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from structlog.typing import FilteringBoundLogger

    from winter_sync.models import ImageType, Instrument, Selection
    from winter_sync.poller import Nights
    from winter_sync.report import Report
    from winter_sync.settings import Settings


@dataclass(frozen=True, slots=True)
class Choice:
    """What of the settings a run is for; an empty tuple means all of it."""

    programs: tuple[str, ...] = ()
    image_types: tuple[ImageType, ...] = ()
    instruments: tuple[Instrument, ...] = ()

    def of(self, selections: Sequence[Selection]) -> tuple[Selection, ...]:
        """Narrow the selections; a type or instrument asked for here need not be in the settings.

        Raises
        ------
        UsageError
            If a program is asked for that the settings do not have: there is no key for it.
        """
        known = {one.program for one in selections}
        if unknown := [name for name in self.programs if name not in known]:
            raise UsageError(
                f"program {unknown[0]} is not in the settings",
                remedy=f"Add a [[programs]] table for it; known are {', '.join(sorted(known))}.",
            )
        return tuple(
            replace(
                one,
                image_types=self.image_types or one.image_types,
                instruments=self.instruments or one.instruments,
            )
            for one in selections
            if not self.programs or one.program in self.programs
        )


async def run_once(  # noqa: PLR0913 - what differs between the commands and their tests
    settings: Settings,
    logger: FilteringBoundLogger,
    console: Console,
    *,
    choice: Choice | None = None,
    nights: Nights | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Report:
    """Poll once, fetch all that can be had, and say in a line what was done.

    Parameters
    ----------
    settings
        Checked settings.
    logger
        Where events are written.
    console
        Where the result is said, in one line. Progress and errors go to standard error.
    choice
        What of the settings to look at.
    nights
        For a backfill: which nights.
    sleep
        Waits so many seconds.

    Raises
    ------
    UsageError, StorageError
        If the run cannot begin; what goes wrong later is in the report.
    """
    selections = (choice or Choice()).of(settings.selections)
    check_root(settings.root)
    aside = Console(stderr=True, highlight=False, soft_wrap=True)
    with ProgressView(aside) as view:
        tell = tell_all(narrator(logger), view.tell)
        async with open_mirror(settings, tell, selections=selections, sleep=sleep) as mirror:
            report = await (mirror.sync() if nights is None else mirror.backfill(nights))
    for line in complaints(report.errors):
        aside.print(Text(line))
    console.print(Text(summary(report)))
    return report


def complaints(errors: Iterable[WinterSyncError]) -> tuple[str, ...]:
    """Tell each thing that went wrong once, with its remedy."""
    told = (
        f"winter-sync: {error.message}" + (f"\n  {error.remedy}" if error.remedy else "")
        for error in errors
    )
    return tuple(dict.fromkeys(told))


def summary(report: Report) -> str:
    """Say in one line what a run did."""
    done = []
    if report.published:
        done.append(f"{report.published} published, {show_size(report.size)}")
    if report.unchanged:
        done.append(f"{report.unchanged} unchanged")
    if report.missing:
        done.append(f"{report.missing} missing on the server")
    if report.left:
        done.append(f"{report.left} still wanted, `winter-sync status` says why")
    if not done:
        done.append("nothing fetched" if report.errors else "nothing new")
    text = "; ".join(done)
    asked = f"{_counted(report.queries, 'query', 'queries')}, {report.listed} listed"
    return f"{text[:1].upper()}{text[1:]} ({asked})."


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
