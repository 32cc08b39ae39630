"""`winter-sync list`: which products there are, here or in the archive."""

from __future__ import annotations

from typing import Annotated

import typer

from winter_sync.cli.conditions import (
    Cone,
    Filter,
    First,
    InstrumentName,
    Last,
    Limit,
    Newest,
    NewSince,
    NightName,
    Program,
    Rectangle,
    StateName,
    TargetName,
    Type,
)
from winter_sync.cli.options import OutputFile, RootDirectory, TableForm

Paths = Annotated[
    bool, typer.Option("--paths", help="Print only the paths of the files that are here.")
]
Download = Annotated[
    bool, typer.Option("--download", help="First download what is pending of these.")
]
Remote = Annotated[
    bool, typer.Option("--remote", help="Ask the archive instead; nothing is downloaded.")
]


def list_products(  # noqa: PLR0913, PLR0917 - one option each
    context: typer.Context,
    program: Program = None,
    target: TargetName = None,
    cone: Cone = None,
    rectangle: Rectangle = None,
    image_type: Type = None,
    instrument: InstrumentName = None,
    night: NightName = None,
    first: First = None,
    last: Last = None,
    filters: Filter = None,
    state: StateName = None,
    new_since: NewSince = None,
    limit: Limit = None,
    *,
    newest: Newest = False,
    paths: Paths = False,
    form: TableForm = None,
    output: OutputFile = None,
    download: Download = False,
    remote: Remote = False,
    root: RootDirectory = None,
) -> None:
    """List products of the mirror, or with --remote of the archive.

    All conditions must hold. Most options take lists, "stack,diff", and may be repeated.
    """
    from winter_sync.api import Question
    from winter_sync.cli.listing import Listing, Request

    question = Question(
        program=program,
        target=target,
        cone=list(cone or ()),
        rectangle=list(rectangle or ()),
        image_type=image_type,
        instrument=instrument,
        night=night,
        first_night=first,
        last_night=last,
        filter=filters,
        state=state,
        new_since=new_since,
        limit=limit,
        newest_first=newest,
    )
    request = Request(question, form, output, paths=paths, download=download, remote=remote)
    Listing(context.obj, root, request).run()
