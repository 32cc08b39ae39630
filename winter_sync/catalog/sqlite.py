"""sqlite-utils without numpy, which it imports, where installed, only for its number types.

None of them reaches the catalog, and numpy is a sixth of the CPU that a command needs to start.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Make an import of a module that is not there yet fail for a moment."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment] # makes the import fail
    try:
        yield
    finally:
        del sys.modules[name]


with _without("numpy"):
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

__all__ = ["Database", "Migrations"]
