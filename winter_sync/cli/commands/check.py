"""`winter-sync check`: whether everything is ready to run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from winter_sync.cli.process import console, prepare, run_until_interrupted

if TYPE_CHECKING:
    from winter_sync.core import ExitCode


def check(context: typer.Context) -> None:
    """Check settings, disk, server, clock and credentials.

    Whatever is wrong comes with the way to fix it.
    """
    from winter_sync.cli.checks.examination import examine, show, worst
    from winter_sync.config import find_file
    from winter_sync.monitoring import log_events

    # Retries would stand between the rows, which say what came of them.
    options = replace(context.obj, log_level=context.obj.log_level or "error")
    settings, logger = prepare(options, secrets=False)
    file = find_file(options.config)
    screen = console()

    async def check_and_show() -> ExitCode:
        findings = []
        async for finding in examine(settings, log_events(logger), settings_file=file):
            show(screen, finding)
            findings.append(finding)
        return worst(findings)

    raise typer.Exit(run_until_interrupted(check_and_show(), "run it again."))
