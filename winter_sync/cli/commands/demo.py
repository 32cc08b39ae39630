"""`winter-sync demo`: a simulated night, mirrored and proved right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from winter_sync.cli.process import console, finish, form_of, run_until_interrupted, set_up_logging

Root = Annotated[
    Path | None,
    typer.Option(
        metavar="DIRECTORY",
        help="Keep the tree in this directory, empty or new. "
        "Default: a temporary directory (deleted at the end).",
    ),
]


def demo(context: typer.Context, root: Root = None) -> None:
    """Mirror a simulated night, show its tree, and verify it."""
    import tempfile

    from winter_sync.cli.demo import demonstrate

    logger = set_up_logging(context.obj.log_level or "warning", form_of(context.obj))
    with tempfile.TemporaryDirectory(prefix="winter-sync-demo-") as temporary:
        place = root or Path(temporary) / "winter"
        finish(run_until_interrupted(demonstrate(place, logger, console())))
