"""The downloads of `list --download`: what is pending of the products that are shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from winter_sync.catalog import Queue, Scope, UserState
from winter_sync.cli.beside import say_what_runs_beside
from winter_sync.cli.plain_screen import report_screen
from winter_sync.cli.process import say
from winter_sync.cli.progress.display import log_and_show, progress_of
from winter_sync.cli.views.run_report import about_files, error_lines
from winter_sync.config import check_root, read_credentials
from winter_sync.core import REAL_TIME, ExitCode, gravest, show_size
from winter_sync.factory import open_mirror
from winter_sync.maintenance import finish_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from structlog.typing import FilteringBoundLogger

    from winter_sync.api import MirrorProduct
    from winter_sync.config import Settings
    from winter_sync.sync import Report


async def fetch_listed(
    settings: Settings, logger: FilteringBoundLogger, shown: Iterable[MirrorProduct]
) -> ExitCode:
    """Download what is pending of some products, and those whose files were deleted.

    Progress and the result go to standard error.

    Returns
    -------
    ExitCode
        What to tell the caller.

    Raises
    ------
    UsageError, StorageError
        If the downloads cannot begin.
    """
    programs = tuple(selection.program for selection in settings.selections)
    lacking = [product for product in shown if _is_lacking(product)]
    ours = [product for product in lacking if not set(programs).isdisjoint(product.programs)]
    _report_foreign(lacking, ours)
    if not ours:
        say("winter-sync: nothing to download", sys.stderr)
        return ExitCode.DONE
    scope = Scope(programs, identities=tuple(product.identity for product in ours))
    report = await _fetch(settings, logger, scope)
    for line in (*error_lines(report.errors), *about_files(report), _summary(report)):
        say(line, sys.stderr)
    codes = [error.exit_code for error in report.errors]
    if report.left or report.missing:
        codes.append(ExitCode.INCOMPLETE)
    return gravest(codes)


async def _fetch(settings: Settings, logger: FilteringBoundLogger, scope: Scope) -> Report:
    check_root(settings.root)
    say_what_runs_beside(settings.root)
    credentials = read_credentials(settings)
    with progress_of("download", report_screen(stderr=True), logger) as view:
        emit = log_and_show(logger, view)
        async with open_mirror(settings, emit, credentials=credentials) as mirror:
            await mirror.quick_check.check(scope)
            await mirror.catalog.queue(Queue.retry_now, scope)
            report = await mirror.fetch(scope)
            await finish_run(mirror, settings, credentials, REAL_TIME)
            return report


def _is_lacking(product: MirrorProduct) -> bool:
    """Return whether a product can be downloaded: pending, or its file was deleted."""
    was_deleted = product.state is UserState.DAMAGED and not product.has_file
    return product.state is UserState.PENDING or was_deleted


def _report_foreign(lacking: Sequence[MirrorProduct], ours: Sequence[MirrorProduct]) -> None:
    if count := len(lacking) - len(ours):
        names = {name for product in lacking for name in product.programs}
        names -= {name for product in ours for name in product.programs}
        say(
            f"winter-sync: {count} cannot be downloaded: the settings have no key of "
            f"{', '.join(sorted(names))}",
            sys.stderr,
        )


def _summary(report: Report) -> str:
    done = [f"{report.published} downloaded, {show_size(report.size)}"]
    if report.unchanged:
        done.append(f"{report.unchanged} unchanged")
    if report.missing:
        done.append(f"{report.missing} missing on the server")
    if report.left:
        done.append(f"{report.left} not downloaded yet")
    return f"winter-sync: {'; '.join(done)}"
