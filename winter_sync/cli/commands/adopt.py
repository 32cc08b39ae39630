"""`winter-sync adopt`: files that are here already, into the tree and the catalog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from winter_sync.cli.options import AsJson
from winter_sync.cli.process import console, finish, prepare, run_until_interrupted

Directory = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]",
        help="Where the files are, or zips of winterapi; by default the files at their places in "
        "the root.",
        show_default=False,
    ),
]
Move = Annotated[
    bool,
    typer.Option("--move", help="Move the files instead of copying them; zips stay."),
]
Offline = Annotated[
    bool,
    typer.Option("--offline", help="Do not ask the archive: what it listed earlier counts."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would come of each file.")]


def adopt(  # noqa: PLR0913 - one option each
    context: typer.Context,
    directory: Directory = None,
    *,
    move: Move = False,
    offline: Offline = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take files that are here into the mirror, without a download.

    Interrupt it and run it again to resume.
    """
    from winter_sync.cli.adopt import adopt_and_show
    from winter_sync.maintenance import AdoptRequest

    settings, logger = prepare(context.obj, drawing=True)
    request = AdoptRequest(directory, move, offline, dry_run)
    work = adopt_and_show(settings, logger, console(), request, as_json=as_json)
    finish(run_until_interrupted(work).exit_code)
