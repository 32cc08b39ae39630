"""`winter-sync backfill`: a span of nights."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from winter_sync.cli.options import Instruments, NewRoot, Programs, Types, parse_night
from winter_sync.cli.process import console, finish, prepare, run_until_interrupted
from winter_sync.core import Night, UsageError

if TYPE_CHECKING:
    from datetime import datetime

OneNight = Annotated[
    Night | None,
    typer.Argument(parser=parse_night, metavar="NIGHT", help="One night.", show_default=False),
]
First = Annotated[
    Night | None,
    typer.Option("--from", parser=parse_night, metavar="YYYYMMDD", help="First night."),
]
Last = Annotated[
    Night | None,
    typer.Option(
        "--to",
        parser=parse_night,
        metavar="YYYYMMDD",
        help="Last night; without it up to now.",
    ),
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
    night: OneNight = None,
    first: First = None,
    last: Last = None,
    programs: Programs = None,
    types: Types = None,
    instruments: Instruments = None,
    *,
    recheck: Recheck = False,
    recheck_all: RecheckAll = False,
    new_root: NewRoot = False,
) -> None:
    """Mirror a night, or a span of nights; interrupt it and rerun to resume."""
    from winter_sync.cli.run_once import run_once
    from winter_sync.config import Choice
    from winter_sync.core import utc_now
    from winter_sync.sync import Nights

    nights = Nights(*span_of(night, first, last, utc_now()))
    settings, logger = prepare(context.obj, drawing=True)
    choice = Choice(tuple(programs or ()), tuple(types or ()), tuple(instruments or ()))
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


def span_of(
    night: Night | None, first: Night | None, last: Night | None, now: datetime
) -> tuple[Night, Night]:
    """Return the first and the last night that are meant.

    Raises
    ------
    UsageError
        If none is, or one in two ways, or the first is after the last.
    """
    if night is not None and (first or last):
        raise UsageError(
            f"night {night} is given together with --from or --to", remedy="Give one or the other."
        )
    if (begin := night or first) is None:
        raise UsageError(
            "no night is given",
            remedy="Give one, `winter-sync backfill 20240211`, or a span: --from 20240101.",
        )
    end = night or last or max(begin, Night(f"{now:%Y%m%d}"))
    if end < begin:
        raise UsageError(f"--from {begin} is after --to {end}", remedy="Swap them.")
    return begin, end


def _recheck(*, recheck: bool, everything: bool) -> timedelta | None:
    """Return for how long what the archive sent is not compared again; None for no recheck."""
    if everything:
        return timedelta(0)
    return _SAME_RECHECK if recheck else None
