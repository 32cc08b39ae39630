"""The root of the mirror before there is anything in it."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from winter_sync.core import ErrorCode, StorageError, is_directory

if TYPE_CHECKING:
    from pathlib import Path


def check_root(root: Path) -> None:
    """Make sure that a root is a directory or can become one.

    Raises
    ------
    StorageError
        If it is something else, or its parent does not exist. That is never created: where it is
        absent, a file system is probably not mounted.
    """
    if is_directory(root):
        return
    if os.path.lexists(root):
        raise StorageError(
            f"the mirror root {root} is not a directory",
            remedy="Move it away, or set another mirror.root.",
            code=ErrorCode.MIRROR_ROOT,
        )
    if not is_directory(root.parent):
        state = "is not a directory" if os.path.lexists(root.parent) else "does not exist"
        raise StorageError(
            f"{root.parent} {state}, so the mirror root {root} cannot be created",
            remedy=f"Create or mount it (`mkdir -p {shlex.quote(str(root.parent))}`), or set "
            "another mirror.root.",
            code=ErrorCode.MIRROR_ROOT,
        )
