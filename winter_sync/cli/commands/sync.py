"""`winter-sync sync`: one poll of everything, and the downloads that come of it."""

from __future__ import annotations

import typer

from winter_sync.cli.options import NewRoot
from winter_sync.cli.process import console, finish, prepare, run_until_interrupted


def sync(context: typer.Context, *, new_root: NewRoot = False) -> None:
    """Poll everything once, download what is new, and exit."""
    from winter_sync.cli.run_once import run_once

    settings, logger = prepare(context.obj, drawing=True)
    report = run_until_interrupted(run_once(settings, logger, console(), new_root=new_root))
    finish(report.exit_code)
