"""`winter-sync restore`: an older revision of a product, beside the current one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from winter_sync.cli.commands.history import ProductFile
from winter_sync.cli.options import RootDirectory
from winter_sync.cli.process import say

Number = Annotated[
    int, typer.Option("--revision", min=1, metavar="N", help="Which, as `history` shows it.")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="PATH",
        help="The new file, or a directory. Default: NAME.revN.fits in the current directory.",
    ),
]


def restore(
    context: typer.Context,
    file: ProductFile,
    revision: Number,
    *,
    output: Output = None,
    root: RootDirectory = None,
) -> None:
    """Copy an older revision of a product to a new file.

    The tree stays as it is.
    """
    from winter_sync.cli.answers import open_mirror

    with open_mirror(context.obj, root) as mirror:
        say(str(mirror.restore(file, revision, output)))
