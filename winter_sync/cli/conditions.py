"""The options by which commands choose products."""

from __future__ import annotations

from typing import Annotated

import typer

from winter_sync.cli.options import split_words

Words = list[str] | None

Program = Annotated[
    Words, typer.Option("--program", metavar="P", help="Programs.", callback=split_words)
]
TargetName = Annotated[
    Words,
    typer.Option(
        "--target", metavar="NAME", help='Targets; "*" stands for any text.', callback=split_words
    ),
]
Cone = Annotated[
    Words,
    typer.Option(
        "--cone",
        metavar="RA,DEC,R",
        help='Circle: degrees or "10h03m50s +17d49m,30m"; TARGET,R too.',
    ),
]
Rectangle = Annotated[
    Words,
    typer.Option(
        "--rectangle",
        metavar="RA1,RA2,DEC1,DEC2",
        help="Eastwards from RA1 to RA2, degrees; RA1 may be above RA2: 359,1,-5,5.",
    ),
]
Type = Annotated[
    Words,
    typer.Option(
        "--type",
        metavar="T",
        help="exposure, raw, science, stack, diff, avro.",
        callback=split_words,
    ),
]
InstrumentName = Annotated[
    Words, typer.Option("--instrument", metavar="I", help="winter, spring.", callback=split_words)
]
NightName = Annotated[
    Words,
    typer.Option(
        "--night",
        metavar="NIGHT",
        help="Nights: 20240211, 2024-02-11, yesterday, -7d.",
        callback=split_words,
    ),
]
First = Annotated[str | None, typer.Option("--from", metavar="NIGHT", help="First night.")]
Last = Annotated[str | None, typer.Option("--to", metavar="NIGHT", help="Last night.")]
Filter = Annotated[
    Words,
    typer.Option("--filter", metavar="F", help="Filters: Y, J, Hs, dark ...", callback=split_words),
]
StateName = Annotated[
    Words,
    typer.Option(
        "--state",
        metavar="STATE",
        help="downloaded, pending, missing, withdrawn, damaged; with --remote also new.",
        callback=split_words,
    ),
]
NewSince = Annotated[
    str | None,
    typer.Option(
        "--new-since", metavar="TIME", help="Downloaded since: 2024-02-11T05:30 (UTC), -12h."
    ),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="At most N.")]
Newest = Annotated[bool, typer.Option("--newest", help="Newest first.")]
