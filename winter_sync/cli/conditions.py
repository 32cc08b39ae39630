"""The options by which commands choose products, and the question that they make."""

from __future__ import annotations

from typing import Annotated

import typer

Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="TARGET",
        help='Only this target, in upper or lower case (repeatable); "*" stands for any text.',
    ),
]
Cones = Annotated[
    list[str] | None,
    typer.Option(
        "--cone",
        metavar="RA,DEC,RADIUS",
        help="Only what shows a part of this circle, in degrees (repeatable); also TARGET,RADIUS.",
    ),
]
Rectangles = Annotated[
    list[str] | None,
    typer.Option(
        "--rectangle",
        metavar="RA1,RA2,DEC1,DEC2",
        help="Only what shows a part of this rectangle, in degrees, eastwards from RA1 "
        "(repeatable).",
    ),
]
SomeNights = Annotated[
    list[str] | None,
    typer.Option(
        "--night",
        metavar="NIGHT",
        help="Only this night (repeatable): 20240211, 2024-02-11, yesterday, -7d.",
    ),
]
FirstNight = Annotated[
    str | None, typer.Option("--from", metavar="NIGHT", help="Only this night and later ones.")
]
LastNight = Annotated[
    str | None, typer.Option("--to", metavar="NIGHT", help="Only this night and earlier ones.")
]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="FILTER", help="Only this filter, such as J (repeatable)."),
]
States = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="Only products that are downloaded, pending, missing, withdrawn or damaged "
        "(repeatable).",
    ),
]
