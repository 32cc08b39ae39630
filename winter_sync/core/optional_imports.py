"""Libraries that others import only where they are installed, and that we have no use for."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Make imports of modules that are not there yet fail for a moment.

    What is imported meanwhile does as if they were not installed, and starts in less time.
    """
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # makes the import fail
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
