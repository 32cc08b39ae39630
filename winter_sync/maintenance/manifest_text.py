"""The content of a night's manifest: a table of its products, and sums that `sha256sum` checks."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING

from winter_sync.catalog import UserState, format_instant
from winter_sync.core import NOT_KEPT
from winter_sync.science import Column, Kind, write_ecsv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from winter_sync.catalog import NightFile, NightRecord

MANIFEST_VERSION = 1
"""Raised when a column or a word of the metadata changes its meaning or goes."""
_NOT_KEPT_STATE = "not kept"

COLUMNS = (
    Column("path", Kind.TEXT, None, None, "Where the file is or would be, relative to the root"),
    Column("type", Kind.TEXT, None, None, "Image type, in the words of the archive"),
    Column("instrument", Kind.TEXT, None, None, "Camera"),
    Column("size", Kind.INTEGER, "byte", None, "Size of the file"),
    Column("sha256", Kind.TEXT, None, None, "SHA-256 of the file, hexadecimal"),
    Column("revision", Kind.INTEGER, None, None, "Which content of the product it is, from 1"),
    Column("published_at", Kind.TEXT, None, None, "When this content was downloaded, UTC"),
    Column("target", Kind.TEXT, None, None, "Target, as listed"),
    Column(
        "state",
        Kind.TEXT,
        None,
        None,
        "downloaded, pending, missing, not kept, damaged or withdrawn",
    ),
)


def manifest_table(
    record: NightRecord, files: Iterable[NightFile], settled_at: datetime | None
) -> bytes:
    """Return the table of a night as ECSV, its numbers and times in the metadata."""
    output = io.BytesIO()
    rows = (
        (
            file.path,
            file.product.image_type.value,
            file.product.instrument.value,
            file.size if file.is_here else None,
            file.sha256 if file.is_here else None,
            file.revision if file.is_here else None,
            file.published_at if file.is_here else None,
            file.target,
            _state(file),
        )
        for file in files
    )
    write_ecsv(COLUMNS, rows, output, _metadata(record, settled_at))
    return output.getvalue()


def _metadata(record: NightRecord, settled_at: datetime | None) -> dict[str, object]:
    numbers, changed_at = record.history.numbers, record.history.changed_at
    return {
        "version": MANIFEST_VERSION,
        "program": record.which.program,
        "night": record.which.night.name,
        "settled_at": format_instant(settled_at) if settled_at else None,
        "changed_at": format_instant(changed_at) if changed_at else None,
        "listed": numbers.listed,
        "downloaded": numbers.here,
        "pending": numbers.pending,
        "missing": numbers.missing,
        "not_kept": numbers.not_kept,
        "damaged": numbers.damaged,
        "withdrawn": sum(kind.count.withdrawn for kind in record.kinds),
        "size": numbers.size,
    }


def _state(file: NightFile) -> str:
    if file.state is UserState.MISSING and file.product.image_type in NOT_KEPT:
        return _NOT_KEPT_STATE
    return file.state.value


def checksums(files: Iterable[NightFile]) -> bytes | None:
    """Return what `sha256sum -c` checks in the root, a line a file; None if no file is here."""
    lines = [_checksum(file.sha256, file.path) for file in files if file.is_here and file.sha256]
    return "".join(lines).encode() if lines else None


def _checksum(sha256: str, path: str) -> str:
    """Return a line as coreutils write it: a backslash before one in which names are escaped."""
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == path else chr(92)}{sha256}  {escaped}\n"


def content_digest(files: Sequence[NightFile]) -> str:
    """Return a digest of what other programs are told of a night.

    It is the same while a product is only fetched once more: that is news when its content differs.
    """
    told = [
        (
            file.path,
            file.sha256 if file.is_here else None,
            UserState.DOWNLOADED.value
            if file.is_here and file.state is UserState.PENDING
            else _state(file),
            file.target,
        )
        for file in files
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
