"""`check`: whether everything is ready to run, each fault with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from winter_sync.cli.checks.archive import check_archive
from winter_sync.cli.checks.findings import Finding, failed
from winter_sync.cli.checks.machine import check_machine
from winter_sync.cli.checks.sinks import check_sinks
from winter_sync.cli.wrapping import wrap
from winter_sync.config import collect_credentials
from winter_sync.core import (
    REAL_TIME,
    Credentials,
    ExitCode,
    UsageError,
    escape_unprintable,
    gravest,
)
from winter_sync.factory import open_api

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from rich.console import Console

    from winter_sync.config import Settings
    from winter_sync.core import Sink, Time

_STYLES = {"ok": "green", "warn": "yellow", "FAIL": "bold red"}
_NOBODY = Credentials("", "", {})


def worst(findings: Iterable[Finding]) -> ExitCode:
    """Return the exit code of the gravest finding."""
    return gravest({finding.code for finding in findings})


async def examine(
    settings: Settings,
    emit: Sink = lambda _: None,
    *,
    settings_file: Path | None = None,
    time: Time = REAL_TIME,
) -> AsyncIterator[Finding]:
    """Check everything, yielding each finding as it is made; one failure hides no other.

    Only what cannot be checked is left out: everything of a server that does not answer, and the
    credentials if one is missing.

    Parameters
    ----------
    settings
        What to check.
    emit
        Called with the events of the requests.
    settings_file
        The file that the settings come from, if they come from one.
    time
        Clocks, and how to wait.
    """
    async for finding in check_machine(settings, settings_file):
        yield finding
    collected, faults = collect_credentials(settings)
    for fault in faults:
        yield failed("secrets", fault)
    credentials = None if faults else collected
    async for finding in check_sinks(settings, credentials):
        yield finding
    proxy = _proxy(settings)
    if proxy is not None:
        yield proxy
        if not proxy.is_ok:
            return
    async with open_api(settings, credentials or _NOBODY, emit, time=time) as api:
        async for finding in check_archive(api, settings, credentials):
            yield finding


def _proxy(settings: Settings) -> Finding | None:
    """Return which proxy is used and where it is set; None without one."""
    try:
        proxy = settings.proxy
    except UsageError as wrong:
        return failed("proxy", wrong)
    if proxy is None:
        return None
    return Finding("proxy", f"{proxy.address} is used, from {proxy.source}")


def show(console: Console, finding: Finding) -> None:
    """Print a finding; on a terminal, long lines are wrapped and indented."""
    head = f"{finding.mark:4}  {finding.what:<16}  "
    indent = " " * len(head)
    lines = [head + escape_unprintable(finding.message)]
    if finding.remedy:
        lines.append(indent + escape_unprintable(finding.remedy))
    width = console.width if console.is_terminal else None
    # What follows a break stands below the message, as the remedy does.
    lines = [wrap(lines[0], width, indent), *(wrap(line, width) for line in lines[1:])]
    text = Text("\n".join(lines))
    text.stylize(_STYLES[finding.mark], 0, len(finding.mark))
    console.print(text)
