"""A run that ends: `sync` and `backfill`, with what it shows and what it says at the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.catalog import Views
from winter_sync.cli.night_table import overview
from winter_sync.cli.progress.display import Progress, ProgressLog, ProgressView, is_drawable
from winter_sync.cli.screen import Screen
from winter_sync.config import Choice, check_root
from winter_sync.core import (
    REAL_TIME,
    State,
    WinterSyncError,
    escape_unprintable,
    fan_out,
    show_size,
)
from winter_sync.factory import open_mirror
from winter_sync.monitoring import narrator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console
    from structlog.typing import FilteringBoundLogger

    from winter_sync.catalog import NightCount
    from winter_sync.config import Settings
    from winter_sync.core import Time
    from winter_sync.sync import Mirror, Nights, Report

_REASONS_SHOWN = 5


async def run_once(  # noqa: PLR0913 - what differs between the commands and their tests
    settings: Settings,
    logger: FilteringBoundLogger,
    console: Console,
    *,
    choice: Choice | None = None,
    nights: Nights | None = None,
    time: Time = REAL_TIME,
    new_root: bool = False,
) -> Report:
    """Poll once, fetch all that can be had, and say in a line what was done.

    On a terminal a backfill shows a table of its nights above that line.

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
    time
        Clocks, and how to wait.
    new_root
        Begin anew in a root that lost its mirror because somebody emptied it on purpose.

    Raises
    ------
    UsageError, StorageError
        If the run cannot begin; what goes wrong later is in the report.
    """
    selections = (choice or Choice()).narrow(settings.selections)
    check_root(settings.root)
    aside = Screen(stderr=True)
    view = progress_of(aside, logger, nights)
    try:
        with view:
            emit = fan_out(narrator(logger), view.handle)
            async with open_mirror(
                settings, emit, selections=selections, time=time, new_root=new_root
            ) as mirror:
                report = await (mirror.sync() if nights is None else mirror.backfill(nights))
                counts = await _counts(mirror, nights) if console.is_terminal else []
    except asyncio.CancelledError:
        _say_how_far(aside, view)
        raise
    _show(console, aside, counts, view)
    for line in (*not_asked(report), *complaints(report.errors), *about_files(report)):
        aside.print(Text(line))
    console.print(Text(summary(report)))
    return report


def progress_of(aside: Console, logger: FilteringBoundLogger, nights: Nights | None) -> Progress:
    """Choose how to show a run: drawn for who watches, else told to the log."""
    if is_drawable(aside):
        return ProgressView(aside)
    run = "sync" if nights is None else "backfill"
    return ProgressLog(logger, run, by_night=nights is not None)


async def _counts(mirror: Mirror, nights: Nights | None) -> Sequence[NightCount]:
    """Count what nights have now, by the catalog: others may have fetched some of it."""
    if nights is None:
        return []
    scope = replace(mirror.scope, first_night=nights.first, last_night=nights.last)
    return await mirror.catalog.views(Views.night_counts, scope)


def _show(
    console: Console, aside: Console, counts: Sequence[NightCount], progress: Progress
) -> None:
    """Show a person what nights have, and why some of it could not be had."""
    if counts:
        console.print(overview(counts), crop=False)
    if is_drawable(aside):
        for reason, times in progress.tally.failures[:_REASONS_SHOWN]:
            often = "Failed once" if times == 1 else f"Failed {times} times"
            aside.print(Text(f"{often}: {escape_unprintable(reason)}", style="red"))


def _say_how_far(aside: Console, progress: Progress) -> None:
    overall = progress.tally.overall
    if is_drawable(aside) and overall.total:
        size = show_size(overall.size)
        aside.print(f"{overall.done} of {overall.total} products done so far, {size}.")


def complaints(errors: Iterable[WinterSyncError]) -> tuple[str, ...]:
    """Tell each thing that went wrong once, with its remedy."""
    told = (
        f"winter-sync: {escape_unprintable(error.message)}"
        + (f"\n  {escape_unprintable(error.remedy)}" if error.remedy else "")
        for error in errors
    )
    return tuple(dict.fromkeys(told))


def about_files(report: Report) -> tuple[str, ...]:
    """Tell what was found of files that were deleted or changed, each in a line."""
    lines = []
    if report.lost:
        were = (
            "1 file that was deleted is"
            if report.lost == 1
            else (f"{report.lost} files that were deleted are")
        )
        lines.append(f"winter-sync: {were} downloaded again")
    if report.unlisted:
        lines.append(
            f"winter-sync: {_counted(report.unlisted, 'deleted file is', 'deleted files are')} no "
            "longer listed by the archive and cannot be downloaded again"
        )
    if report.altered:
        lines.append(
            f"winter-sync: {_counted(report.altered, 'file was', 'files were')} changed after the "
            "download and left as they are\n  `winter-sync verify --repair` keeps them aside and "
            "downloads the products again."
        )
    return tuple(lines)


def summary(report: Report) -> str:
    """Return in one line what a run did."""
    done = []
    if report.published:
        done.append(f"{report.published} downloaded, {show_size(report.size)}")
    if report.unchanged:
        done.append(f"{report.unchanged} unchanged")
    if report.missing:
        done.append(f"{report.missing} missing on the server")
    if report.left:
        done.append(f"{report.left} not downloaded yet{_next(report, State.WANTED)}")
    if not done:
        done.append("nothing downloaded" if report.errors else _nothing(report))
    done += _not_asked_again(report)
    text = "; ".join(done)
    asked = f"{_counted(report.queries, 'query', 'queries')}, {report.listed} listed"
    return f"{text[:1].upper()}{text[1:]} ({asked})."


def _nothing(report: Report) -> str:
    """Return what a run that fetched nothing has seen."""
    if not report.queries:
        return "no query was sent"
    return "nothing new" if report.listed else "the archive lists nothing of what was asked for"


def _next(report: Report, state: State) -> str:
    """Return when products of a state are asked for again, where that is later."""
    soonest = [waiting.soonest for waiting in report.waiting if waiting.state is state]
    return f", next {min(soonest):%d %b %H:%M} UTC" if soonest else ""


def _not_asked_again(report: Report) -> list[str]:
    """Return how many products the server lacked before and was not asked for again."""
    lacking = sum(one.products for one in report.waiting if one.state is State.MISSING)
    if lacking <= report.missing:
        return []
    others = lacking - report.missing
    return [f"{others} still missing{_next(report, State.MISSING)}"]


def not_asked(report: Report) -> tuple[str, ...]:
    """Return a line for each program that no question was asked about."""
    return tuple(
        f"winter-sync: no query was sent for {program}: {why}"
        for program, why in report.not_asked.items()
    )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
