"""`winter-sync history`: the revisions of a product."""

from __future__ import annotations

from typing import Annotated

import typer

from winter_sync.cli.options import AsJson, RootDirectory
from winter_sync.cli.process import console, say

ProductFile = Annotated[
    str,
    typer.Argument(metavar="FILE", help="A path in the tree, a file name or a savepath."),
]


def history(
    context: typer.Context,
    file: ProductFile,
    *,
    as_json: AsJson = False,
    root: RootDirectory = None,
) -> None:
    """Show the revisions of a product.

    It says when each came, under which pipeline version, and where it is.
    """
    from winter_sync.cli.answers import open_mirror
    from winter_sync.cli.views.history import history_as_json, show_history

    with open_mirror(context.obj, root) as mirror:
        found = mirror.history(file)
        if as_json:
            say(history_as_json(found, mirror.root))
        else:
            show_history(console(), found, mirror.root)
