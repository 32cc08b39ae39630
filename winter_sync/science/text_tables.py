"""Tables as text: CSV, ECSV, JSON, and aligned for the eye; a row at a time."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from winter_sync.core import escape_unprintable
from winter_sync.science.columns import Kind
from winter_sync.science.spool import spooled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from winter_sync.science.columns import Column, Value

    Rows = Iterable[Sequence[Value]]

_QUOTED = re.compile(r"""[,"'#\s]""")
"""What makes a CSV cell need quotes: for pandas also a `#`, which begins a comment otherwise."""
_NULL = "--"
"""For the eye, as astropy prints it."""
_ECSV_TYPES = {
    Kind.TEXT: "string",
    Kind.TIME: "string",
    Kind.INTEGER: "int64",
    Kind.REAL: "float64",
}


def write_csv(columns: Sequence[Column], rows: Rows, output: BinaryIO) -> None:
    """Write a line of names, then the rows; null is an empty cell (RFC 4180, lines end in LF)."""
    output.write((",".join(_csv_cell(column.name) for column in columns) + "\n").encode())
    # A line without a character is no row to any reader.
    output.writelines(((",".join(map(_csv_cell, row)) or '""') + "\n").encode() for row in rows)


def write_ecsv(
    columns: Sequence[Column],
    rows: Rows,
    output: BinaryIO,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """Write ECSV 1.0, comma-delimited: units and descriptions in comments above the CSV.

    The header is YAML; each line of it is JSON, which is YAML too. `metadata` is about the table.
    """
    lines = [
        "%ECSV 1.0",
        "---",
        "delimiter: ','",
        "datatype:",
        *(f"- {json.dumps(_ecsv_column(column))}" for column in columns),
        *([f"meta: {json.dumps(metadata)}"] if metadata else []),
        "schema: astropy-2.0",
    ]
    output.write("".join(f"# {line}\n" for line in lines).encode())
    write_csv(columns, rows, output)


def _ecsv_column(column: Column) -> dict[str, object]:
    described = {
        "name": column.name,
        "unit": column.unit,
        "datatype": _ECSV_TYPES[column.kind],
        "description": column.description,
        "meta": {key: word for key, word in (("ucd", column.ucd), ("utype", column.utype)) if word},
    }
    return {key: word for key, word in described.items() if word}


def write_json(columns: Sequence[Column], rows: Rows, output: BinaryIO) -> None:
    """Write an array of objects, one a line; null is null, never NaN."""
    names = [column.name for column in columns]
    separator = b"[\n"
    for row in rows:
        record = dict(zip(names, row, strict=True))
        output.write(separator + json.dumps(record, ensure_ascii=False, allow_nan=False).encode())
        separator = b",\n"
    output.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def write_plain(
    columns: Sequence[Column], rows: Rows, output: BinaryIO, directory: Path | None
) -> None:
    """Write aligned text: names, dashes, rows, with -- for null.

    astropy reads it as `ascii.fixed_width_two_line`.
    Rows wait in a temporary file, in the given directory, until all widths are known.
    """
    widths = [len(column.name) for column in columns]

    def measured() -> Iterator[list[str]]:
        for row in rows:
            cells = [escape_unprintable(_cell(value)) or _NULL for value in row]
            widths[:] = map(max, widths, map(len, cells))
            yield cells

    with spooled(measured(), directory) as cells_of_rows:
        right = [column.kind in {Kind.INTEGER, Kind.REAL} for column in columns]
        _write_aligned(output, [column.name for column in columns], widths, right)
        _write_aligned(output, ["-" * width for width in widths], widths, right)
        for cells in cells_of_rows:
            _write_aligned(output, cells, widths, right)


def _write_aligned(
    output: BinaryIO, cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]
) -> None:
    line = " ".join(
        cell.rjust(width) if is_right else cell.ljust(width)
        for cell, width, is_right in zip(cells, widths, right, strict=True)
    )
    output.write(f"{line.rstrip()}\n".encode())


def _csv_cell(value: Value) -> str:
    if isinstance(value, str) and _QUOTED.search(value):
        return '"' + value.replace('"', '""') + '"'
    return _cell(value)


def _cell(value: Value) -> str:
    """Return a value as text from which the very same number can be read."""
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)
