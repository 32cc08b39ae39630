"""Tables written in the formats that astronomers' tools read: a row at a time, files whole."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from winter_sync.core import ErrorCode, UsageError
from winter_sync.science.columns import rows_of
from winter_sync.science.fits_table import write_fits
from winter_sync.science.output import replacing
from winter_sync.science.text_tables import write_csv, write_ecsv, write_json, write_plain
from winter_sync.science.votable import write_votable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from astropy.table import QTable

    from winter_sync.science.columns import Column, Value


class TableFormat(StrEnum):
    """A format of tables."""

    TABLE = "table"
    """Aligned text."""
    CSV = "csv"
    JSON = "json"
    ECSV = "ecsv"
    VOTABLE = "votable"
    FITS = "fits"


_SUFFIXES = {
    ".txt": TableFormat.TABLE,
    ".csv": TableFormat.CSV,
    ".json": TableFormat.JSON,
    ".ecsv": TableFormat.ECSV,
    ".vot": TableFormat.VOTABLE,
    ".votable": TableFormat.VOTABLE,
    ".xml": TableFormat.VOTABLE,
    ".fits": TableFormat.FITS,
    ".fit": TableFormat.FITS,
}


def format_of(path: Path) -> TableFormat:
    """Return the format that the name of a file means, by its last suffix.

    Raises
    ------
    UsageError
        If it means none.
    """
    if (found := _SUFFIXES.get(path.suffix.lower())) is None:
        raise UsageError(
            f"{path}: the name does not say which format to write",
            remedy=f"Use one of {', '.join(_SUFFIXES)}, or say it: --format csv",
            code=ErrorCode.USE_OUTPUT,
        )
    return found


def choose_format(name: str | None, output: Path | None) -> TableFormat:
    """Return the format of a name, or without one that of a file's name.

    Raises
    ------
    UsageError
        If there is no such format, or neither says one.
    """
    if name is not None:
        return _named(name)
    if output is None:
        raise UsageError(
            "no format was chosen",
            remedy=f"Choose one of {', '.join(TableFormat)}.",
            code=ErrorCode.USE_OUTPUT,
        )
    return format_of(output)


def _named(name: str) -> TableFormat:
    try:
        return TableFormat(name)
    except ValueError:
        raise UsageError(
            f"{name!r} is not a format of tables",
            remedy=f"Choose one of {', '.join(TableFormat)}.",
            code=ErrorCode.USE_OUTPUT,
        ) from None


def write_table(table: QTable, output: Path | BinaryIO, format: TableFormat) -> None:  # noqa: A002 - the word of astropy's own readers and writers
    """Write an astropy table; see `write_rows`."""
    columns, rows = rows_of(table)
    write_rows(columns, rows, output, format)


def write_rows(
    columns: Sequence[Column],
    rows: Iterable[Mapping[str, object]],
    output: Path | BinaryIO,
    format: TableFormat,  # noqa: A002 - as above
) -> int:
    """Write rows as a table, and return how many there were.

    Few of them are in memory at a time, however many there are.

    Nulls are what each format has for them: empty cells in text and VOTable, null in JSON, TNULL
    and NaN in FITS.

    Parameters
    ----------
    columns
        The columns, in their order.
    rows
        The values by the names of the columns; what is absent is null, what is more is left out.
    output
        A file, which gets its name only when it is complete; or a stream of bytes.
    format
        The format.

    Raises
    ------
    ValueError
        If a value is not of its column's kind.
    UsageError
        If there cannot be a file of that name.
    StorageError
        If it cannot be written.
    """
    with _opened(output) as (file, directory):
        values = _Values(columns, rows)
        match format:
            case TableFormat.TABLE:
                write_plain(columns, values, file, directory)
            case TableFormat.CSV:
                write_csv(columns, values, file)
            case TableFormat.JSON:
                write_json(columns, values, file)
            case TableFormat.ECSV:
                write_ecsv(columns, values, file)
            case TableFormat.VOTABLE:
                write_votable(columns, values, file)
            case TableFormat.FITS:
                write_fits(columns, values, file, directory)
        file.flush()
        return values.count


@contextmanager
def _opened(output: Path | BinaryIO) -> Iterator[tuple[BinaryIO, Path | None]]:
    """Yield a file to write to, and where a temporary file may be."""
    if not isinstance(output, Path):
        yield output, None
        return
    with replacing(output) as file:
        yield file, output.resolve().parent


class _Values:
    """The values of rows by columns, and how many rows were taken."""

    def __init__(self, columns: Sequence[Column], rows: Iterable[Mapping[str, object]]) -> None:
        self._named = [(column.name, column.value) for column in columns]
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[list[Value]]:
        for row in self._rows:
            self.count += 1
            yield [value(row.get(name)) for name, value in self._named]
