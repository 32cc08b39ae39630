"""Rows that wait on disk until something of all of them is known, such as the widest text."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from winter_sync.core import ErrorCode, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Cell = TypeVar("Cell", str, str | int | float | None)

_IN_MEMORY = 8_000_000
"""Bytes; what is less than this is never written to disk."""


@contextmanager
def spooled(
    rows: Iterable[Sequence[Cell]], directory: Path | None
) -> Iterator[Iterator[list[Cell]]]:
    """Read all rows, then yield them again, from a temporary file if they are many.

    Parameters
    ----------
    rows
        Rows of text, numbers and None.
    directory
        Where the file may be; None for the system's directory for temporary files.

    Raises
    ------
    StorageError
        If there is no room for it.
    """
    where = str(directory) if directory else None
    with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=where) as file:
        try:
            for row in rows:
                # `writelines` would keep all of them in memory: it moves them to disk at the end.
                file.write(json.dumps(row).encode() + b"\n")
            file.seek(0)
        except OSError as failed:
            raise _no_room(directory, failed) from failed
        yield (json.loads(line) for line in file)


def _no_room(directory: Path | None, failed: OSError) -> StorageError:
    where = directory or tempfile.gettempdir()
    return StorageError(
        f"a temporary file in {where} could not be written: {failed.strerror}",
        remedy="Make room there, set TMPDIR to another directory, or choose --format csv, which "
        "needs none.",
        code=ErrorCode.DISK_ERROR,
    )
