"""`verify` on the screen: its progress while it runs, then its result."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.cli.progress.check_progress import CheckProgress
from winter_sync.cli.progress.display import log_and_show, progress_of
from winter_sync.cli.screen import Screen
from winter_sync.cli.views.run_report import error_lines
from winter_sync.cli.views.verify_json import result_as_json
from winter_sync.cli.views.verify_report import show
from winter_sync.maintenance import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console
    from structlog.typing import FilteringBoundLogger

    from winter_sync.config import Settings
    from winter_sync.core import Sink
    from winter_sync.maintenance import Request, Result


async def verify_and_show(
    settings: Settings,
    logger: FilteringBoundLogger,
    console: Console,
    request: Request,
    *,
    as_json: bool = False,
) -> Result:
    """Verify the files of a mirror, and print the result, as JSON if asked for.

    Progress and errors go to standard error or to the log.

    Raises
    ------
    UsageError
        If there is nothing to check.
    StorageError
        If the root does not hold the mirror, or the catalog cannot be used.
    """
    aside = Screen(stderr=True)
    result = await verify(settings, request, VerifyDisplay(aside, logger))
    if as_json:
        console.print(Text(result_as_json(result)), soft_wrap=True)
    else:
        show(console, result)
    for line in error_lines(result.repair.report.errors if result.repair.report else ()):
        aside.print_report(line)
    return result


@dataclass(frozen=True, slots=True)
class VerifyDisplay:
    """Shows a verification as it goes: drawn on a terminal, otherwise in the log."""

    console: Console
    logger: FilteringBoundLogger

    @contextmanager
    def checking(self, files: int, size: int) -> Iterator[Callable[[int, int], None]]:
        """Show a check of the given number of files and bytes."""
        with CheckProgress(self.console, self.logger, files, size) as progress:
            yield progress.add

    @contextmanager
    def repairing(self) -> Iterator[Sink]:
        """Show the downloads of a repair, and write their events to the log."""
        with progress_of("repair", self.console, self.logger) as progress:
            yield log_and_show(self.logger, progress)
