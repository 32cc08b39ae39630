"""`winter-sync show`: files, or the answer of `list`, in TOPCAT, Aladin or DS9."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from winter_sync.cli.conditions import (
    Cone,
    Filter,
    First,
    InstrumentName,
    Last,
    Limit,
    NewSince,
    NightName,
    Program,
    Rectangle,
    StateName,
    TargetName,
    Type,
)
from winter_sync.cli.options import RootDirectory
from winter_sync.cli.process import finish
from winter_sync.core import ErrorCode, UsageError

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]...", help="FITS images, or tables (.fits, .vot), to send."),
]
Samp = Annotated[
    bool, typer.Option("--samp", help="Send by SAMP, to the tools that are connected to its hub.")
]
Client = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Only to this tool: topcat, aladin, ds9. Default: all that can."
    ),
]


def show(  # noqa: PLR0913 - one option each
    context: typer.Context,
    files: Files = None,
    *,
    samp: Samp = False,
    client: Client = None,
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
    root: RootDirectory = None,
) -> None:
    """Show files or a table of products in TOPCAT, Aladin or DS9.

    The options of `list` choose the products of the table.

    Start the tool first. Images: `winter-sync show --samp $(winter-sync list --paths ...)`.
    """
    from winter_sync.api import Question
    from winter_sync.cli.answers import open_mirror
    from winter_sync.cli.samp import send_files, send_products

    if not samp:
        raise UsageError(
            "show does not know where to", remedy="Add --samp.", code=ErrorCode.USE_OPTION
        )
    conditions: dict[str, Any] = {
        "program": program,
        "target": target,
        "cone": cone,
        "rectangle": rectangle,
        "image_type": image_type,
        "instrument": instrument,
        "night": night,
        "first_night": first,
        "last_night": last,
        "filter": filters,
        "state": state,
        "new_since": new_since,
        "limit": limit,
    }
    asked = {name: value for name, value in conditions.items() if value}
    if bool(files) == bool(asked):
        raise UsageError(
            "show sends files or the answer of a question, and one of them",
            remedy="Write `show --samp FILE.fits` or, as for `list`, "
            "`show --samp --type stack --night yesterday`.",
            code=ErrorCode.USE_OPTION,
        )
    if files:
        finish(send_files(files, client))
    with open_mirror(context.obj, root) as mirror:
        finish(send_products(mirror, Question(**asked), client))
