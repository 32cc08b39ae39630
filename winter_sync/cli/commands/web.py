"""`winter-sync web`: the pages of a mirror without a daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from winter_sync.cli.options import RootDirectory

Listen = Annotated[
    str,
    typer.Option(
        "--listen",
        metavar="ADDRESS:PORT",
        help="Where to serve them. An address that other machines can reach needs a token.",
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="A file with the token that whoever looks at them gives once, as ?token=...; by "
        "default http.token_file of the settings.",
    ),
]
Sia2 = Annotated[
    bool,
    typer.Option(
        "--sia2",
        help="Let pyvo, TOPCAT and other programs ask for images at /sia2 (SIA 2.0 of the IVOA).",
    ),
]


def web(
    context: typer.Context,
    *,
    listen: Listen = "127.0.0.1:8766",
    root: RootDirectory = None,
    token_file: TokenFile = None,
    sia2: Sia2 = False,
) -> None:
    """Show a mirror in a browser, without a daemon.

    `run` serves the same pages by itself.
    """
    import asyncio

    from winter_sync.cli.web import serve_pages

    asyncio.run(
        serve_pages(context.obj, listen=listen, root=root, token_file=token_file, sia2=sia2)
    )
