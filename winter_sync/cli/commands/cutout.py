"""`winter-sync cutout`: the images of a place, cut out around it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from winter_sync.cli.commands.covers import DeeperThan, Filter, Since, Type
from winter_sync.cli.conditions import First, InstrumentName, Last, NightName, Program
from winter_sync.cli.options import RootDirectory
from winter_sync.cli.place import PlaceWords, place_of
from winter_sync.cli.process import finish

Size = Annotated[
    str, typer.Option("--size", metavar="SIZE", help="Of each side: 60s, 2m, 0.1d; or arcseconds.")
]
Directory = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        help="Directory of the FITS files. Default: cutouts; with --png alone there are none.",
    ),
]
Picture = Annotated[
    Path | None,
    typer.Option("--png", metavar="FILE", help="Draw all of them side by side in this file."),
]
NorthUp = Annotated[bool, typer.Option("--north-up", help="Turn the picture: east is left.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]


def cutout(  # noqa: PLR0913 - one option each
    context: typer.Context,
    place: PlaceWords,
    *,
    size: Size = "60s",
    since: Since = None,
    filters: Filter = None,
    image_type: Type = None,
    instrument: InstrumentName = None,
    program: Program = None,
    night: NightName = None,
    first: First = None,
    last: Last = None,
    deeper_than: DeeperThan = None,
    output: Directory = None,
    png: Picture = None,
    north_up: NorthUp = False,
    overwrite: Overwrite = False,
    root: RootDirectory = None,
) -> None:
    """Cut a place on the sky out of every image that covers it.

    Prints the names of the FITS files. Files that exist are kept.
    """
    from winter_sync.cli.answers import open_mirror
    from winter_sync.cli.cutouts import CutoutOutput, save_cutouts

    where = place_of(context, place)
    if output is None and png is None:
        output = Path("cutouts")
    with open_mirror(context.obj, root) as mirror:
        cutouts = mirror.cutouts(
            where,
            size,
            since=since,
            filter=filters,
            image_type=image_type,
            instrument=instrument,
            deeper_than=deeper_than,
            program=program,
            night=night,
            first_night=first,
            last_night=last,
        )
        wanted = CutoutOutput(output, png, north_up=north_up, overwrite=overwrite)
        finish(save_cutouts(cutouts, wanted))
