"""`winter-sync nightlog`: what was observed in a night, in the pipeline's words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from winter_sync.cli.conditions import InstrumentName, Program, Type
from winter_sync.cli.options import OutputFile, RootDirectory, TableForm
from winter_sync.cli.process import say

NightOf = Annotated[
    str, typer.Argument(metavar="NIGHT", help="20240211, 2024-02-11, yesterday, or -7d after --.")
]

_TELLING = (
    *("UTCTIME", "TARGNAME", "FILTER", "EXPTIME", "RADEG", "DECDEG", "BOARD_ID", "AIRMASS"),
    *("DITHNUM", "NUMDITHS", "MAGLIM", "FWHM_MED", "PROGNAME", "ZP", "COADDS", "FIELDID"),
    "BASENAME",
)
"""Columns that are shown on a terminal, as far as they fit."""


def nightlog(  # noqa: PLR0913 - one option each
    context: typer.Context,
    night: NightOf,
    *,
    program: Program = None,
    image_type: Type = None,
    instrument: InstrumentName = None,
    form: TableForm = None,
    output: OutputFile = None,
    root: RootDirectory = None,
) -> None:
    """Write the log of a night, one row an image.

    The names of the columns are the pipeline's.

    Of each camera the images of one type: exposures if there are any, otherwise raw, science or
    stacked images. On a terminal are the columns that fit, and below them the visits with their
    dithers and boards; all columns are in files and pipes.
    """
    from winter_sync.api import Question
    from winter_sync.cli.answers import open_mirror, show_columns
    from winter_sync.cli.views.visit_lines import visit_line
    from winter_sync.science import NIGHTLOG_COLUMNS

    question = Question(
        program=program,
        image_type=image_type,
        instrument=instrument,
        night=night,
    )
    with open_mirror(context.obj, root) as mirror:
        rows = mirror.nightlog_rows(question)
        visits = mirror.visits(question) if _is_drawn(form, output) else []
        count = show_columns(
            NIGHTLOG_COLUMNS, rows, _TELLING, form=form, output=output, what="image"
        )
    for visit in visits:
        say(visit_line(visit))
    if not count:
        say("No images match.", sys.stderr)


def _is_drawn(form: str | None, output: Path | None) -> bool:
    return output is None and form in {None, "table"} and sys.stdout.isatty()
