"""`winter-sync backfill`: a span of nights."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from winter_sync.cli.conditions import Cone, TargetName
from winter_sync.cli.options import Instruments, NewRoot, Programs, Types, parse_night
from winter_sync.cli.process import console, finish, prepare, run_until_interrupted
from winter_sync.core import ErrorCode, Night, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from winter_sync.core import ImageType, Part, Selection

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

DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Only say what would be fetched, and about how large it is: nothing is downloaded.",
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
    target: TargetName = None,
    cone: Cone = None,
    *,
    dry_run: DryRun = False,
    recheck: Recheck = False,
    recheck_all: RecheckAll = False,
    new_root: NewRoot = False,
) -> None:
    """Mirror a night, or a span of nights; rerun it to resume.

    With --target or --cone only what matches is fetched; given both, both must hold.
    """
    from winter_sync.cli.plain_screen import report_screen
    from winter_sync.cli.run_once import narrowed, run_once
    from winter_sync.cli.small_cones import warn_of_small_cones
    from winter_sync.config import Choice
    from winter_sync.core import utc_now
    from winter_sync.sync import Nights

    nights = Nights(*span_of(night, first, last, utc_now()))
    _refuse_contradictions(
        dry_run=dry_run, recheck=recheck, recheck_all=recheck_all, new_root=new_root
    )
    part = _part(target, cone)
    settings, logger = prepare(context.obj, drawing=True)
    choice = Choice(tuple(programs or ()), tuple(types or ()), tuple(instruments or ()))
    if part.cones:
        warn_of_small_cones(part.cones, _types(narrowed(settings, choice, part)))
    if dry_run:
        from winter_sync.cli.dry_run import show_dry_run

        again = recheck or recheck_all
        selections = narrowed(settings, choice, part)
        shown = show_dry_run(settings, console(), selections, nights, part, recheck=again)
        raise typer.Exit(run_until_interrupted(shown))
    work = run_once(
        settings,
        logger,
        report_screen(),
        choice=choice,
        nights=nights,
        new_root=new_root,
        recheck=_recheck(recheck=recheck, everything=recheck_all),
        part=part,
    )
    finish(run_until_interrupted(work).exit_code)


def _part(targets: list[str] | None, cones: list[str] | None) -> Part:
    """Return the targets and cones that are meant.

    Raises
    ------
    UsageError
        If one is not a cone.
    """
    from winter_sync.core import Part
    from winter_sync.science import parse_cone

    return Part(tuple(targets or ()), tuple(map(parse_cone, cones or ())))


def _types(selections: Iterable[Selection]) -> tuple[ImageType, ...]:
    return tuple(dict.fromkeys(kind for each in selections for kind in each.image_types))


def _refuse_contradictions(
    *, dry_run: bool, recheck: bool, recheck_all: bool, new_root: bool
) -> None:
    """Refuse options that make no sense together.

    Raises
    ------
    UsageError
        If they do not; it says which.
    """
    if recheck and recheck_all:
        raise UsageError(
            "--recheck is given together with --recheck-all, which does the same and more",
            remedy="Give one of them.",
            code=ErrorCode.USE_OPTION,
        )
    if new_root and (recheck or recheck_all):
        raise UsageError(
            "--new-root downloads everything again, so there is nothing here to recheck",
            remedy="Leave out --recheck and --recheck-all.",
            code=ErrorCode.USE_OPTION,
        )
    if new_root and dry_run:
        raise UsageError(
            "--dry-run writes nothing, so it cannot begin a mirror in a new root",
            remedy="Leave out --new-root to see what would be fetched.",
            code=ErrorCode.USE_OPTION,
        )


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
            f"night {night} is given together with --from or --to",
            remedy="Give one or the other.",
            code=ErrorCode.USE_NIGHT,
        )
    if (begin := night or first) is None:
        raise UsageError(
            "no night is given",
            remedy="Give one, `winter-sync backfill 20240211`, or a span: --from 20240101.",
            code=ErrorCode.USE_NIGHT,
        )
    end = night or last or max(begin, Night(f"{now:%Y%m%d}"))
    if end < begin:
        raise UsageError(
            f"--from {begin} is after --to {end}", remedy="Swap them.", code=ErrorCode.USE_NIGHT
        )
    return begin, end


def _recheck(*, recheck: bool, everything: bool) -> timedelta | None:
    """Return for how long what the archive sent is not compared again; None for no recheck."""
    if everything:
        return timedelta(0)
    return _SAME_RECHECK if recheck else None
