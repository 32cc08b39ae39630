"""`winter-sync check`: whether everything is ready to run."""

from __future__ import annotations

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

    settings, logger = prepare(context.obj, secrets=False)
    file = find_file(context.obj.config)
    screen = console()

    async def check_and_show() -> ExitCode:
        findings = []
        async for finding in examine(settings, log_events(logger), settings_file=file):
            show(screen, finding)
            findings.append(finding)
        return worst(findings)

    raise typer.Exit(run_until_interrupted(check_and_show()))
