"""The requests in the observatory's queue that still wait, in a status."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.cli.views.sentences import INDENT, print_sentence
from winter_sync.core import ToOStage

if TYPE_CHECKING:
    from rich.console import Console

    from winter_sync.core import ToOProgress
    from winter_sync.monitoring import Status

_SHOWN = 20


def show_too(console: Console, status: Status) -> None:
    """Print what was requested of the observatory and is not here yet."""
    if not status.too:
        return
    print_sentence(console, f"Requests that wait: {len(status.too)}")
    for progress in status.too[:_SHOWN]:
        print_sentence(console, f"{INDENT}{_said(progress)}")
    if (more := len(status.too) - _SHOWN) > 0:
        print_sentence(console, f"{INDENT}and {more} more (see --json)")


def _said(progress: ToOProgress) -> str:
    request = progress.request
    stage = progress.stage.value
    if progress.stage is ToOStage.LISTED:
        stage = f"listed, {progress.here} of {progress.listed} here"
    window = ""
    if request.begins is not None and request.ends is not None:
        window = f", {request.begins:%Y-%m-%d %H:%M} to {request.ends:%Y-%m-%d %H:%M} UTC"
    return f"{request.program} {request.target or 'without a name'}: {stage}{window}"
