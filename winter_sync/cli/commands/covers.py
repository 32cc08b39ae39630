"""`winter-sync covers`: whether a place was observed, when, and how deep."""

from __future__ import annotations

from typing import Annotated

import typer

from winter_sync.cli.conditions import First, InstrumentName, Last, NightName, Program, Words
from winter_sync.cli.options import AsPaths, OutputFile, RootDirectory, TableForm, split_words
from winter_sync.cli.place import PlaceWords, place_of

Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Exposures since: 2024-02-11, -7d; UTC."),
]
Filter = Annotated[
    Words, typer.Option("--filter", metavar="F", help="Filters: Y, J, Hs ...", callback=split_words)
]
Type = Annotated[
    Words,
    typer.Option(
        "--type", metavar="T", help="exposure, raw, science, stack, diff.", callback=split_words
    ),
]
DeeperThan = Annotated[
    float | None,
    typer.Option("--deeper-than", metavar="MAG", help="With a fainter limiting magnitude (AB)."),
]


def covers(  # noqa: PLR0913 - one option each
    context: typer.Context,
    place: PlaceWords,
    *,
    since: Since = None,
    filters: Filter = None,
    image_type: Type = None,
    instrument: InstrumentName = None,
    program: Program = None,
    night: NightName = None,
    first: First = None,
    last: Last = None,
    deeper_than: DeeperThan = None,
    paths: AsPaths = False,
    form: TableForm = None,
    output: OutputFile = None,
    root: RootDirectory = None,
) -> None:
    """Show which images here cover a place on the sky, and how deep.

    Options take lists, "J,Y", and may be repeated; all conditions must hold.
    """
    from winter_sync.cli.answers import open_mirror
    from winter_sync.cli.coverage import show_coverage

    where = place_of(context, place)
    with open_mirror(context.obj, root) as mirror:
        coverage = mirror.covers(
            where,
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
    show_coverage(coverage, form=form, output=output, paths=paths)
