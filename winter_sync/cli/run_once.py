"""A run that ends: `sync` and `backfill`, with its progress and its result."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from winter_sync.catalog import Scope, Views
from winter_sync.cli.beside import say_what_runs_beside
from winter_sync.cli.plain_screen import PlainScreen, report_screen
from winter_sync.cli.progress.display import Progress, is_drawable, log_and_show, progress_of
from winter_sync.cli.views.run_report import (
    about_comparison,
    about_files,
    error_lines,
    not_asked,
    summary,
)
from winter_sync.config import Choice, check_root, read_credentials
from winter_sync.core import REAL_TIME, Part, escape_unprintable, show_size
from winter_sync.factory import open_mirror
from winter_sync.maintenance import finish_run
from winter_sync.sync import read_too_queue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from structlog.typing import FilteringBoundLogger

    from winter_sync.catalog import NightCount
    from winter_sync.cli.screen import Screen
    from winter_sync.config import Settings
    from winter_sync.core import Selection, Time
    from winter_sync.sync import Mirror, Nights, Report

_REASONS_SHOWN = 5
EVERYTHING = Part()


async def run_once(  # noqa: PLR0913 - what differs between the commands and their tests
    settings: Settings,
    logger: FilteringBoundLogger,
    console: Screen | PlainScreen,
    *,
    choice: Choice | None = None,
    nights: Nights | None = None,
    time: Time = REAL_TIME,
    new_root: bool = False,
    accept_withdrawals: bool = False,
    recheck: timedelta | None = None,
    part: Part = EVERYTHING,
) -> Report:
    """Poll once, download all that the archive has, and print a summary line.

    At the end the headers of downloaded images are read, and what they say is recorded, and the
    manifests of settled nights are written; if any of that fails, a warning says so. Then
    events are delivered to other programs. On a terminal a backfill shows a table of its nights
    above that line.

    Parameters
    ----------
    settings
        Checked settings.
    logger
        Where events are written.
    console
        Where the summary is printed. Progress and errors go to standard error.
    choice
        The part of the configured programs to mirror.
    nights
        The nights of a backfill; None for a sync.
    time
        Clocks, and how to wait.
    new_root
        Start afresh in a root that was emptied on purpose.
    accept_withdrawals
        Believe all that the archive withdraws, however much it is.
    recheck
        Of a backfill, fetch again what is here and the archive did not send within this time, to
        compare it.
    part
        Of a backfill, the targets and cones that it is narrowed to.

    Raises
    ------
    UsageError, StorageError
        If the run cannot begin; later errors are in the report.
    """
    selections = narrowed(settings, choice or Choice(), part)
    check_root(settings.root)
    credentials = read_credentials(settings)
    aside = report_screen(stderr=True)
    say_what_runs_beside(settings.root)
    view = (
        progress_of("sync", aside, logger)
        if nights is None
        else progress_of("backfill", aside, logger, by_night=True)
    )
    try:
        with view:
            emit = log_and_show(logger, view)
            async with open_mirror(
                settings,
                emit,
                selections=selections,
                credentials=credentials,
                time=time,
                new_root=new_root,
                accept_withdrawals=accept_withdrawals,
            ) as mirror:
                report = await (
                    mirror.sync()
                    if nights is None
                    else mirror.backfill(nights, recheck=recheck, part=part)
                )
                if settings.too.enabled:
                    await read_too_queue(mirror)
                await finish_run(mirror, settings, credentials, time)
                counts = await _counts(mirror, nights, report) if console.is_terminal else []
    except asyncio.CancelledError:
        _print_how_far(aside, view)
        raise
    _show(console, aside, counts, view)
    for line in (
        *not_asked(report),
        *error_lines(report.errors),
        *about_files(report),
        *about_comparison(report),
    ):
        aside.print_report(line)
    console.print_report(summary(report))
    return report


def narrowed(settings: Settings, choice: Choice, part: Part) -> tuple[Selection, ...]:
    """Return what to ask the archive for.

    Raises
    ------
    UsageError
        If a program is chosen that the settings do not have.
    """
    selections = choice.narrow(settings.selections)
    return tuple(map(part.narrow, selections)) if part else selections


async def _counts(mirror: Mirror, nights: Nights | None, report: Report) -> Sequence[NightCount]:
    """Count what the catalog has of the nights: others may have downloaded some of it."""
    if nights is None or report.matching == frozenset():
        return []
    scope = replace(mirror.scope, first_night=nights.first, last_night=nights.last)
    if report.matching is not None:
        scope = Scope(scope.programs, identities=tuple(sorted(report.matching)))
    return await mirror.catalog.views(Views.night_counts, scope)


def _show(
    console: Screen | PlainScreen,
    aside: Screen | PlainScreen,
    counts: Sequence[NightCount],
    progress: Progress,
) -> None:
    """Print what the nights have, and why some products could not be downloaded."""
    if counts and not isinstance(console, PlainScreen):
        from winter_sync.cli.views.night_table import night_table

        console.print(night_table(counts), crop=False)
    if is_drawable(aside):
        from rich.text import Text

        for reason, times in progress.tally.failures[:_REASONS_SHOWN]:
            often = "Failed once" if times == 1 else f"Failed {times} times"
            aside.print(Text(f"{often}: {escape_unprintable(reason)}", style="red"))


def _print_how_far(aside: Screen | PlainScreen, progress: Progress) -> None:
    overall = progress.tally.overall
    if is_drawable(aside) and overall.total:
        size = show_size(overall.size)
        aside.print(f"{overall.done} of {overall.total} products done so far, {size}.")
