"""`winter-sync alerts`: what the pipeline found, by position, time, score or object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from winter_sync.cli.conditions import First, Last
from winter_sync.cli.options import (
    AsPaths,
    OutputFile,
    Programs,
    RootDirectory,
    TableForm,
    split_words,
)
from winter_sync.cli.process import finish

InCone = Annotated[
    str | None,
    typer.Option(
        "--cone",
        metavar="RA,DEC,RADIUS",
        help='Only within this circle, in degrees: 150.96,17.82,0.01; or "10h03m50s +17d49m,30s".',
    ),
]
OfTargets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NAME",
        help="Only from images of this target (repeatable).",
        callback=split_words,
    ),
]
OfObject = Annotated[
    str | None,
    typer.Option(
        "--object", metavar="ID", help="Only of this object (WNTR24aaaab): its light curve."
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Observed at or after: 2024-02-11, 2024-02-11T05:30 (UTC), -7d."
    ),
]
Until = Annotated[
    str | None, typer.Option(metavar="TIME", help="Observed before; written as for --since.")
]
MinRb = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, metavar="SCORE", help="With at least this real-bogus score."),
]
OfNights = Annotated[
    list[str] | None,
    typer.Option(
        "--night",
        metavar="NIGHT",
        help="Only of this night: 20240211, yesterday (repeatable).",
        callback=split_words,
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Only so many, the newest ones.")
]
CutoutDirectory = Annotated[
    Path | None,
    typer.Option(
        "--cutouts",
        metavar="DIR",
        file_okay=False,
        help="Save the cutouts of each alert as FITS files in this directory.",
    ),
]
AsPng = Annotated[
    bool, typer.Option("--png", help="Save the cutouts as one PNG for each alert instead.")
]


def alerts(  # noqa: PLR0913 - one option each
    context: typer.Context,
    *,
    cone: InCone = None,
    targets: OfTargets = None,
    objectid: OfObject = None,
    since: Since = None,
    until: Until = None,
    min_rb: MinRb = None,
    programs: Programs = None,
    nights: OfNights = None,
    first: First = None,
    last: Last = None,
    limit: Limit = None,
    form: TableForm = None,
    output: OutputFile = None,
    cutouts: CutoutDirectory = None,
    paths: AsPaths = False,
    png: AsPng = False,
    root: RootDirectory = None,
) -> None:
    """Show candidates that the pipeline found, from alert files.

    These are the downloaded files of type avro.

    With --object, the light curve of one object. All conditions hold together.
    """
    from winter_sync.api import AlertQuestion
    from winter_sync.cli.alerts import AlertOutput, answer
    from winter_sync.cli.answers import open_mirror

    question = AlertQuestion(
        cone=cone,
        target=targets,
        objectid=objectid,
        since=since,
        until=until,
        min_rb=min_rb,
        program=split_words(programs),
        night=nights,
        first_night=first,
        last_night=last,
        limit=limit,
    )
    wanted = AlertOutput(form, output, cutouts, paths=paths, png=png)
    with open_mirror(context.obj, root) as mirror:
        finish(answer(mirror, question, wanted))
