"""The line that names a daemon which keeps the same mirror."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from winter_sync.cli.process import say
from winter_sync.core import escape_unprintable
from winter_sync.daemon import daemon_of

if TYPE_CHECKING:
    from pathlib import Path


def say_what_runs_beside(root: Path) -> None:
    """Say on standard error which daemon keeps this mirror, too, if one does."""
    if (daemon := daemon_of(root)) is not None:
        said = f"a daemon keeps this mirror, too: {escape_unprintable(daemon)}"
        say(f"winter-sync: {said}. Neither downloads what the other does.", sys.stderr)
