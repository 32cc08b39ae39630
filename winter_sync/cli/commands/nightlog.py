"""`winter-sync nightlog`: what was observed in a night, in the pipeline's words."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from winter_sync.cli.options import Instruments, OutputFile, Programs, TableForm, Types
from winter_sync.cli.process import say

NightOf = Annotated[
    str, typer.Argument(metavar="NIGHT", help="20240211, 2024-02-11, yesterday, or -7d after --.")
]


def nightlog(  # noqa: PLR0913 - one option each
    context: typer.Context,
    night: NightOf,
    *,
    programs: Programs = None,
    types: Types = None,
    instruments: Instruments = None,
    form: TableForm = None,
    output: OutputFile = None,
) -> None:
    """Write the log of a night: one row an image, with the pipeline's names of columns.

    Of each camera the images of one type: exposures if there are any, otherwise raw, science or
    stacked images.
    """
    from winter_sync.api import Question
    from winter_sync.cli.answers import open_mirror, write_answer
    from winter_sync.science import NIGHTLOG_COLUMNS

    question = Question(program=programs, image_type=types, instrument=instruments, night=night)
    with open_mirror(context.obj) as mirror:
        count = write_answer(
            NIGHTLOG_COLUMNS, mirror.nightlog_rows(question), form=form, output=output
        )
    if not count:
        say("No images match.", sys.stderr)
