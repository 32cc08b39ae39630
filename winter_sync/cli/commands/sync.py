"""`winter-sync sync`: one poll of everything, and the downloads that come of it."""

from __future__ import annotations

import typer

from winter_sync.cli.options import AcceptWithdrawals, NewRoot
from winter_sync.cli.process import finish, prepare, run_until_interrupted


def sync(
    context: typer.Context,
    *,
    new_root: NewRoot = False,
    accept_withdrawals: AcceptWithdrawals = False,
) -> None:
    """Poll everything once, download what is new, and exit."""
    from winter_sync.cli.plain_screen import report_screen
    from winter_sync.cli.run_once import run_once

    settings, logger = prepare(context.obj, drawing=True)
    work = run_once(
        settings,
        logger,
        report_screen(),
        new_root=new_root,
        accept_withdrawals=accept_withdrawals,
    )
    report = run_until_interrupted(work)
    finish(report.exit_code)
