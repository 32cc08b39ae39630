r"""Tables as FITS binary tables, in pieces.

FITS 4.0 (IAU FITS Working Group, 2018), section 7.3. Text is ASCII there: other characters are
written as escapes, such as `\xe9`.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from winter_sync.core import escape_unprintable
from winter_sync.science.columns import Kind
from winter_sync.science.spool import spooled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from winter_sync.science.columns import Column, Value

_NULL_INTEGER = -(2**63)
"""What TNULL says; no value of a column (`Kind.INTEGER`)."""
_ROWS_AT_ONCE = 4096
_BLOCK = 2880


def write_fits(
    columns: Sequence[Column],
    rows: Iterable[Sequence[Value]],
    output: BinaryIO,
    directory: Path | None,
) -> None:
    """Write an empty primary HDU and a binary table.

    Null is TNULL in integers, NaN in real numbers, and no text. Rows wait in a temporary file, in
    the given directory, until the longest texts and their number are known.
    """
    widths, count = [1] * len(columns), 0

    def measured() -> Iterator[list[Value]]:
        nonlocal count
        for row in rows:
            cells = [_ascii(value) if isinstance(value, str) else value for value in row]
            widths[:] = (
                max(width, len(cell)) if isinstance(cell, str) else width
                for width, cell in zip(widths, cells, strict=True)
            )
            count += 1
            yield cells

    with spooled(measured(), directory) as waiting:
        output.write(_headers(columns, widths, count))
        written = 0
        while piece := [tuple(_plain(columns, row)) for row in islice(waiting, _ROWS_AT_ONCE)]:
            written += output.write(_packed(columns, widths, piece))
        output.write(bytes(-written % _BLOCK))


def _ascii(text: str) -> str:
    return escape_unprintable(text).encode("ascii", "backslashreplace").decode()


def _plain(columns: Sequence[Column], row: Sequence[Value]) -> Iterator[Value]:
    for column, value in zip(columns, row, strict=True):
        yield _NULLS[column.kind] if value is None else value


_NULLS: dict[Kind, Value] = {
    Kind.TEXT: "",
    Kind.TIME: "",
    Kind.INTEGER: _NULL_INTEGER,
    Kind.REAL: float("nan"),
}


def _packed(
    columns: Sequence[Column], widths: Sequence[int], rows: list[tuple[Value, ...]]
) -> bytes:
    import numpy as np  # noqa: PLC0415 - slow to import

    types = {Kind.INTEGER: ">i8", Kind.REAL: ">f8"}
    dtype = [
        (f"f{number}", types.get(column.kind, f"S{width}"))
        for number, (column, width) in enumerate(zip(columns, widths, strict=True))
    ]
    return np.array(rows, dtype=dtype).tobytes()


def _headers(columns: Sequence[Column], widths: Sequence[int], count: int) -> bytes:
    from astropy.io import fits  # noqa: PLC0415 - slow to import

    table = fits.BinTableHDU.from_columns(
        [_definition(column, width) for column, width in zip(columns, widths, strict=True)]
    )
    header: Any = table.header
    header["NAXIS2"] = count
    for number, column in enumerate(columns, 1):
        # TCOMMn and TUCDn are no part of the standard; TOPCAT and astropy read or keep them.
        for card, words in ((f"TCOMM{number}", column.description), (f"TUCD{number}", column.ucd)):
            if words:
                header[card] = words
    return b"".join(part.tostring().encode() for part in (fits.PrimaryHDU().header, header))


def _definition(column: Column, width: int) -> Any:  # noqa: ANN401 - astropy has no types
    from astropy.io import fits  # noqa: PLC0415 - slow to import

    codes = {Kind.INTEGER: "K", Kind.REAL: "D"}
    return fits.Column(
        name=column.name,
        format=codes.get(column.kind, f"{width}A"),
        unit=column.unit,
        null=_NULL_INTEGER if column.kind is Kind.INTEGER else None,
    )
