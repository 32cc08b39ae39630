"""`adopt` on the screen: its progress while it runs, then its result."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.cli.progress.check_progress import counting
from winter_sync.cli.screen import Screen
from winter_sync.cli.views.adopt_report import result_as_json, show
from winter_sync.cli.views.run_report import error_lines
from winter_sync.maintenance import adopt
from winter_sync.monitoring import log_events

if TYPE_CHECKING:
    from rich.console import Console
    from structlog.typing import FilteringBoundLogger

    from winter_sync.config import Settings
    from winter_sync.maintenance import AdoptRequest, AdoptResult


async def adopt_and_show(
    settings: Settings,
    logger: FilteringBoundLogger,
    console: Console,
    request: AdoptRequest,
    *,
    as_json: bool = False,
) -> AdoptResult:
    """Adopt files, and print what came of them, as JSON if asked for.

    Progress and errors go to standard error or to the log.

    Raises
    ------
    UsageError
        If the directory is none to take files from.
    StorageError
        If the root or the catalog cannot be used, or the disk is full.
    """
    aside = Screen(stderr=True)
    shown = partial(counting, aside, logger, "adopt progress")
    result = await adopt(settings, request, log_events(logger), shown)
    for line in error_lines(result.errors):
        aside.print_report(line)
    if as_json:
        console.print(Text(result_as_json(result)), soft_wrap=True)
    else:
        show(console, result)
    return result
