"""A run that ends: `sync` and `backfill`, with what it shows and what it says at the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from winter_sync.errors import UsageError
from winter_sync.events import tell_all
from winter_sync.factory import open_mirror
from winter_sync.log import narrator
from winter_sync.progress import ProgressView
from winter_sync.units import show_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import FilteringBoundLogger

    from winter_sync.mirror import Nights, Report
    from winter_sync.models import ImageType, Instrument, Selection
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


async def run_once(
    settings: Settings,
    logger: FilteringBoundLogger,
    console: Console,
    *,
    choice: Choice | None = None,
    nights: Nights | None = None,
) -> Report:
    """Poll once, fetch all that can be had, and say in a line what was done.

    Parameters
    ----------
    settings
        Checked settings.
    logger
        Where events are written; on a terminal only warnings, beside the progress line.
    console
        Where progress and the result are shown.
    choice
        What of the settings to look at.
    nights
        For a backfill: which nights.
    """
    selections = (choice or Choice()).of(settings.selections)
    with ProgressView(Console(stderr=True)) as view:
        tell = tell_all(narrator(logger), view.tell)
        async with open_mirror(settings, tell, selections=selections) as mirror:
            report = await (mirror.sync() if nights is None else mirror.backfill(nights))
    for error in report.errors:
        console.print(Text(f"{error.message}\n  {error.remedy}" if error.remedy else error.message))
    console.print(Text(summary(report)))
    return report


def summary(report: Report) -> str:
    """Say in one line what a run did."""
    asked = f"{report.queries} queries, {report.listed} products listed"
    done = [f"{report.published} published ({show_size(report.size)})"] if report.published else []
    done += [f"{report.unchanged} unchanged"] if report.unchanged else []
    text = ", ".join(done) or ("nothing fetched" if report.left else "nothing new")
    if report.missing:
        text += f"; {report.missing} missing on the server"
    if report.left:
        text += f"; {report.left} still wanted"
    return f"{text[:1].upper()}{text[1:]} ({asked})."
