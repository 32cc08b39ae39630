"""`winter-sync backfill`: a span of nights."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from winter_sync.cli.options import Instruments, NewRoot, Programs, Types, parse_night
from winter_sync.cli.process import console, finish, prepare, run_until_interrupted
from winter_sync.core import Night, UsageError

First = Annotated[
    Night, typer.Option("--from", parser=parse_night, metavar="YYYYMMDD", help="First night.")
]
Last = Annotated[
    Night, typer.Option("--to", parser=parse_night, metavar="YYYYMMDD", help="Last night.")
]

Recheck = Annotated[
    bool,
    typer.Option(
        "--recheck",
        help="Also fetch again what is here, and compare it: what was reprocessed without a mark.",
    ),
]

RecheckAll = Annotated[
    bool,
    typer.Option(
        "--recheck-all",
        help="The same, and also of what the archive sent within a day.",
    ),
]

_SAME_RECHECK = timedelta(days=1)
"""What the archive sent within this is not compared again: an interrupted recheck resumes."""


def backfill(  # noqa: PLR0913, PLR0917 - one option each
    context: typer.Context,
    first: First,
    last: Last,
    programs: Programs = None,
    types: Types = None,
    instruments: Instruments = None,
    *,
    recheck: Recheck = False,
    recheck_all: RecheckAll = False,
    new_root: NewRoot = False,
) -> None:
    """Mirror a span of nights; interrupt it and rerun to resume."""
    from winter_sync.cli.run_once import run_once
    from winter_sync.config import Choice
    from winter_sync.sync import Nights

    if last < first:
        raise UsageError(f"--from {first} is after --to {last}", remedy="Swap them.")
    settings, logger = prepare(context.obj, drawing=True)
    choice = Choice(tuple(programs or ()), tuple(types or ()), tuple(instruments or ()))
    nights = Nights(first, last)
    work = run_once(
        settings,
        logger,
        console(),
        choice=choice,
        nights=nights,
        new_root=new_root,
        recheck=_recheck(recheck=recheck, everything=recheck_all),
    )
    finish(run_until_interrupted(work).exit_code)


def _recheck(*, recheck: bool, everything: bool) -> timedelta | None:
    """Return for how long what the archive sent is not compared again; None for no recheck."""
    if everything:
        return timedelta(0)
    return _SAME_RECHECK if recheck else None
