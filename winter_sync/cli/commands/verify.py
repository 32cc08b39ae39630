"""`winter-sync verify`: the files compared with the catalog, and repaired if asked."""

from __future__ import annotations

from typing import Annotated

import typer

from winter_sync.cli.options import AsJson, Nights, Programs
from winter_sync.cli.process import console, finish, prepare, run_until_interrupted

Quick = Annotated[
    bool,
    typer.Option(
        "--quick", help="Check only the existence, size and modification time of each file."
    ),
]
Repair = Annotated[
    bool,
    typer.Option(
        "--repair",
        help="Download again what is missing or changed; changed files are kept aside.",
    ),
]


def verify(  # noqa: PLR0913 - one option each
    context: typer.Context,
    programs: Programs = None,
    nights: Nights = None,
    *,
    quick: Quick = False,
    repair: Repair = False,
    as_json: AsJson = False,
) -> None:
    """Check that the files here are as they were downloaded.

    Interrupt it and run it again to resume.
    """
    from winter_sync.cli.verify import verify_and_show
    from winter_sync.maintenance import Request

    settings, logger = prepare(context.obj, secrets=repair, drawing=True)
    request = Request(quick, tuple(programs or ()), tuple(nights or ()), repair)
    work = verify_and_show(settings, logger, console(), request, as_json=as_json)
    finish(run_until_interrupted(work).exit_code)
