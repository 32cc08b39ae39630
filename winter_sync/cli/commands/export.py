"""`winter-sync export`: all that the mirror knows of products, for other tools."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Annotated

import typer

from winter_sync.cli.conditions import (
    Cones,
    Filters,
    FirstNight,
    LastNight,
    Rectangles,
    SomeNights,
    States,
    Targets,
)
from winter_sync.cli.options import Instruments, OutputFile, Programs, TableForm, Types
from winter_sync.cli.process import say

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="DATE",
        help="What was here at this time, UTC: 2024-02-11 (its beginning), 2024-02-11T05:30, -7d.",
    ),
]


def export(  # noqa: PLR0913 - one option each
    context: typer.Context,
    *,
    programs: Programs = None,
    targets: Targets = None,
    cones: Cones = None,
    rectangles: Rectangles = None,
    types: Types = None,
    instruments: Instruments = None,
    nights: SomeNights = None,
    first_night: FirstNight = None,
    last_night: LastNight = None,
    filters: Filters = None,
    states: States = None,
    as_of: AsOf = None,
    form: TableForm = None,
    output: OutputFile = None,
) -> None:
    """Write a table of products, with the columns of ObsCore 1.1 and what else is known.

    Columns that the standard does not have begin with winter_. TOPCAT, astropy and pandas read it.
    """
    from winter_sync.api import Question
    from winter_sync.cli.answers import open_mirror, write_answer
    from winter_sync.science import OBSCORE_COLUMNS

    question = Question(
        program=programs,
        target=targets,
        cone=list(cones or ()) or None,
        rectangle=list(rectangles or ()) or None,
        image_type=types,
        instrument=instruments,
        night=nights,
        first_night=first_night,
        last_night=last_night,
        filter=filters,
        state=states,
    )
    with open_mirror(context.obj) as mirror, closing(mirror.export_rows(question, as_of)) as rows:
        count = write_answer(OBSCORE_COLUMNS, rows, form=form, output=output)
    if not count:
        say("No products match.", sys.stderr)
