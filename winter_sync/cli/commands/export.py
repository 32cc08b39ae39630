"""`winter-sync export`: all that the mirror knows of products, for other tools."""

from __future__ import annotations

import sys
from contextlib import closing
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
    TargetName,
    Type,
)
from winter_sync.cli.options import OutputFile, RootDirectory, TableForm, split_words
from winter_sync.cli.process import say

Held = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="STATE",
        help="downloaded, pending, missing, withdrawn, damaged.",
        callback=split_words,
    ),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="DATE",
        help="What was here at this time, UTC: 2024-02-11 (its beginning), 2024-02-11T05:30, -7d.",
    ),
]

_TELLING = (
    *("winter_night", "target_name", "s_ra", "s_dec", "winter_image_type", "winter_state"),
    *("winter_filter", "t_min", "t_exptime", "winter_program", "winter_seeing", "winter_airmass"),
    *("winter_limiting_magnitude", "instrument_name", "winter_size", "obs_id"),
)
"""Columns that are shown on a terminal, as far as they fit."""


def export(  # noqa: PLR0913 - one option each
    context: typer.Context,
    *,
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
    state: Held = None,
    new_since: NewSince = None,
    limit: Limit = None,
    newest: Newest = False,
    as_of: AsOf = None,
    form: TableForm = None,
    output: OutputFile = None,
    root: RootDirectory = None,
) -> None:
    """Write a table of products, with the columns of ObsCore 1.1.

    Further columns have what else is known.

    Columns that the standard does not have begin with winter_. TOPCAT, astropy and pandas read it.
    On a terminal are the columns that fit; all are in files and pipes.
    """
    from winter_sync.api import Question
    from winter_sync.cli.answers import open_mirror, show_columns
    from winter_sync.science import OBSCORE_COLUMNS

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
    with (
        open_mirror(context.obj, root) as mirror,
        closing(mirror.export_rows(question, as_of)) as rows,
    ):
        count = show_columns(
            OBSCORE_COLUMNS, rows, _TELLING, form=form, output=output, what="product"
        )
    if not count:
        say("No products match.", sys.stderr)
